"""A baseline for numbers: ridge regression on any features that hold no hidden state.

The twin of `baselines.fit_features` for numeric targets.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float
from scipy import sparse
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import Ridge
from sklearn.preprocessing import KernelCenterer, StandardScaler

from augury.errors import DataError

__all__ = ["fit_number_features"]

_STRENGTHS = (1.0, 10.0, 100.0, 1000.0)


def fit_number_features(
    features: np.ndarray | sparse.csr_matrix,
    values: Float[np.ndarray, "row column"],
    *,
    train: Bool[np.ndarray, " row"],
    validation: Bool[np.ndarray, " row"],
) -> Float[np.ndarray, "row column"]:
    """Predict every column; its strength is the one that correlates best on validation rows.

    Dense features are standardised on train rows; sparse ones are taken as they are.

    Args:
        features: [row, feature].
        values: The targets.
        train: Rows to fit on.
        validation: Rows to choose the strength on.

    Returns:
        Predictions of all rows, in the unit of the values.

    Raises:
        DataError: Lengths differ, or a row serves both for training and validation.
    """
    if features.shape[0] != len(values) or (train & validation).any():
        twice = int((train & validation).sum())
        found = f"{features.shape[0]} rows for {len(values)} values, {twice} on two sides"
        raise DataError("features", found=found, expected="the same rows, none on two sides")
    fit = _dense if isinstance(features, np.ndarray) else _sparse
    tried = fit(features, values, np.flatnonzero(train))
    quality = [_correlation(one[validation], values[validation]) for one in tried]
    best = np.argmax(np.stack(quality), axis=0)
    return np.asarray(tried[best, :, np.arange(values.shape[1])].T)


def _dense(features: np.ndarray, values: np.ndarray, train: np.ndarray) -> np.ndarray:
    """Predictions [strength, row, column]."""
    scaled = StandardScaler().fit(features[train]).transform(features)
    fits = [Ridge(alpha=strength).fit(scaled[train], values[train]) for strength in _STRENGTHS]
    return np.stack([fit.predict(scaled).reshape(values.shape) for fit in fits])


def _sparse(features: sparse.csr_matrix, values: np.ndarray, train: np.ndarray) -> np.ndarray:
    """The same by inner products of rows, of which there are fewer than words."""
    product = (features @ features[train].T).toarray()
    product = KernelCenterer().fit(product[train]).transform(product)
    mean = values[train].mean(axis=0)
    fits = [KernelRidge(alpha=strength, kernel="precomputed") for strength in _STRENGTHS]
    for fit in fits:
        fit.fit(product[train], values[train] - mean)
    return np.stack([fit.predict(product).reshape(values.shape) + mean for fit in fits])


def _correlation(
    left: Float[np.ndarray, "row column"], right: Float[np.ndarray, "row column"]
) -> Float[np.ndarray, " column"]:
    """Of each pair of columns; 0 where one of them is constant."""
    left, right = left - left.mean(axis=0), right - right.mean(axis=0)
    scale = np.sqrt((left**2).sum(axis=0) * (right**2).sum(axis=0))
    cross = (left * right).sum(axis=0)
    return np.asarray(np.divide(cross, scale, out=np.zeros_like(cross), where=scale > 0))
