"""Ridge regression of many targets at many strengths, from shared moments.

With weights w_i, mean m and deviation s of the features, the objective of one target y is

    (1 / (2 sum w)) sum_i w_i (y_i - x_i . beta - b)^2 + (l2 / 2) |S beta|^2,     S = diag(s)

so the strength acts on standardised features and means the same as in `grid`; b is not penalised.
scikit-learn's `Ridge` on standardised states with `alpha = l2 sum w` and `sample_weight = w` has
the same optimum. The rows are read twice; one eigendecomposition serves all targets and strengths.
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


@dataclass(frozen=True)
class _Products:
    """Weighted means and centred products of the standardised features, all divided by sum w."""

    features: np.ndarray
    """Mean of the standardised features, [hidden]."""
    targets: np.ndarray
    """Mean of the targets, [target]."""
    gram: np.ndarray
    """[hidden, hidden]."""
    cross: np.ndarray
    """[hidden, target]."""


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
    shared = _products(states, values, weights, (facts.mean, inverse))
    spectrum, basis = scipy.linalg.eigh(shared.gram, check_finite=False)
    rotated = basis.T @ shared.cross
    grids = []
    for strength in l2:
        gamma = (basis @ (rotated / (np.maximum(spectrum, 0) + strength)[:, None])).T
        weight = (gamma * inverse).astype(np.float32)
        # the bias answers for the rounded weights, so a large mean does not shift the scores
        centre = facts.mean + shared.features * facts.deviation
        bias = shared.targets - weight.astype(np.float64) @ centre
        grids.append(LinearGrid(weight, bias, ("",) * len(bias)))
    return tuple(grids)


def _products(
    states: StateArray,
    values: np.ndarray,
    weights: np.ndarray,
    scale: tuple[np.ndarray, np.ndarray],
) -> _Products:
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
    return _Products(features, targets, gram / total - np.outer(features, features), cross / total)


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
