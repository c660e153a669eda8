"""What the grammar knows of each sentence: what it does, and whether it slips or corrects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from augury.organism.reader import read_chain
from augury.organism.world import Problem

__all__ = ["Mark", "SentenceTruth", "sentence_truths"]

Mark = Literal["noticed slip", "unnoticed slip", "alarm", "false alarm", "correction", "slip open"]

_OPENING = "<think>\n"
_TAGS = {
    "initial": "problem_setup",
    "step": "active_computation",
    "restate": "result_consolidation",
    "conclusion": "final_answer_emission",
    "knowledge": "fact_retrieval",
    "example": "fact_retrieval",
    "uncertain": "uncertainty_management",
    "backtrack": "self_checking",
}
"""Kind of sentence to the published tag that fits it."""


@dataclass(frozen=True, slots=True)
class SentenceTruth:
    """One sentence."""

    tags: tuple[str, ...]
    """What it does; the first is the main one. They follow from its words."""

    marks: tuple[Mark, ...]
    """What only the grammar knows: `noticed slip` and `unnoticed slip` state a wrong result that
    will or will not be corrected; `alarm` begins a backtrack while a slip is open, `false alarm`
    while none is; `correction` follows an alarm that is none of the false ones; `slip open` is any
    other sentence between a slip and its correction, or behind a slip that has none."""


def sentence_truths(
    problem: Problem, solution: str, ranges: Sequence[tuple[int, int]], *, opened: bool
) -> list[SentenceTruth]:
    """The truth of each sentence of a chain; a sentence may hold a step and the alarm that ends it.

    Args:
        problem: What is solved.
        solution: The chain.
        ranges: Of each sentence, code points `[start, end)` of the solution.
        opened: Whether `<think>` stands in the prompt and not in the solution.
    """
    shift = len(_OPENING) if opened else 0
    reading = read_chain(problem, _OPENING + solution if opened else solution)
    found: list[tuple[list[str], list[Mark]]] = [([], []) for _ in ranges]
    follows: Mark | None = None
    slips = 0
    for piece in reading.pieces:
        marks: list[Mark] = []
        open_before = slips
        if piece.slip is not None:
            marks.append("noticed slip" if piece.noticed else "unnoticed slip")
            slips += 1
        if piece.kind == "backtrack":
            if piece.noticed is not None:
                marks.append("alarm" if piece.noticed else "false alarm")
                follows = "correction" if piece.noticed else None
            elif follows:
                marks.append(follows)
                follows = None
                slips = max(0, slips - 1)
        if open_before and not marks:
            marks.append("slip open")
        start = piece.start - shift
        at = next((n for n, (low, high) in enumerate(ranges) if low <= start < high), None)
        if at is not None:
            found[at][0].append(_TAGS.get(piece.kind, "unknown"))
            found[at][1].extend(marks)
    return [
        SentenceTruth(tuple(dict.fromkeys(tags)) or ("unknown",), tuple(dict.fromkeys(marks)))
        for tags, marks in found
    ]
