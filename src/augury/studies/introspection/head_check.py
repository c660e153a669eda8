"""Does the head, applied to the stored `final` state, give the recorded logits? For every row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from augury.activations.store import Store
from augury.errors import CheckFailed
from augury.models.load import LoadedModel
from augury.studies.introspection.answers import Answers, summarised

__all__ = ["HeadCheck", "check_head"]

_ROWS = 512
_BOUNDS = {torch.float32: 1e-4, torch.bfloat16: 4e-2}
"""Largest distance, as a share of the spread of the recorded logits: rounding, and no more."""


@dataclass(frozen=True, slots=True)
class HeadCheck:
    """What was compared, and how far apart it was."""

    rows: int
    worst: float
    """Largest difference of a logit, as a share of the standard deviation of the recorded ones."""

    bound: float
    worst_row: int
    disagreeing: int
    """Rows whose most probable token is another one."""

    def line(self) -> str:
        """In words."""
        return (
            f"head on stored states: {self.rows} rows, worst {self.worst:.2g} (bound "
            f"{self.bound:.2g}), {self.disagreeing} with another most probable token"
        )


@torch.no_grad()
def check_head(
    loaded: LoadedModel,
    store: Store,
    rows: np.ndarray,
    symbols: Sequence[Sequence[Sequence[int]]],
    answers: Answers,
) -> HeadCheck:
    """Compare the recorded answers with those of the stored states, row by row.

    Args:
        loaded: The model whose states these are, with its head.
        store: With the site `final`.
        rows: Row of each question's `final` position.
        symbols: Ids of each option of each question.
        answers: What was recorded.

    Raises:
        CheckFailed: A row differs by more than rounding: its state is that of another token.
    """
    again: list[dict[str, object]] = []
    for start in range(0, len(rows), _ROWS):
        states = store["final"][rows[start : start + _ROWS]].to(loaded.device, loaded.dtype)
        again += summarised(loaded.blocks.logits(states), symbols[start : start + _ROWS])
    spread = float(answers.variants[np.isfinite(answers.variants)].std()) or 1.0
    off = np.array([_distance(row, answers, place) for place, row in enumerate(again)]) / spread
    other = sum(int(row["top"] != answers.top[place]) for place, row in enumerate(again))  # type: ignore[call-overload]
    stored = torch.float32 if store.dtype == torch.float32 else torch.bfloat16
    bound = max(_BOUNDS[loaded.dtype], _BOUNDS[stored])
    worst = int(off.argmax())
    found = HeadCheck(len(rows), float(off[worst]), bound, worst, other)
    if found.worst > bound:
        raise CheckFailed(
            f"store {store.path}: trace {store.traces[worst]!r}",
            found=f"a state whose logits are {found.worst:.2g} spreads from the recorded ones",
            expected=f"at most {bound:g}",
            fix="do not use these states; run augury doctor on this model",
        )
    return found


def _distance(row: dict[str, object], answers: Answers, place: int) -> float:
    recorded, largest = answers.variants[place], 0.0
    for option, logits in enumerate(row["variants"]):  # type: ignore[arg-type,var-annotated]
        largest = max(largest, float(np.abs(recorded[option, : len(logits)] - logits).max()))
    return max(largest, abs(float(answers.normaliser[place]) - float(row["normaliser"])))  # type: ignore[arg-type]
