"""Linear probes that need no iteration: difference of means and LDA, from shared moments.

One read gives the mean of each class of every column and one covariance of the pooled rows. Both
kinds follow from these. With row masks that differ between columns the pooled covariance stands
in for each column's own, which changes the whitening a little and never the means.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.linalg
import torch

from augury.errors import UsageError
from augury.probes.linear import LinearGrid
from augury.probes.rows import StateArray, blocks, moments

__all__ = ["SharedMoments", "difference_of_means", "lda", "shared_moments"]


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


def shared_moments(states: StateArray, labels: np.ndarray, weights: np.ndarray) -> SharedMoments:
    """Read the rows twice (mean, then products around it) and keep class means and covariance.

    Args:
        states: Raw states [row, hidden].
        labels: Bool [row, column].
        weights: Not negative, 0 = unused; float32 [row, column].

    Raises:
        DataError: No row is used, or a used state is not finite.
    """
    used = np.asarray((weights > 0).any(axis=1))
    facts = moments(states, used)
    hidden, columns = states.shape[1], labels.shape[1]
    sums = np.zeros((2, columns, hidden))
    mass = np.zeros((2, columns))
    scatter = np.zeros((hidden, hidden))
    for rows, block in blocks(states, used):
        chosen = block.to("cpu", torch.float64).numpy() - facts.mean
        for side, member in enumerate((labels[rows], ~labels[rows])):
            weight = np.where(member, weights[rows], 0).astype(np.float64)
            sums[side] += weight.T @ chosen
            mass[side] += weight.sum(axis=0)
        scatter += chosen.T @ chosen
    means = sums / np.where(mass > 0, mass, 1)[:, :, None]
    means += np.where(mass > 0, 1, 0)[:, :, None] * facts.mean
    total = mass.sum(axis=0)
    share = np.divide(mass[0], total, out=np.full(columns, np.nan), where=total > 0)
    return SharedMoments(means[0], means[1], share, scatter / facts.rows)


def difference_of_means(shared: SharedMoments) -> LinearGrid:
    """Weight = mean of the positives minus mean of the negatives; 0 scores half-way between."""
    delta = shared.positive - shared.negative
    bias = -np.einsum("ch,ch->c", delta, (shared.positive + shared.negative) / 2)
    return _grid(shared, delta, bias)


def lda(shared: SharedMoments, *, shrinkage: float = 1e-2) -> LinearGrid:
    """Linear discriminant analysis; scores are log-odds when both classes are Gaussian.

    Solves with the pooled covariance, shrunk towards its mean variance, and takes the between-class
    part out by the Sherman-Morrison formula, so one factorisation serves every column.

    Args:
        shared: From `shared_moments`.
        shrinkage: Share of the mean variance mixed in, from 0 to 1.

    Raises:
        UsageError: `shrinkage` is outside [0, 1], or the covariance is singular without it.
    """
    if not 0 <= shrinkage <= 1:
        raise UsageError("shrinkage", found=f"{shrinkage}", expected="0 to 1")
    hidden = len(shared.covariance)
    ridge = np.trace(shared.covariance) / hidden
    mixed = (1 - shrinkage) * shared.covariance + shrinkage * ridge * np.eye(hidden)
    delta = shared.positive - shared.negative
    try:
        solved = scipy.linalg.cho_solve(scipy.linalg.cho_factor(mixed), delta.T).T
    except np.linalg.LinAlgError as error:
        raise UsageError(
            "shrinkage",
            found=f"a singular covariance at {shrinkage}",
            expected="more than 0 here",
            fix="raise the shrinkage",
        ) from error
    share = np.where(_two_classes(shared), shared.share, 0.5)
    between = (1 - shrinkage) * share * (1 - share) * np.einsum("ch,ch->c", delta, solved)
    weight = solved / np.maximum(1 - between, 1e-9)[:, None]
    middle = np.einsum("ch,ch->c", weight, (shared.positive + shared.negative) / 2)
    return _grid(shared, weight, np.log(share / (1 - share)) - middle)


def _two_classes(shared: SharedMoments) -> np.ndarray:
    return np.asarray((shared.share > 0) & (shared.share < 1))


def _grid(shared: SharedMoments, weight: np.ndarray, bias: np.ndarray) -> LinearGrid:
    sound = _two_classes(shared)
    rounded = np.where(sound[:, None], weight, 0).astype(np.float32)
    problem = tuple("" if fine else "rows of both classes are needed" for fine in sound)
    return LinearGrid(rounded, np.where(sound, bias, 0.0), problem)
