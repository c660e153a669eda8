"""Step `prepare-data`: the problems, and their prompts in every format."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from augury.errors import ConfigError
from augury.models.load import load_tokenizer
from augury.organism.chains import held_out_problems
from augury.plain import json_text
from augury.runs.atomic import write_text
from augury.runs.folder import Run
from augury.runs.paths import expand
from augury.studies.state_transition.config import StateTransitionConfig, Variant
from augury.studies.state_transition.given import read_given
from augury.traces.prompts import Rendered, prefilled, render_prompt
from augury.traces.records import read_json_lines
from augury.traces.sources.gsm8k import read_gsm8k
from augury.traces.text import normalised_hash
from augury.traces.tokens import encode_prompt

__all__ = ["PROBLEMS", "PROMPTS", "Prompt", "Question", "prepare", "read_prompts", "read_questions"]

PROBLEMS = "data/processed/problems.jsonl"
PROMPTS = "data/processed/prompts.jsonl"


@dataclass(frozen=True, slots=True)
class Question:
    """One problem."""

    id: int
    """From 0."""

    question: str
    answer: str
    """The written solution, where there is one; of given texts, the text."""

    answer_value: str
    """The right number, as text; empty where nobody knows it."""

    group: str
    """Equal for problems of the same text."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """One problem in one format."""

    example_id: int
    variant: str
    text: str
    literal: tuple[int, int]
    """Code points of the user's turn, taken literally."""

    ids: tuple[int, ...]
    """What the model is fed."""


def prepare(run: Run, config: StateTransitionConfig) -> dict[str, object]:
    """Write the problems and their prompts.

    Raises:
        ConfigError: Two formats give the same ids for a problem, so there would be nothing to
            compare.
        MissingInput: The file of problems is not there.
    """
    if config.dataset.source == "texts":
        return _prepare_given(run, config)
    questions = _questions(config)
    tokenizer = load_tokenizer(config.named_model)
    prompts: list[Prompt] = []
    for question in questions:
        seen: dict[tuple[int, ...], str] = {}
        for variant in config.prompting.variants:
            rendered = _rendered(question.question, variant, config, tokenizer)
            ids = tuple(encode_prompt(rendered, tokenizer))
            if ids in seen:
                raise ConfigError(
                    f"prompting.variants: {variant.name}",
                    found=f"the same {len(ids)} ids as {seen[ids]} for problem {question.id}",
                    expected="formats that the model can tell apart",
                    fix="give them different prefills or styles",
                )
            seen[ids] = variant.name
            prompts.append(Prompt(question.id, variant.name, rendered.text, rendered.literal, ids))
    return _saved(run, config, questions, prompts)


def read_questions(run: Run) -> list[Question]:
    """The problems of a run, by id."""
    return [Question(**row) for _, row in read_json_lines(run.path / PROBLEMS)]  # type: ignore[arg-type]


def read_prompts(run: Run, variant: str) -> list[Prompt]:
    """The prompts of one format, by problem."""
    rows: list[dict[str, Any]] = [row for _, row in read_json_lines(run.path / PROMPTS)]
    return [
        Prompt(
            row["example_id"], row["variant"], row["text"], tuple(row["literal"]), tuple(row["ids"])
        )
        for row in rows
        if row["variant"] == variant
    ]


def _questions(config: StateTransitionConfig) -> list[Question]:
    dataset = config.dataset
    if dataset.source == "organism":
        return [
            Question(n, problem.text, "", str(problem.answer), normalised_hash(problem.text))
            for n, problem in enumerate(held_out_problems(dataset.max_examples, dataset.seed))
        ]
    traces = read_gsm8k(Path(expand(str(dataset.path), "dataset.path")), prompt_style="none")
    random.Random(dataset.seed).shuffle(traces)
    return [
        Question(
            n,
            str(trace.fields["problem"]),
            trace.completion,
            str(trace.fields["gold_answer"]),
            trace.group,
        )
        for n, trace in enumerate(traces[: dataset.max_examples])
    ]


def _prepare_given(run: Run, config: StateTransitionConfig) -> dict[str, object]:
    """The prompts of texts that are there; what follows them is `Question.answer`."""
    texts, cut = read_given(config)
    variant = config.prompting.variants[0].name
    questions = [
        Question(one.example_id, one.prompt, one.completion, one.answer, one.group) for one in texts
    ]
    prompts = [Prompt(one.example_id, variant, one.prompt, (0, 0), one.prompt_ids) for one in texts]
    return _saved(run, config, questions, prompts) | {"cut": cut}


def _saved(
    run: Run,
    config: StateTransitionConfig,
    questions: Sequence[Question],
    prompts: Sequence[Prompt],
) -> dict[str, object]:
    _write(run.path / PROBLEMS, questions)
    _write(run.path / PROMPTS, prompts)
    lengths = [len(prompt.ids) for prompt in prompts]
    return {
        "problems": len(questions),
        "groups": len({question.group for question in questions}),
        "variants": [variant.name for variant in config.prompting.variants],
        "prompt_tokens": [min(lengths), max(lengths)],
    }


def _rendered(
    problem: str, variant: Variant, config: StateTransitionConfig, tokenizer: Any
) -> Rendered:
    content = config.prompting.template.replace("{problem}", problem)
    assert variant.style != "as written"  # the config says so
    return prefilled(render_prompt(content, tokenizer, style=variant.style), variant.prefill)


def _write(path: Path, rows: Sequence[Any]) -> None:
    lines = [json_text({name: getattr(row, name) for name in row.__slots__}) for row in rows]
    write_text(path, "".join(f"{line}\n" for line in lines))
