"""Paired differences over groups: means, intervals, and p values corrected for all columns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from augury.errors import DataError
from augury.evaluate.intervals import FEWEST_GROUPS, Interval, group_draws, interval

__all__ = ["PairedEffects", "paired_effects"]


@dataclass(frozen=True, eq=False, slots=True)
class PairedEffects:
    """Mean differences of several columns, over the same pairs."""

    mean: Float[np.ndarray, " column"]
    """Mean over pairs."""

    intervals: tuple[Interval | None, ...]
    """95 %, groups resampled; None under 10 groups."""

    p: Float[np.ndarray, " column"]
    """Two-sided, as if the column were the only one; nan under 10 groups."""

    p_corrected: Float[np.ndarray, " column"]
    """Two-sided, for having looked at all columns; nan under 10 groups."""

    groups: int
    pairs: int


def paired_effects(
    differences: Float[np.ndarray, "pair column"],
    groups: Int[np.ndarray, " pair"],
    *,
    draws: int = 2000,
    seed: int = 0,
) -> PairedEffects:
    """Judge whether differences are zero on average.

    Intervals resample groups. p values flip the sign of whole groups, which leaves the distribution
    as it is where differences are symmetric around zero; the largest t of all columns corrects for
    having looked at all of them.

    Args:
        differences: One row per pair, e.g. effect at an event minus effect at its control.
        groups: What pairs depend on each other through; any whole numbers.
        draws: Resamples, and sign flips.
        seed: Of both.

    Raises:
        DataError: No pair, a value that is not finite, or not one group per pair.
    """
    values = np.asarray(differences, dtype=np.float64)
    if values.ndim != 2 or not len(values) or len(groups) != len(values):
        raise DataError(
            "differences",
            found=f"shape {values.shape} and {len(groups)} groups",
            expected="[pair, column], at least one pair, a group for each",
        )
    if not np.isfinite(values).all():
        raise DataError("differences", found="values that are not finite", expected="numbers")
    place = np.unique(groups, return_inverse=True)[1]
    count = int(place.max()) + 1
    sums = np.zeros((count, values.shape[1]))
    np.add.at(sums, place, values)
    sizes = np.bincount(place).astype(np.float64)
    mean = values.mean(axis=0)
    if count < FEWEST_GROUPS:
        nothing = np.full(values.shape[1], np.nan)
        return PairedEffects(
            mean, (None,) * values.shape[1], nothing, nothing.copy(), count, len(values)
        )
    effective = float(sizes.sum() ** 2 / (sizes**2).sum())
    weights = group_draws(count, draws, seed).astype(np.float64)
    resampled = (weights @ sums) / (weights @ sizes)[:, None]
    intervals = tuple(
        interval(float(mean[column]), resampled[:, column], count, effective=effective)
        for column in range(values.shape[1])
    )
    p, corrected = _sign_flips(sums, draws, seed)
    return PairedEffects(mean, intervals, p, corrected, count, len(values))


def _sign_flips(sums: np.ndarray, draws: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    signs = np.random.default_rng([seed, 1]).choice([-1.0, 1.0], size=(draws, len(sums)))
    # The sum of squares does not change when signs flip: it scales every draw alike.
    scale = np.sqrt((sums**2).sum(axis=0))
    safe = np.where(scale > 0, scale, 1.0)
    observed = np.abs(sums.sum(axis=0)) / safe
    null = np.abs(signs @ sums) / safe
    # Equal sums in another order may differ in the last bit; they count as equal.
    reach = observed * (1 - 1e-12)
    p = (1 + (null >= reach).sum(axis=0)) / (draws + 1)
    corrected = (1 + (null.max(axis=1)[:, None] >= reach).sum(axis=0)) / (draws + 1)
    return p, corrected
