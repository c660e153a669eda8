"""Directions from high to low: the states of the highest quarter of a quantity less the lowest.

The mean difference, as it is and in whitened coordinates, and how far two such directions agree
beyond what their own noise allows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from augury.errors import DataError, UsageError
from augury.probes.closed_form import (
    difference_of_means,
    shared_moments,
    whitened_difference_of_means,
)
from augury.shapes import Labels, RowScores, RowStates

__all__ = ["Agreement", "Contrasts", "agreement", "contrasts", "extremes", "split_halves"]


@dataclass(frozen=True, slots=True, eq=False)
class Contrasts:
    """One direction from all rows, and from pairs of halves that share no row."""

    whole: Float[np.ndarray, " hidden"]
    halves: Float[np.ndarray, "split two hidden"]


@dataclass(frozen=True, slots=True)
class Agreement:
    """Two directions side by side."""

    cosine: float
    """Of the directions from all rows."""

    crossed: float
    """Of directions from halves that share no row, mean over splits: noise in common, as that of
    the same questions, does not count."""

    ceiling: float
    """What `crossed` would be for one and the same true direction: the geometric mean of the
    cosines of each direction's own two halves; 0 where one of them does not repeat at all."""

    @property
    def corrected(self) -> float | None:
        """`crossed` over the ceiling; None where the halves hardly agree (ceiling under 0.1)."""
        return self.crossed / self.ceiling if self.ceiling >= 0.1 else None


def extremes(values: RowScores, rows: Labels, *, share: float = 0.25) -> tuple[Labels, Labels]:
    """The rows with the highest and with the lowest values.

    Args:
        values: The quantity.
        rows: Which rows may be taken.
        share: Of these rows, at each end; equal values are taken in their order.

    Raises:
        DataError: Fewer than 4 rows, or values that are all alike.
        UsageError: The share is not in (0, 0.5].
    """
    if not 0 < share <= 0.5:
        raise UsageError("share", found=f"{share}", expected="above 0, at most 0.5")
    at = np.flatnonzero(rows)
    if len(at) < 4 or np.ptp(values[at]) == 0:
        found = f"{len(at)} rows" if len(at) < 4 else "values all alike"
        raise DataError("high and low rows", found=found, expected="4 rows of different values")
    count = max(1, int(share * len(at)))
    order = at[np.argsort(values[at], kind="stable")]
    high, low = np.zeros(len(values), dtype=bool), np.zeros(len(values), dtype=bool)
    low[order[:count]], high[order[-count:]] = True, True
    return high, low


def split_halves(rows: int, splits: int, *, seed: int) -> Bool[np.ndarray, "split row"]:
    """Random halves: True for the first, False for the second; every row is a group of its own."""
    rng = np.random.default_rng(seed)
    return np.stack([rng.permutation(rows) < rows // 2 for _ in range(splits)])


def contrasts(
    states: RowStates,
    ends: tuple[Labels, Labels],
    halves: Bool[np.ndarray, "split row"],
    *,
    whiten: bool,
) -> Contrasts:
    """Mean state of the high rows less that of the low ones, of all and of every half.

    Args:
        states: Raw states.
        ends: High and low rows, from `extremes`.
        halves: From `split_halves`; one table for all states of the same rows.
        whiten: In coordinates where the rows at both ends have unit covariance, which asks for the
            direction that tells them apart best, beside the one in which they differ most.
    """
    high, low = ends
    used = np.concatenate([np.ones((1, len(states)), dtype=bool), halves, ~halves])
    weights = (used & (high | low)).astype(np.float32).T
    labels = np.broadcast_to(high[:, None], weights.shape)
    shared = shared_moments(np.asarray(states, np.float32), labels, weights)
    grid = whitened_difference_of_means(shared) if whiten else difference_of_means(shared)
    weight = grid.weight.astype(np.float64)
    split = len(halves)
    return Contrasts(weight[0], np.stack([weight[1 : split + 1], weight[split + 1 :]], axis=1))


def agreement(left: Contrasts, right: Contrasts) -> Agreement:
    """How far two directions in the same space are one; their halves come from the same table."""
    crossed = np.concatenate(
        [
            _cosines(left.halves[:, 0], right.halves[:, 1]),
            _cosines(left.halves[:, 1], right.halves[:, 0]),
        ]
    )
    own = [float(_cosines(one.halves[:, 0], one.halves[:, 1]).mean()) for one in (left, right)]
    ceiling = float(np.sqrt(max(0.0, own[0]) * max(0.0, own[1])))
    cosine = float(_cosines(left.whole[None], right.whole[None])[0])
    return Agreement(cosine, float(crossed.mean()), ceiling)


def _cosines(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    length = np.linalg.norm(left, axis=-1) * np.linalg.norm(right, axis=-1)
    products = np.einsum("...h,...h->...", left, right)
    return np.asarray(products / np.where(length > 0, length, 1))
