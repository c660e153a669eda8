"""The questions of a run: order of options, groups, splits, and what their text looks like."""

from __future__ import annotations

import hashlib
import random
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from augury.errors import DataError
from augury.organism.questions import held_out_choices
from augury.runs.paths import expand
from augury.studies.introspection.config import LETTERS, IntrospectionConfig, QuestionConfig
from augury.targets.near_duplicates import merge_groups, near_duplicates, sketch
from augury.targets.splits import PARTS, assert_no_overlap, three_way
from augury.targets.surface import Surface, WordCounts, count_words, surface
from augury.traces.records import read_bytes
from augury.traces.sources.multiple_choice import MultipleChoice, read_multiple_choice
from augury.traces.trace import Trace

__all__ = ["Gathered", "Question", "gather"]

_DRAWN = 600
_WORDS = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Question:
    """One question as it is asked."""

    id: str
    text: str
    options: tuple[str, ...]
    """As shown: the first is A."""

    correct: int
    """Index of the right one in `options`."""

    shown: tuple[int, ...]
    """Index in the file's own order of each option in `options`."""

    group: str
    """The words of the question: equal for questions that differ in case and punctuation."""

    surface: Surface
    split: str = ""
    """`train`, `validation` or `test`; equal within a group."""


@dataclass(frozen=True, slots=True)
class Gathered:
    """The questions, by id, and what was left out."""

    questions: tuple[Question, ...]
    left_out: tuple[tuple[str, str], ...]
    """Id and reason."""

    repairs: tuple[str, ...]
    """What was changed, in words."""


def draws_of(key: str, seed: int, what: str) -> random.Random:
    """The random numbers of one question: the same in every process, run and batch."""
    content = f"{what}\0{seed}\0{key}".encode("utf-8", "replace")
    return random.Random(int.from_bytes(hashlib.blake2b(content, digest_size=16).digest(), "big"))


def gather(config: IntrospectionConfig) -> Gathered:
    """Read or draw the questions.

    Raises:
        MissingInput: The file is not there.
        DataError: The file does not hold what its layout says; no question is left.
    """
    asked = config.questions
    every, kept = _read(asked)
    corpus = _corpus(asked, every)
    questions: list[Question] = []
    left_out: list[tuple[str, str]] = []
    trimmed = 0
    for one in kept:
        fitted, reason, changed = _fitted(one, asked)
        if fitted is None:
            left_out.append((one.id, reason))
            continue
        trimmed += changed
        group = " ".join(_WORDS.findall(fitted.question.casefold()))
        shown = _order(fitted, asked)
        questions.append(
            Question(
                id=fitted.id,
                text=fitted.question,
                options=tuple(fitted.options[place] for place in shown),
                correct=shown.index(fitted.correct),
                shown=shown,
                group=group or fitted.id,
                surface=surface(fitted.question, corpus),
            )
        )
    if not questions:
        raise DataError(
            "questions",
            found=f"none of {len(kept)} can be asked ({left_out[0][1] if left_out else 'empty'})",
            expected=f"questions with {len(LETTERS)} different options",
        )
    dealt = _deal(sorted(questions, key=lambda question: question.id), config)
    repairs = [f"{trimmed} questions: final full stops of options taken off"] if trimmed else []
    return Gathered(dealt, tuple(left_out), tuple(repairs))


def _read(config: QuestionConfig) -> tuple[list[MultipleChoice], list[MultipleChoice]]:
    """All questions of the source, and those that are asked."""
    if config.source == "organism":
        drawn = [
            MultipleChoice(one.id, one.problem.text, tuple(map(str, one.options)), one.correct)
            for one in held_out_choices(config.limit or _DRAWN, config.seed)
        ]
        return drawn, drawn
    path = Path(expand(str(config.path), "questions.path"))
    every = read_multiple_choice(path, config.source)
    return every, every[: config.limit]


def _corpus(config: QuestionConfig, every: Sequence[MultipleChoice]) -> WordCounts:
    if config.corpus is None:
        return count_words((one.question for one in every), "the questions")
    path = Path(expand(config.corpus, "questions.corpus"))
    text = read_bytes(path, what="a plain text").decode("utf-8", "replace")
    return count_words([text], path.name)


def _fitted(one: MultipleChoice, config: QuestionConfig) -> tuple[MultipleChoice | None, str, bool]:
    """The question with four different options; else None, and why. Whether a stop was taken off.

    Options that end with a full stop where others do not tell which one somebody wrote with care.
    """
    ends = [text.rstrip().endswith(".") for text in one.options]
    mixed = any(ends) and not all(ends)
    options = [text.strip().rstrip(".") if mixed else text.strip() for text in one.options]
    if not all(options):
        return None, "an option is empty", False
    twice = [text for text, count in Counter(map(str.casefold, options)).items() if count > 1]
    if twice:
        return None, f"the option {twice[0]!r} stands twice", False
    if len(options) < len(LETTERS):
        return None, f"{len(options)} options", False
    wrong = [place for place in range(len(options)) if place != one.correct]
    if len(options) > len(LETTERS):
        draws = draws_of(one.id, config.seed, "distractors")
        wrong = sorted(draws.sample(wrong, len(LETTERS) - 1))
    places = sorted([one.correct, *wrong])
    kept = tuple(options[place] for place in places)
    return replace(one, options=kept, correct=places.index(one.correct)), "", mixed


def _order(one: MultipleChoice, config: QuestionConfig) -> tuple[int, ...]:
    order = list(range(len(one.options)))
    if config.shuffle_answers:
        draws_of(one.id, config.seed, "options").shuffle(order)
    return tuple(order)


def _deal(questions: Sequence[Question], config: IntrospectionConfig) -> tuple[Question, ...]:
    """Groups to sides; questions of the same or nearly the same text stand together."""
    ids = [question.id for question in questions]
    if len(set(ids)) < len(ids):
        twice = next(name for name, count in Counter(ids).items() if count > 1)
        raise DataError(f"question {twice!r}", found="an id that stands twice", expected="once")
    groups = list(dict.fromkeys(question.group for question in questions))
    pairs = near_duplicates({group: sketch(group) for group in groups})
    tied = merge_groups(groups, pairs)
    merged = [replace(question, group=tied[question.group]) for question in questions]
    names = [question.group for question in merged]
    if len(set(names)) < len(PARTS):
        raise DataError(
            "questions", found=f"{len(set(names))} different ones", expected="at least 3 to split"
        )
    split = three_way(
        names, [0] * len(names), fractions=config.split.fractions, seed=config.split.seed
    )
    assert_no_overlap([Trace(q.id, q.group, q.text, "") for q in merged], split)
    return tuple(replace(q, split=PARTS[split.part_of(q.group)]) for q in merged)
