"""What of a numeric target text and place do not explain: what a ridge regression leaves over."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool
from scipy import sparse
from sklearn.linear_model import Ridge

from augury.errors import DataError
from augury.shapes import RowScores

__all__ = ["residual"]


def residual(
    values: RowScores,
    features: np.ndarray | sparse.csr_matrix,
    train: Bool[np.ndarray, " row"],
    *,
    l2: float = 1.0,
) -> RowScores:
    """Values less what a ridge regression on the features predicts, fitted on train rows alone.

    A probe of the residual is asked for what the features do not tell. What they tell in a curve,
    and the regression cannot, stays in the residual; so its baselines are still to be judged.

    Args:
        values: The target.
        features: [row, feature], without hidden states: place, TF-IDF.
        train: Rows to fit on.
        l2: Strength, as squared error per squared weight.

    Raises:
        DataError: There are fewer than two training rows, or lengths differ.
    """
    if features.shape[0] != len(values) or train.shape != values.shape or train.sum() < 2:
        found = f"{features.shape[0]} rows of features, {len(values)} values, {train.sum()} to fit"
        raise DataError("residual", found=found, expected="the same rows, at least 2 to fit on")
    fitted = Ridge(alpha=l2).fit(features[np.flatnonzero(train)], values[train])
    return np.asarray(values - fitted.predict(features), dtype=np.float64)
