"""What of a numeric target text and place do not explain: what a ridge regression leaves over."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float
from scipy import sparse
from sklearn.linear_model import Ridge
from sklearn.preprocessing import StandardScaler

from augury.errors import DataError
from augury.probes.fold_ridge import Smoother
from augury.shapes import RowGroups, RowScores

__all__ = ["left_over", "residual"]

_STRENGTHS = (0.03, 0.3, 3.0, 30.0, 300.0)
Columns = Float[np.ndarray, "row target"]


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
    It is for judging: to fit to what is left over of train rows, take `left_over`.

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


def left_over(
    values: Columns,
    place: Float[np.ndarray, "row feature"],
    words: sparse.csr_matrix | None = None,
    *,
    train: Bool[np.ndarray, " row"],
    groups: RowGroups,
    strengths: Sequence[float] = _STRENGTHS,
) -> Columns:
    """Values less what a ridge regression on place, or place and words, foretells of other groups.

    A train row is foretold from the other groups of train rows, every other row from all of them.
    A regression that was fitted to a row knows part of its value by heart: what it leaves over of
    train rows is at right angles to the features, of others it holds the regression's own error,
    and whatever is fitted to the first has the wrong sign on the second.

    Place is standardised, with a penalty of 1. The strength of the words is the one that foretells
    differences within left-out train groups best, target by target.

    Args:
        values: The targets.
        place: A few features.
        words: [row, word], rows of length 1, such as `tfidf` of the train rows; None: place alone.
        train: Rows to fit on, of at least two groups.
        groups: Group of each row.
        strengths: Of the words, as squared error per squared weight.

    Raises:
        DataError: Train rows are of fewer than two groups, or lengths differ.
    """
    inside = np.unique(groups[train]) if len(groups) == len(train) else groups[:0]
    rows = {len(values), len(place), len(train), len(groups)}
    rows |= {words.shape[0]} if words is not None else set()
    if len(rows) > 1 or len(inside) < 2:
        found = f"{sorted(rows)} rows, {len(inside)} groups to fit on"
        raise DataError("residual", found=found, expected="the same rows, at least 2 groups")
    members = [np.flatnonzero(groups[train] == group) for group in inside]
    scaled = StandardScaler().fit(place[train]).transform(place)
    of_place = scaled @ scaled[train].T
    if words is None:
        return _foretold(values, Smoother.of_rows(scaled[train], 1.0), of_place, (train, members))
    of_words = (words @ words[np.flatnonzero(train)].T).toarray()
    best, left = np.full(values.shape[1], np.inf), np.empty(values.shape)
    for strength in strengths:
        products = of_place + of_words / strength
        smoother = Smoother.of_products(products[train], 1.0)
        tried = _foretold(values, smoother, products, (train, members))
        squared = _within(tried[train], members)
        left = np.where(squared < best, tried, left)
        best = np.minimum(squared, best)
    return left


def _foretold(
    values: Columns,
    smoother: Smoother,
    products: np.ndarray,
    fitted: tuple[np.ndarray, Sequence[np.ndarray]],
) -> Columns:
    """Values less what is foretold of them.

    Args:
        values: Of all rows.
        smoother: Of the train rows.
        products: Of all rows with the train rows.
        fitted: Which rows are train rows; of each group, its places among them.
    """
    train, members = fitted
    whole = smoother.solve(values[train])
    left = np.asarray(values - products @ whole - smoother.intercept(values[train]))
    own = np.empty(whole.shape)
    for at in members:
        own[at] = smoother.errors(whole, at)
    left[train] = own
    return left


def _within(values: Columns, members: Sequence[np.ndarray]) -> np.ndarray:
    """Sum of squared deviations from the mean of the group, [target]."""
    each = [((values[at] - values[at].mean(axis=0)) ** 2).sum(axis=0) for at in members]
    return np.asarray(np.sum(each, axis=0))
