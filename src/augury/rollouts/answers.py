"""The answer of a solution: read behind the thoughts, never in the middle of them."""

from __future__ import annotations

from dataclasses import dataclass

from augury.targets.numeric_answer import AnswerState, judge_answer, read_answer

__all__ = ["Answered", "judge_solution"]

_OPEN, _CLOSE = "<think>", "</think>"


@dataclass(frozen=True, slots=True)
class Answered:
    """What a solution answers."""

    state: AnswerState
    text: str
    """The answer as it was read; empty where there is none."""


def judge_solution(prompt: str, solution: str, gold: str, *, finished: bool) -> Answered:
    """Compare the answer of a solution with the right one.

    Thoughts that were cut before they were closed hold no answer, whatever numbers they mention.

    Args:
        prompt: What the solution continues; may end with `<think>`.
        solution: All that stands behind it.
        gold: The right answer, a number.
        finished: Whether the writer ended it, and no limit did.
    """
    opened = prompt.rstrip().endswith(_OPEN) or solution.lstrip().startswith(_OPEN)
    _, closed, behind = solution.rpartition(_CLOSE)
    if opened and not closed and not finished:
        return Answered("truncated", "")
    read = behind if closed else solution
    state = judge_answer(read, gold, finished=finished)
    return Answered(state, read_answer(read).text if state in ("right", "wrong") else "")
