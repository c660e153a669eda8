"""Linear probes that need no iteration: difference of means and LDA, from shared moments.

One read gives the mean of each class of every column and one covariance of the pooled rows; all
kinds follow from these. The rows may come from an array, from a store, or straight from the model
without touching the disk. With row masks that differ between columns the pooled covariance stands
in for each column's own, which changes the whitening a little and never the means.

| kind                         | direction             | bias: a score of 0 is             |
|------------------------------|-----------------------|-----------------------------------|
| difference of means          | m1 - m0               | half-way between the means        |
| whitened difference of means | T^-1 (m1 - m0)        | half-way between the means        |
| LDA                          | W^-1 (m1 - m0)        | even odds, prevalence included    |

T is the covariance around the common mean, W that around the class means: T = W + p (1 - p) d d'
with d = m1 - m0, so that T^-1 d = W^-1 d / (1 + p (1 - p) d' W^-1 d). The last two therefore rank
rows alike; they differ in scale and in where they cut.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import scipy.linalg
import torch

from augury.errors import DataError, UsageError
from augury.probes.columns import DenseColumns, mass
from augury.probes.linear import LinearGrid
from augury.probes.rows import States, blocks

__all__ = [
    "MomentSums",
    "SharedMoments",
    "difference_of_means",
    "lda",
    "moments_of_blocks",
    "shared_moments",
    "whitened_difference_of_means",
]


@dataclass(frozen=True)
class SharedMoments:
    """Sufficient for every closed-form kind."""

    positive: np.ndarray
    """Weighted mean of the positive rows, float64 [column, hidden]; 0 where there are none."""

    negative: np.ndarray
    """Weighted mean of the negative rows, float64 [column, hidden]; 0 where there are none."""

    share: np.ndarray
    """Weight of the positive rows over the weight of all, float64 [column]; nan without rows."""

    covariance: np.ndarray
    """Of the pooled rows (a positive weight in some column), unweighted, divisor n; float64
    [hidden, hidden]."""


class MomentSums:
    """Adds up blocks of rows; what is kept does not grow with them.

    Sums are taken in float64 around the mean of the first block, so that a mean far larger than
    the spread loses no digits.
    """

    def __init__(self) -> None:
        self._count = 0
        self._pivot = self._total = np.zeros(0)
        self._scatter = np.zeros((0, 0))
        self._sums = np.zeros((2, 0, 0))
        self._mass = np.zeros((2, 0))

    def add(self, states: torch.Tensor, labels: np.ndarray, weights: np.ndarray) -> None:
        """Take in a block.

        Args:
            states: Raw states [row, hidden].
            labels: Bool [row, column].
            weights: Not negative, 0 = unused; float32 [row, column].

        Raises:
            DataError: A used state is not finite, or the width or number of columns has changed.
        """
        used = np.asarray((weights > 0).any(axis=1))
        if not used.any():
            return
        chosen = states.detach().to("cpu", torch.float64).numpy()[used]
        labels, weights = labels[used], weights[used]
        if not np.isfinite(chosen).all():
            raise DataError(
                "states",
                found="a value that is not finite in a used row",
                expected="finite hidden states",
                fix="read the activations in a wider dtype",
            )
        if not self._count:
            self._begin(chosen.mean(axis=0), labels.shape[1])
        if (labels.shape[1], chosen.shape[1]) != self._sums.shape[1:]:
            raise DataError(
                "block",
                found=f"{labels.shape[1]} columns, width {chosen.shape[1]}",
                expected="{} columns, width {}".format(*self._sums.shape[1:]),
            )
        chosen = chosen - self._pivot
        for side, member in enumerate((labels, ~labels)):
            weight = np.where(member, weights, 0).astype(np.float64)
            self._sums[side] += weight.T @ chosen
            self._mass[side] += weight.sum(axis=0)
        self._scatter += chosen.T @ chosen
        self._total += chosen.sum(axis=0)
        self._count += len(chosen)

    def result(self) -> SharedMoments:
        """Class means and covariance of what was added.

        Raises:
            DataError: No row was used.
        """
        if not self._count:
            raise DataError(
                "states",
                found="no row with a positive weight",
                expected="at least one row to fit on",
                fix="check the masks of the targets and the split",
            )
        there = self._mass > 0
        means = self._sums / np.where(there, self._mass, 1)[:, :, None]
        means += np.where(there, 1, 0)[:, :, None] * self._pivot
        total = self._mass.sum(axis=0)
        share = np.divide(self._mass[0], total, out=np.full(len(total), np.nan), where=total > 0)
        mean = self._total / self._count
        covariance = self._scatter / self._count - np.outer(mean, mean)
        return SharedMoments(means[0], means[1], share, covariance)

    def _begin(self, pivot: np.ndarray, columns: int) -> None:
        hidden = len(pivot)
        self._pivot, self._total = pivot, np.zeros(hidden)
        self._scatter = np.zeros((hidden, hidden))
        self._sums, self._mass = np.zeros((2, columns, hidden)), np.zeros((2, columns))


def shared_moments(states: States, labels: np.ndarray, weights: np.ndarray) -> SharedMoments:
    """Read the rows once and keep class means and covariance.

    Args:
        states: Raw states [row, hidden], in memory or rows of a store.
        labels: Bool [row, column].
        weights: Not negative, 0 = unused; float32 [row, column].

    Raises:
        DataError: No row is used, or a used state is not finite.
        UsageError: A weight is negative or not finite.
    """
    used = mass(DenseColumns(labels, weights)).used
    return moments_of_blocks(
        (block, labels[rows], weights[rows]) for rows, block in blocks(states, used)
    )


def moments_of_blocks(
    pieces: Iterable[tuple[torch.Tensor, np.ndarray, np.ndarray]],
) -> SharedMoments:
    """Class means and covariance of rows that come once, such as those of a running model.

    Args:
        pieces: States [row, hidden], labels (bool [row, column]) and weights (float32
            [row, column], not negative, 0 = unused) of any number of rows each.

    Raises:
        DataError: No row is used, a used state is not finite, or pieces do not fit together.
    """
    sums = MomentSums()
    for states, labels, weights in pieces:
        sums.add(states, labels, weights)
    return sums.result()


def difference_of_means(shared: SharedMoments) -> LinearGrid:
    """Weight = mean of the positives minus mean of the negatives; 0 scores half-way between."""
    return _half_way(shared, shared.positive - shared.negative)


def whitened_difference_of_means(shared: SharedMoments, *, shrinkage: float = 1e-2) -> LinearGrid:
    """Difference of means in coordinates where the pooled rows have unit covariance.

    Ranks rows as `lda` does, to which it is proportional; 0 scores half-way between the means.

    Args:
        shared: From `shared_moments` or `moments_of_blocks`.
        shrinkage: Share of the mean variance mixed into the covariance, from 0 to 1.

    Raises:
        UsageError: `shrinkage` is outside [0, 1], or the covariance is singular without it.
    """
    return _half_way(shared, _solved(shared, shrinkage))


def lda(shared: SharedMoments, *, shrinkage: float = 1e-2) -> LinearGrid:
    """Linear discriminant analysis; scores are log-odds when both classes are Gaussian.

    Solves with the pooled covariance, shrunk towards its mean variance, and takes the between-class
    part out by the Sherman-Morrison formula, so one factorisation serves every column.

    Args:
        shared: From `shared_moments` or `moments_of_blocks`.
        shrinkage: Share of the mean variance mixed in, from 0 to 1.

    Raises:
        UsageError: `shrinkage` is outside [0, 1], or the covariance is singular without it.
    """
    solved = _solved(shared, shrinkage)
    delta = shared.positive - shared.negative
    share = np.where(_two_classes(shared), shared.share, 0.5)
    between = (1 - shrinkage) * share * (1 - share) * np.einsum("ch,ch->c", delta, solved)
    weight = solved / np.maximum(1 - between, 1e-9)[:, None]
    middle = np.einsum("ch,ch->c", weight, (shared.positive + shared.negative) / 2)
    return _grid(shared, weight, np.log(share / (1 - share)) - middle)


def _solved(shared: SharedMoments, shrinkage: float) -> np.ndarray:
    """Shrunk covariance^-1 times the difference of means, [column, hidden]."""
    if not 0 <= shrinkage <= 1:
        raise UsageError("shrinkage", found=f"{shrinkage}", expected="0 to 1")
    hidden = len(shared.covariance)
    ridge = np.trace(shared.covariance) / hidden
    mixed = (1 - shrinkage) * shared.covariance + shrinkage * ridge * np.eye(hidden)
    delta = shared.positive - shared.negative
    try:
        return np.asarray(scipy.linalg.cho_solve(scipy.linalg.cho_factor(mixed), delta.T).T)
    except np.linalg.LinAlgError as error:
        raise UsageError(
            "shrinkage",
            found=f"a singular covariance at {shrinkage}",
            expected="more than 0 here",
            fix="raise the shrinkage",
        ) from error


def _half_way(shared: SharedMoments, weight: np.ndarray) -> LinearGrid:
    middle = (shared.positive + shared.negative) / 2
    return _grid(shared, weight, -np.einsum("ch,ch->c", weight, middle))


def _two_classes(shared: SharedMoments) -> np.ndarray:
    return np.asarray((shared.share > 0) & (shared.share < 1))


def _grid(shared: SharedMoments, weight: np.ndarray, bias: np.ndarray) -> LinearGrid:
    sound = _two_classes(shared)
    rounded = np.where(sound[:, None], weight, 0).astype(np.float32)
    problem = tuple("" if fine else "rows of both classes are needed" for fine in sound)
    return LinearGrid(rounded, np.where(sound, bias, 0.0), problem)
