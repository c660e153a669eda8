"""The counts behind published shares: how many rollouts there were, and how many were right.

Shares are published, counts are not, and an importance without its counts has no measurement
error. A share of n rollouts is a whole number of n-ths, and three shares rest on the same rollouts,
and a fourth on some of them, so n can be told: it is the largest number that makes all of them
whole, or the first three where none does.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from augury.shapes import RowScores

__all__ = ["MOST_ROLLOUTS", "RolloutCounts", "counts_of_shares"]

MOST_ROLLOUTS = 100
"""Rollouts per sentence of the published data, before those without an answer are left out."""

_WHOLE = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class RolloutCounts:
    """Counts of each sentence of one problem, in order; -1 where the shares fit no count."""

    rollouts: Int[np.ndarray, " row"]
    """With an answer."""

    right: Int[np.ndarray, " row"]
    """Of these, with the right answer."""

    different: Int[np.ndarray, " row"]
    """Of these, with a sentence that means something else."""

    different_right: Int[np.ndarray, " row"]
    """Of the different ones, with the right answer; -1 for the last sentence, too."""


def counts_of_shares(
    accuracy: RowScores,
    different: RowScores,
    overdetermined: RowScores,
    counterfactual: RowScores,
    *,
    most: int = MOST_ROLLOUTS,
) -> RolloutCounts:
    """Counts from the shares of one problem.

    Args:
        accuracy: Share of right answers.
        different: Share of rollouts with another sentence.
        overdetermined: 1 - distinct sentences / rollouts.
        counterfactual: Published: accuracy of the different rollouts less that of the next
            sentence, 0 where there are none.
        most: Most rollouts of a sentence.
    """
    n = np.arange(1, most + 1)
    whole = np.ones((len(accuracy), most), dtype=bool)
    for each in (accuracy, different, overdetermined):
        whole &= _is_whole(each[:, None] * n)
    share = np.append(counterfactual[:-1] + accuracy[1:], 0.0)
    fitting = whole & _is_whole(share[:, None] * np.rint(different[:, None] * n))
    whole = np.where(fitting.any(axis=1, keepdims=True), fitting, whole)
    rollouts = np.where(whole.any(axis=1), most - whole[:, ::-1].argmax(axis=1), -1)
    known = rollouts > 0
    right, unlike = (
        np.where(known, np.rint(each * rollouts), -1).astype(np.int64)
        for each in (accuracy, different)
    )
    among = share[:-1] * unlike[:-1]
    # Without a different rollout the published value is 0 by definition, and there is no share.
    fits = _is_whole(among) & (unlike[:-1] > 0) & (among >= -_WHOLE)
    none = (unlike[:-1] == 0) & (counterfactual[:-1] == 0)
    hits = np.where(fits, np.rint(among), np.where(none, 0, -1)).astype(np.int64)
    return RolloutCounts(rollouts, right, unlike, np.append(hits, -1))


def _is_whole(values: Float[np.ndarray, ...]) -> np.ndarray:
    return np.asarray(np.abs(values - np.rint(values)) < _WHOLE)
