"""Intervals over groups: rows of one group are not independent, so groups are resampled."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy.special import ndtr, ndtri, stdtrit

from augury.errors import UsageError
from augury.shapes import Labels, RowGroups

__all__ = [
    "CAUTION_GROUPS",
    "FEWEST_GROUPS",
    "Interval",
    "effective_groups",
    "group_draws",
    "interval",
    "jackknife_spread",
    "left_out",
    "simultaneous_lower",
]

FEWEST_GROUPS = 10
CAUTION_GROUPS = 20
_MOST_UNDEFINED = 0.05


@dataclass(frozen=True, slots=True)
class Interval:
    """A two-sided interval from resampled groups."""

    low: float
    """Lower end, in the unit of the score."""

    high: float
    """Upper end, in the unit of the score."""

    n_groups: int
    """Groups that it rests on."""

    level: float = 0.95
    """Nominal coverage, a share."""

    caution: bool = False
    """True under 20 groups, where intervals are known to be somewhat too short."""


def group_draws(n_groups: int, n_draws: int, seed: int) -> Int[np.ndarray, "draw group"]:
    """How often each group is drawn when `n_groups` of them are drawn with replacement.

    One table serves every cell and baseline, so differences between them are paired.

    Raises:
        UsageError: There is nothing to draw.
    """
    if n_groups < 1 or n_draws < 1:
        found = f"{n_groups} groups, {n_draws} draws"
        raise UsageError("group_draws", found=found, expected="at least one of each")
    even = np.full(n_groups, 1 / n_groups)
    return np.random.default_rng(seed).multinomial(n_groups, even, size=n_draws)


def effective_groups(labels: Labels, groups: RowGroups) -> float:
    """How many equally rich groups would know the score as well (Kish): (sum p)^2 / sum p^2.

    p are the positive rows of each group. A few rich groups decide a score that many poor ones
    hardly touch; then its spread is known less well than the number of groups suggests.

    Returns:
        From 1 to the number of groups with positive rows; 0 without a positive row.
    """
    positives = np.unique(groups[labels], return_counts=True)[1].astype(np.float64)
    return float(positives.sum() ** 2 / (positives**2).sum()) if len(positives) else 0.0


def interval(
    point: float,
    draws: Float[np.ndarray, " draw"],
    n_groups: int,
    *,
    effective: float | None = None,
    left: Float[np.ndarray, " group"] | None = None,
    level: float = 0.95,
) -> Interval | None:
    """Expanded percentile interval (Hesterberg 2015, section 3.3) for groups of unequal weight.

    The percentiles are taken further out, at the normal probability of
    `sqrt(n / (n - 1)) * t[n - 1]`, because a bootstrap of n groups underestimates the spread by
    sqrt((n - 1) / n) and knows the variance only from n values; and further still where the
    jackknife finds a larger spread than the bootstrap. Always contains `point`.

    Args:
        point: The score of the rows as they are.
        draws: The score of each draw; nan where a draw leaves it undefined.
        n_groups: Groups that carry the score (those with positive rows).
        effective: The n above, from `effective_groups`; `n_groups` where it is not given.
        left: The score without each group, for the jackknife; nan where that is undefined.
        level: Nominal coverage, a share.

    Returns:
        None under 10 groups, or where more than 5 % of the draws are undefined.
    """
    known = draws[np.isfinite(draws)]
    if n_groups < FEWEST_GROUPS or len(known) < (1 - _MOST_UNDEFINED) * len(draws):
        return None
    n = _at_least_two(n_groups if effective is None else effective)
    reach = np.sqrt(n / (n - 1)) * stdtrit(n - 1, (1 - level) / 2)
    spread = float(known.std(ddof=1))
    if left is not None and spread > 0:
        reach = reach * max(1.0, jackknife_spread(left) / spread)
    tail = float(ndtr(reach))
    low, high = np.quantile(known, [tail, 1 - tail])
    caution = n_groups < CAUTION_GROUPS
    return Interval(min(float(low), point), max(float(high), point), n_groups, level, caution)


def left_out(n_groups: int) -> Float[np.ndarray, "group group"]:
    """How often each group counts when one of them is left out, for `jackknife_spread`."""
    return np.ones((n_groups, n_groups)) - np.eye(n_groups)


def jackknife_spread(left: Float[np.ndarray, " group"]) -> float:
    """Standard error of a score from its values without each group (Efron 1982)."""
    known = left[np.isfinite(left)]
    if len(known) < 2:
        return 0.0
    return float(np.sqrt((len(known) - 1) * known.var()))


def simultaneous_lower(
    points: Float[np.ndarray, " cell"],
    draws: Float[np.ndarray, "draw cell"],
    *,
    alpha: float = 0.05,
    n_groups: Float[np.ndarray, " cell"] | float | None = None,
) -> Float[np.ndarray, " cell"]:
    """Lower bounds that hold for all cells together with probability 1 - alpha.

    Studentised maximum: with `t = (point - draw) / spread`, the bound is `point - q * spread`,
    where q is the 1 - alpha quantile over draws of the largest t of the grid: for one cell the
    percentile bound, for many the one that all of them keep together. Cells that vary together are
    not paid for twice. With `n_groups`, q is widened as in `interval`.

    Args:
        points: The score of each cell.
        draws: The same score in each draw; draws in which any cell is undefined are left out.
        alpha: Probability that any bound is too high.
        n_groups: Groups behind each cell, as a number or from `effective_groups`.

    Raises:
        UsageError: Shapes differ, or fewer than two draws have a value in every cell.
    """
    if draws.shape[1:] != points.shape:
        found = f"points {points.shape}, draws {draws.shape}"
        raise UsageError("simultaneous_lower", found=found, expected="[cell] and [draw, cell]")
    known = draws[np.isfinite(draws).all(axis=1)]
    if len(known) < 2 or not len(points):
        found = f"{len(known)} usable draws of {len(draws)} for {len(points)} cells"
        raise UsageError("simultaneous_lower", found=found, expected="2 draws and 1 cell or more")
    spread = known.std(axis=0, ddof=1)
    scaled = np.divide(points - known, spread, out=np.zeros_like(known), where=spread > 1e-12)
    reach = max(0.0, float(np.quantile(scaled.max(axis=1), 1 - alpha)))
    return np.asarray(points - reach * _widening(n_groups, alpha) * spread)


def _widening(n_groups: Float[np.ndarray, " cell"] | float | None, alpha: float) -> np.ndarray:
    if n_groups is None:
        return np.ones(1)
    n = _at_least_two(n_groups)
    ratio = stdtrit(n - 1, 1 - alpha) / ndtri(1 - alpha)
    return np.asarray(np.sqrt(n / (n - 1)) * ratio)


def _at_least_two(n_groups: Float[np.ndarray, " cell"] | float) -> np.ndarray:
    return np.maximum(np.asarray(n_groups, dtype=np.float64), 2.0)
