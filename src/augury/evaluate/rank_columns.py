"""Rank correlations of many scores at once, where no interval is asked for: to choose by."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from scipy.stats import rankdata

__all__ = ["rank_columns"]


def rank_columns(
    values: Float[np.ndarray, "row column"], scores: Float[np.ndarray, "row column"]
) -> Float[np.ndarray, " column"]:
    """Spearman's correlation of each column of values with the same column of scores.

    Ties share their mean rank; 0 where one of the two is the same everywhere.
    """
    left, right = (rankdata(each, axis=0) for each in (values, scores))
    left, right = left - left.mean(axis=0), right - right.mean(axis=0)
    scale = np.sqrt((left**2).sum(axis=0) * (right**2).sum(axis=0))
    cross = (left * right).sum(axis=0)
    return np.asarray(np.divide(cross, scale, out=np.zeros_like(cross), where=scale > 0))
