"""Fit logistic models for many columns on the same sparse features at once.

Same loss as `grid`, with two differences that sparse counts call for: features are neither
centred nor scaled (the ridge acts on the weights as they are), and the coordinates are stretched
feature by feature instead of rotated. Meant for baselines, which may stop early.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.special import expit

from augury.probes.search import Search, Value

__all__ = ["SparseGrid", "fit_sparse_grid"]


@dataclass(frozen=True)
class SparseGrid:
    """score = features . weight + bias, in log-odds."""

    weight: np.ndarray
    """Float32 [column, feature]."""

    bias: np.ndarray
    """Float64 [column]."""

    passes: int
    """Reads of the rows."""


def fit_sparse_grid(
    features: sparse.csr_matrix,
    labels: np.ndarray,
    weights: np.ndarray,
    l2: np.ndarray,
    *,
    tolerance: float = 1e-3,
    max_passes: int = 80,
) -> SparseGrid:
    """Minimise the mean weighted logistic loss plus (l2 / 2) |weight|^2 of each column.

    Columns without both classes keep weight 0 and bias 0.

    Args:
        features: Sparse [row, feature].
        labels: Bool [row, column].
        weights: Not negative, 0 = unused; [row, column].
        l2: Ridge strength per column, above 0; [column].
        tolerance: Relative norm of the gradient at which a column is done.
        max_passes: Reads of the rows after which the fit stops where it is.
    """
    total = weights.sum(axis=0, dtype=np.float64)
    positive = np.einsum("rc,rc->c", labels, weights, dtype=np.float64)
    sound = (positive > 0) & (positive < total)
    total = np.where(sound, total, 1)
    share = np.where(sound, positive / total, 0.5)
    objective = _SparseObjective(
        features, features.T.tocsr(), labels, weights.astype(np.float32), total, np.asarray(l2)
    )
    space = _diagonal(features, weights, total, share * (1 - share), np.asarray(l2))
    search = Search(objective, space, tolerance, np.flatnonzero(sound))
    search.begin(np.log(share / (1 - share)), None)
    search.run(max_passes)
    found = np.where(sound[:, None], space.coefficients(search.point, np.arange(len(sound))), 0)
    return SparseGrid(found[:, :-1].astype(np.float32), found[:, -1], search.passes)


@dataclass(frozen=True)
class _SparseObjective:
    features: sparse.csr_matrix
    transposed: sparse.csr_matrix
    labels: np.ndarray
    weights: np.ndarray
    total: np.ndarray
    l2: np.ndarray

    def at(self, coefficients: np.ndarray, columns: np.ndarray) -> Value:
        """Value of some columns, in one read."""
        vectors = coefficients[:, :-1]
        sign = 1 - 2 * self.labels[:, columns].astype(np.float32)
        weight = self.weights[:, columns]
        margin = self.features @ np.ascontiguousarray(vectors.T, dtype=np.float32)
        margin = sign * (margin + coefficients[:, -1].astype(np.float32))
        loss = (np.logaddexp(0, margin) * weight).sum(axis=0, dtype=np.float64)
        chance = expit(margin)
        slope = chance * sign * weight
        scale, l2 = 1 / self.total[columns], self.l2[columns]
        back = (self.transposed @ slope).T.astype(np.float64)
        by_weight = back * scale[:, None] + l2[:, None] * vectors
        by_bias = slope.sum(axis=0, dtype=np.float64) * scale
        ridge = l2 / 2 * np.einsum("cf,cf->c", vectors, vectors)
        gradient = np.concatenate([by_weight, by_bias[:, None]], axis=1)
        bend = (chance * (1 - chance) * weight).sum(axis=0, dtype=np.float64)
        return Value(loss * scale + ridge, gradient, bend * scale)


@dataclass(frozen=True)
class _Diagonal:
    """Every coefficient on its own scale."""

    stretch: np.ndarray

    def coefficients(self, point: np.ndarray, columns: np.ndarray) -> np.ndarray:
        return np.asarray(point * self.stretch[columns])

    def gradient(self, gradient: np.ndarray, columns: np.ndarray) -> np.ndarray:
        return np.asarray(gradient * self.stretch[columns])

    def point(self, coefficients: np.ndarray) -> np.ndarray:
        return np.asarray(coefficients / self.stretch)

    def adapt(self, columns: np.ndarray, curvature: np.ndarray) -> np.ndarray:
        return np.ones_like(self.stretch[columns])


def _diagonal(
    features: sparse.csr_matrix,
    weights: np.ndarray,
    total: np.ndarray,
    curvature: np.ndarray,
    l2: np.ndarray,
) -> _Diagonal:
    squares = features.multiply(features).T.tocsr() @ weights.astype(np.float32)
    second = squares.T.astype(np.float64) / total[:, None]
    stretch = 1 / np.sqrt(curvature[:, None] * second + l2[:, None])
    return _Diagonal(np.concatenate([stretch, 1 / np.sqrt(curvature)[:, None]], axis=1))
