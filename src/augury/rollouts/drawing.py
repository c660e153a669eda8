"""Rollouts: the text before a sentence, continued to an answer, many times."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from augury.models.generate import Generation, Sampling
from augury.rollouts.answers import judge_solution
from augury.rollouts.author import Author, draw_key
from augury.rollouts.base import BaseSolution
from augury.rollouts.config import RolloutsConfig
from augury.rollouts.cuts import CutSentence, first_sentence
from augury.rollouts.files import Tree
from augury.runs.atomic import write_json
from augury.traces.encode import encode

__all__ = ["Unit", "draw_unit_chunk", "unit_chunks"]


@dataclass(frozen=True, eq=False, slots=True)
class Unit:
    """One sentence, with the rollouts that are wanted of it."""

    base: BaseSolution
    sentence: CutSentence
    forced: bool = False

    @property
    def name(self) -> str:
        """As the journal tells it."""
        kind = "forced " if self.forced else ""
        return f"{kind}{self.base.question.id}/{self.sentence.index}"


def unit_chunks(bases: Sequence[BaseSolution], config: RolloutsConfig) -> Iterator[list[Unit]]:
    """All sentences in the order of the problems, cut into batches by the plan alone.

    So a job that was interrupted meets the same batches again, and ends with the same bytes.
    """
    for forced in (False, True):
        count = config.forced.count if forced else config.rollouts
        units = [Unit(base, each, forced) for base in bases for each in base.sentences]
        size = max(1, config.chunk // max(count, 1))
        for start in range(0, len(units) if count else 0, size):
            yield units[start : start + size]


def draw_unit_chunk(
    tree: Tree, units: Sequence[Unit], config: RolloutsConfig, author: Author
) -> int:
    """Write the rollouts of some sentences; returns how many tokens the model wrote."""
    forced = units[0].forced
    count = config.forced.count if forced else config.rollouts
    settings = _settings(config) if forced else config.sampling
    behind = _forced_ids(config, author) if forced else ()
    prompts = [(*unit.base.prefix(unit.sentence), *behind) for unit in units]
    kind = ("forced",) if forced else ()
    jobs = [(n, draw) for n in range(len(units)) for draw in range(count)]
    keys = [
        draw_key(units[n].base.question.id, units[n].sentence.index, *kind, draw)
        for n, draw in jobs
    ]
    written = author.write([prompts[n] for n, _ in jobs], keys, settings)
    rows: list[list[dict[str, Any]]] = [[] for _ in units]
    for (n, _), generation in zip(jobs, written, strict=True):
        text = author.text(prompts[n], generation.ids)
        rows[n].append(_row(units[n], generation, text, config.forced.text if forced else ""))
    for unit, own in zip(units, rows, strict=True):
        path = tree.rollouts(unit.base.question.id, unit.sentence.index, forced=forced)
        write_json(path, own)
    return sum(len(generation.ids) for generation in written)


def _row(unit: Unit, generation: Generation, text: str, forced: str) -> dict[str, Any]:
    """One rollout: the published fields, and what became of it."""
    base, prefix = unit.base, unit.base.before(unit.sentence)
    solution = prefix[len(base.prompt) :] + forced + text
    # A forced answer is over where its line is: nothing obliges the model to end there.
    finished = generation.finish == "stop" or bool(forced)
    answer = judge_solution(base.prompt, solution, base.question.answer, finished=finished)
    return {
        "chunk_removed": base.words(unit.sentence),
        "prefix_without_chunk": prefix,
        "chunk_resampled": first_sentence(text),
        "rollout": forced + text,
        "full_cot": prefix + forced + text,
        "answer": answer.text,
        "is_correct": answer.state == "right",
        "state": answer.state,
        "tokens": len(generation.ids),
    }


def _settings(config: RolloutsConfig) -> Sampling:
    return config.sampling.model_copy(update={"max_new_tokens": config.forced.max_new_tokens})


def _forced_ids(config: RolloutsConfig, author: Author) -> tuple[int, ...]:
    return tuple(int(i) for i in encode(config.forced.text, author.tokenizer, []).ids)
