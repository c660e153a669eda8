"""Maths problems whose solution was resampled at every sentence (math-rollouts).

A problem has `problem.json`, `base_solution.json`, `chunks_labeled.json` (sentences with published
importances) and, where they were kept, `chunk_<i>/solutions.json` (the rollouts of sentence i).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import xxhash

from augury.errors import DataError
from augury.traces.chunks import PlacedChunk, place_chunks
from augury.traces.records import read_bytes, take, text_of
from augury.traces.sources.rollout_files import RolloutFiles
from augury.traces.text import normalised_hash
from augury.traces.trace import Origin, Span, Trace

__all__ = [
    "ESTIMATORS",
    "SENTENCE",
    "Estimator",
    "LabelledChunk",
    "Rollout",
    "RolloutProblem",
    "chunk_places",
    "problem_digest",
    "problem_trace",
    "read_problem",
    "read_resampled",
    "read_rollouts",
    "text_behind",
]

Estimator = Literal["counterfactual", "resampling", "forced"]
ESTIMATORS: tuple[Estimator, ...] = ("counterfactual", "resampling", "forced")
SENTENCE = "sentence"
"""Label of the span of every chunk."""

_FILES = ("problem.json", "base_solution.json", "chunks_labeled.json")


@dataclass(frozen=True, slots=True)
class LabelledChunk:
    """One sentence, as published."""

    text: str
    tags: tuple[str, ...]
    """What the sentence does, e.g. `plan_generation`; the first is the main one."""

    accuracy: float
    """Share of right answers among rollouts that write this sentence anew, in [0, 1]."""

    importance: Mapping[Estimator, float]
    """In the published sign, which differs between estimators; `targets.importance` unites them."""

    different: float
    """Share of rollouts whose sentence means something else (cosine below 0.8), in [0, 1]."""

    overdetermined: float
    """1 - distinct sentences / rollouts, in [0, 1]."""

    truth: tuple[str, ...] = ()
    """What is known of it where the text was made from a known truth, e.g. `noticed slip`."""


@dataclass(frozen=True, slots=True)
class RolloutProblem:
    """One problem with its solution in sentences."""

    id: int
    problem: str
    level: str
    subject: str
    gold_answer: str
    prompt: str
    """As the model read it, up to and with `<think>`."""

    solution: str
    """What the model wrote, `</think>` and the answer included."""

    answer: str
    correct: bool
    chunks: tuple[LabelledChunk, ...]
    origin: Origin
    digest: str
    """Hash of the three files."""

    where: str
    """The file of the sentences, for messages."""


@dataclass(frozen=True, slots=True)
class Rollout:
    """One solution that was continued without a sentence."""

    removed: str
    """The sentence that was taken out."""

    resampled: str
    """The sentence that was written in its place."""

    prefix: str
    """Text that it was continued from."""

    answer: str
    """Empty where none was given."""

    correct: bool

    @property
    def answered(self) -> bool:
        """Rollouts without an answer count nowhere."""
        return self.answer not in ("", "None")


def read_problem(files: RolloutFiles, problem: int) -> RolloutProblem:
    """Read one problem.

    Raises:
        MissingInput: A file is missing.
        DataError: A file is malformed; file, row (from 0, as `chunk_idx`) and field are named.
    """
    paths = [files.path(problem, name) for name in _FILES]
    raw = [read_bytes(path, what="a file of math-rollouts") for path in paths]
    task, base = (_object(_parsed(d, p), str(p)) for d, p in zip(raw[:2], paths, strict=False))
    about, told, where = str(paths[0]), str(paths[1]), str(paths[2])
    rows = _parsed(raw[2], paths[2])
    if not isinstance(rows, list) or not rows:
        raise DataError(where, found=type(rows).__name__, expected="a list of sentences")
    return RolloutProblem(
        id=problem,
        problem=text_of(task, "problem", about),
        level=take(task, "level", str, about),
        subject=take(task, "type", str, about),
        gold_answer=take(task, "gt_answer", str, about),
        prompt=text_of(base, "prompt", told),
        solution=text_of(base, "solution", told),
        answer=take(base, "answer", str, told),
        correct=take(base, "is_correct", bool, told),
        chunks=tuple(_chunk(row, number, where) for number, row in enumerate(rows)),
        origin=Origin("math-rollouts", files.revision, files.setting.model),
        digest=_digest(raw),
        where=where,
    )


def problem_digest(files: RolloutFiles, problem: int) -> str:
    """`digest` of the problem, without parsing it.

    Raises:
        MissingInput: A file is missing.
    """
    paths = [files.path(problem, name) for name in _FILES]
    return _digest([read_bytes(path, what="a file of math-rollouts") for path in paths])


def chunk_places(problem: RolloutProblem) -> list[PlacedChunk]:
    """Where the sentences stand in `prompt + solution`: behind `<think>`, before `</think>`."""
    text, start, stop = _thinking(problem)
    return place_chunks(text, [chunk.text for chunk in problem.chunks], start=start, stop=stop)


def text_behind(problem: RolloutProblem) -> str:
    """What stands behind the last sentence, before `</think>`, and is in none; normally empty.

    The published cut into sentences loses an end without a full stop, so this alone is no reason
    to leave a problem out.
    """
    text, start, stop = _thinking(problem)
    return text[max([start, *(place.end for place in chunk_places(problem))]) : stop].strip()


def problem_trace(problem: RolloutProblem, setting: str) -> Trace:
    """The solution as a trace: every sentence a span `sentence`, and a span for each of its tags.

    `group` is a hash of the problem's text, so both solutions of a problem are one group.

    Args:
        problem: As read.
        setting: Name of model and split, the beginning of the id.

    Raises:
        DataError: A sentence does not stand right behind the one before.
    """
    spans = []
    for place, chunk in zip(chunk_places(problem), problem.chunks, strict=True):
        if place.fault:
            raise DataError(
                f"{problem.where}:{place.index}:chunk",
                found=f"{chunk.text[:60]!r}, {place.fault}",
                expected="the next sentence of base_solution.json:solution",
            )
        for label in (SENTENCE, *chunk.tags):
            spans.append(Span(place.start, place.end, label, "math-rollouts"))
    return Trace(
        id=f"{setting}/problem_{problem.id}",
        group=normalised_hash(problem.problem),
        prompt=problem.prompt,
        completion=problem.solution,
        spans=tuple(spans),
        fields={
            "problem": problem.problem,
            "level": problem.level,
            "category": problem.subject,
            "gold_answer": problem.gold_answer,
            "answer": problem.answer,
            "is_correct": problem.correct,
        },
        origin=problem.origin,
    )


def read_rollouts(files: RolloutFiles, problem: int, chunk: int) -> list[Rollout]:
    """The rollouts of one sentence; one that failed when it was made counts as unanswered.

    Raises:
        MissingInput: They were not kept.
        DataError: The file is malformed; file, row and field are named.
    """
    path = files.path(problem, f"chunk_{chunk}/solutions.json")
    rows = _parsed(read_bytes(path, what="rollouts"), path)
    if not isinstance(rows, list):
        raise DataError(str(path), found=type(rows).__name__, expected="a list of rollouts")
    found = []
    for number, row in enumerate(rows):
        where = f"{path}:{number}"
        record = _object(row, where)
        if "error" in record:
            found.append(Rollout("", "", "", "", correct=False))
            continue
        found.append(
            Rollout(
                removed=take(record, "chunk_removed", str, where),
                resampled=take(record, "chunk_resampled", str, where),
                prefix=take(record, "prefix_without_chunk", str, where),
                answer=take(record, "answer", str, where),
                correct=take(record, "is_correct", bool, where),
            )
        )
    return found


def read_resampled(files: RolloutFiles, problem: int) -> dict[int, list[str]]:
    """The sentences that rollouts wrote in place of each sentence, by its number.

    Raises:
        MissingInput: They were not kept.
        DataError: The file is malformed; file and field are named.
    """
    path = files.path(problem, "chunks_resampled.json")
    record = _object(_parsed(read_bytes(path, what="resampled sentences"), path), str(path))
    found = {}
    for key in record:
        sentences = take(record, key, list, str(path))
        if not key.isdecimal() or not all(isinstance(each, str) for each in sentences):
            raise DataError(
                f"{path}:{key}", found="something else", expected="a number with a list of texts"
            )
        found[int(key)] = sentences
    return found


def _thinking(problem: RolloutProblem) -> tuple[str, int, int]:
    """Prompt and solution, and the code points between which the sentences stand."""
    text = problem.prompt + problem.solution
    start = len(problem.prompt)
    if problem.solution.lstrip().startswith("<think>"):
        start = text.index("<think>", start) + len("<think>")
    stop = text.find("</think>", start)
    return text, start, len(text) if stop < 0 else stop


def _digest(raw: Sequence[bytes]) -> str:
    total = xxhash.xxh3_128()
    for data in raw:
        total.update(data)
    return total.hexdigest()


def _chunk(row: object, number: int, where: str) -> LabelledChunk:
    place = f"{where}:{number}"
    record = _object(row, place)
    if take(record, "chunk_idx", int, place) != number:
        raise DataError(
            f"{place}:chunk_idx",
            found=str(record["chunk_idx"]),
            expected=f"{number}: sentences in their order, from 0",
        )
    tags = take(record, "function_tags", list, place)
    if not all(isinstance(tag, str) and tag for tag in tags):
        raise DataError(f"{place}:function_tags", found=repr(tags)[:60], expected="a list of names")
    return LabelledChunk(
        text=text_of(record, "chunk", place).strip(),
        tags=tuple(dict.fromkeys(tags)),
        accuracy=_number(record, "accuracy", place, share=True),
        importance={
            name: _number(record, f"{name}_importance_accuracy", place) for name in ESTIMATORS
        },
        different=_number(record, "different_trajectories_fraction", place, share=True),
        overdetermined=_number(record, "overdeterminedness", place, share=True),
        truth=tuple(map(str, take(record, "truth", list, place))) if "truth" in record else (),
    )


def _number(record: Mapping[str, Any], key: str, where: str, *, share: bool = False) -> float:
    value = record.get(key, "absent")
    low, expected = (0.0, "a share from 0 to 1") if share else (-1.0, "a number from -1 to 1")
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not math.isfinite(value) or not low <= value <= 1:
        raise DataError(f"{where}:{key}", found=repr(value)[:60], expected=expected)
    return float(value)


def _parsed(data: bytes, path: Path) -> object:
    try:
        return json.loads(data.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise DataError(str(path), found=str(error), expected="JSON") from error


def _object(value: object, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise DataError(where, found=type(value).__name__, expected="an object")
    return value
