"""Ridge regression of many targets at many strengths, from shared moments.

With weights w_i, mean m and deviation s of the features, the objective of one target y is

    (1 / (2 sum w)) sum_i w_i (y_i - x_i . beta - b)^2 + (l2 / 2) |S beta|^2,     S = diag(s)

so the strength acts on standardised features and means the same as in `grid`; b is not penalised.
scikit-learn's `Ridge` on standardised states with `alpha = l2 sum w` and `sample_weight = w` has
the same optimum. The rows are read twice; one eigendecomposition, as wide as the rows or the
features, whichever are fewer, serves all targets and strengths.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.linalg
import torch

from augury.errors import DataError, UsageError
from augury.probes.linear import LinearGrid
from augury.probes.objective import inverse_deviation
from augury.probes.rows import StateArray, blocks, moments

__all__ = ["fit_ridge"]

_EMPTY = 1e-12
"""Share of the largest eigenvalue under which a direction holds rounding and nothing else."""


@dataclass(frozen=True)
class _Spectrum:
    """Weighted means, and the centred products of the standardised features over sum w."""

    features: np.ndarray
    """Mean of the standardised features, [hidden]."""
    targets: np.ndarray
    """Mean of the targets, [target]."""
    values: np.ndarray
    """Eigenvalues of the features' products, [rank]."""
    basis: np.ndarray
    """Their eigenvectors, [hidden, rank]."""
    rotated: np.ndarray
    """Products of features and targets in that basis, [rank, target]."""


def fit_ridge(
    states: StateArray, values: np.ndarray, weights: np.ndarray, l2: np.ndarray
) -> tuple[LinearGrid, ...]:
    """Fit every target at every strength.

    Args:
        states: Raw states [row, hidden].
        values: Finite where the weight is positive; float [row, target].
        weights: Shared by all targets, not negative, 0 = unused; float [row].
        l2: Ridge strengths, above 0; float [strength].

    Returns:
        One grid per strength; its columns are the targets.

    Raises:
        DataError: Shapes disagree, no row is used, or a used state or value is not finite.
        UsageError: A strength is not above 0, or a weight is negative.
    """
    weights, l2 = np.asarray(weights, np.float64), np.asarray(l2, np.float64)
    values = np.asarray(values, np.float64)
    _check(states, values, weights, l2)
    facts = moments(states, weights > 0)
    inverse = inverse_deviation(facts)
    wide = np.count_nonzero(weights) < states.shape[1]
    shared = (_of_rows if wide else _of_moments)(states, values, weights, (facts.mean, inverse))
    grids = []
    for strength in l2:
        shrunk = shared.rotated / (np.maximum(shared.values, 0) + strength)[:, None]
        gamma = (shared.basis @ shrunk).T
        weight = (gamma * inverse).astype(np.float32)
        # the bias answers for the rounded weights, so a large mean does not shift the scores
        centre = facts.mean + shared.features * facts.deviation
        bias = shared.targets - weight.astype(np.float64) @ centre
        grids.append(LinearGrid(weight, bias, ("",) * len(bias)))
    return tuple(grids)


def _of_moments(
    states: StateArray,
    values: np.ndarray,
    weights: np.ndarray,
    scale: tuple[np.ndarray, np.ndarray],
) -> _Spectrum:
    """From sums over blocks of rows, however many rows there are."""
    used = weights > 0
    hidden, total = states.shape[1], weights.sum()
    targets = weights[used] @ values[used] / total
    features = np.zeros(hidden)
    gram, cross = np.zeros((hidden, hidden)), np.zeros((hidden, values.shape[1]))
    mean, inverse = scale
    for rows, block in blocks(states, used):
        standard = (block.to("cpu", torch.float64).numpy() - mean) * inverse
        weighted = standard * weights[rows, None]
        features += weighted.sum(axis=0)
        gram += weighted.T @ standard
        cross += weighted.T @ (values[rows] - targets)
    features /= total
    centred = gram / total - np.outer(features, features)
    spectrum, basis = scipy.linalg.eigh(centred, check_finite=False)
    return _Spectrum(features, targets, spectrum, basis, basis.T @ cross / total)


def _of_rows(
    states: StateArray,
    values: np.ndarray,
    weights: np.ndarray,
    scale: tuple[np.ndarray, np.ndarray],
) -> _Spectrum:
    """The same where rows are fewer than features: from the products of rows with each other.

    A probe is then a sum of rows, and the directions that no row has part in are never touched.
    """
    used = weights > 0
    share = weights[used] / weights.sum()
    mean, inverse = scale
    standard = np.concatenate(
        [block.to("cpu", torch.float64).numpy() for _, block in blocks(states, used)]
    )
    standard = (standard - mean) * inverse
    features, targets = share @ standard, share @ values[used]
    root = np.sqrt(share)[:, None]
    rows = root * (standard - features)
    spectrum, turn = scipy.linalg.eigh(rows @ rows.T, check_finite=False)
    kept = spectrum > _EMPTY * max(float(spectrum.max(initial=0.0)), 1e-300)
    spectrum, turn = spectrum[kept], turn[:, kept]
    length = np.sqrt(spectrum)
    cross = length[:, None] * (turn.T @ (root * (values[used] - targets)))
    return _Spectrum(features, targets, spectrum, rows.T @ turn / length, cross)


def _check(states: StateArray, values: np.ndarray, weights: np.ndarray, l2: np.ndarray) -> None:
    rows = states.shape[0]
    if values.ndim != 2 or len(values) != rows or weights.shape != (rows,) or l2.ndim != 1:
        raise DataError(
            "values, weights and l2",
            found=f"shapes {values.shape}, {weights.shape} and {l2.shape}",
            expected=f"[{rows}, target], [{rows}] and [strength]",
        )
    if not (np.isfinite(l2) & (l2 > 0)).all():
        raise UsageError("l2", found=f"{l2.tolist()}", expected="strengths above 0")
    if not (np.isfinite(weights) & (weights >= 0)).all():
        raise UsageError("weights", found="one below 0 or not finite", expected="0 or more")
    if not np.isfinite(values[weights > 0]).all():
        raise DataError(
            "values",
            found="a value that is not finite",
            expected="numbers",
            fix="give the row weight 0",
        )
