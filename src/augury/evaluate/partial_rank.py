"""Partial rank correlation: what is left between two quantities once others have told their part.

All quantities are replaced by their ranks, those of the covariates are taken out of both sides by
least squares, and what remains is correlated (partial Spearman).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.stats import rankdata

from augury.errors import DataError
from augury.evaluate.intervals import Interval, group_draws, interval
from augury.shapes import RowScores

__all__ = ["PartialRank", "partial_rank", "partial_spearman"]


@dataclass(frozen=True, slots=True)
class PartialRank:
    """A partial rank correlation and how sure it is."""

    value: float
    """In [-1, 1]; 0 where nothing is left."""

    interval: Interval | None
    """95 %, rows resampled; None under 10 rows."""

    p: float
    """Two-sided: what is left of one side is permuted."""

    rows: int


def partial_spearman(
    left: RowScores, right: RowScores, covariates: Float[np.ndarray, "row covariate"]
) -> float:
    """Rank correlation of two quantities beyond the covariates; 0 where one side is explained.

    Without covariates it is Spearman's correlation.

    Raises:
        DataError: Other rows, or a value that is not finite.
    """
    first, second = _left_over(left, right, covariates)
    return float(first @ second)


def partial_rank(
    left: RowScores,
    right: RowScores,
    covariates: Float[np.ndarray, "row covariate"],
    *,
    draws: int = 1000,
    permutations: int = 1000,
    seed: int,
) -> PartialRank:
    """`partial_spearman` with its interval and p.

    Args:
        left: One quantity.
        right: The other.
        covariates: What is taken out of both; may have no column.
        draws: Resamples of the rows.
        permutations: Of the remainders (Freedman and Lane 1983).
        seed: Of both.

    Raises:
        DataError: As `partial_spearman`.
    """
    first, second = _left_over(left, right, covariates)
    point, rows = float(first @ second), len(left)
    resampled = np.array(
        [
            partial_spearman(left[at], right[at], covariates[at])
            for at in (
                np.repeat(np.arange(rows), counts) for counts in group_draws(rows, draws, seed)
            )
        ]
    )
    rng = np.random.default_rng([seed, 1])
    null = np.array([rng.permutation(first) @ second for _ in range(permutations)])
    reach = abs(point) * (1 - 1e-12)
    p = (1 + np.count_nonzero(np.abs(null) >= reach)) / (permutations + 1)
    return PartialRank(point, interval(point, resampled, rows), float(p), rows)


def _left_over(
    left: RowScores, right: RowScores, covariates: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Ranks without what the covariates' ranks say of them, centred and of length 1 (or 0)."""
    values = np.column_stack([left, right, covariates]).astype(np.float64)
    if not np.isfinite(values).all():
        raise DataError("rows", found="values that are not finite", expected="numbers")
    ranks = rankdata(values, axis=0)
    ranks -= ranks.mean(axis=0)
    known = ranks[:, 2:]
    sides = ranks[:, :2]
    if known.shape[1]:
        sides = sides - known @ np.linalg.lstsq(known, sides, rcond=None)[0]
    length = np.linalg.norm(sides, axis=0)
    # What rounding leaves of a side that is explained whole is no remainder.
    sound = length > 1e-9 * np.maximum(np.linalg.norm(ranks[:, :2], axis=0), 1)
    unit = sides / np.where(sound, length, 1) * sound
    return unit[:, 0], unit[:, 1]
