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

__all__ = ["residual", "residual_of_words"]

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
    Train rows are foretold by what was fitted to them: features must be far fewer than rows.

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


def residual_of_words(
    values: Columns,
    place: Float[np.ndarray, "row feature"],
    words: sparse.csr_matrix,
    *,
    train: Bool[np.ndarray, " row"],
    groups: RowGroups,
    strengths: Sequence[float] = _STRENGTHS,
) -> Columns:
    """Values less what a ridge regression on place and words predicts, fitted without their group.

    Words are as many as rows: a regression that was fitted to a row has learnt much of its value by
    heart, and would leave less over of train rows than of others, with another sign to the words.
    So each train row is foretold from the other groups of train rows, and all other rows from all
    of them. Place is standardised, with a penalty of 1; the strength of the words is the one that
    foretells differences within left-out train groups best, target by target.

    Args:
        values: The targets.
        place: A few features.
        words: [row, word], rows of length 1, such as `tfidf` of the train rows.
        train: Rows to fit on, of at least two groups.
        groups: Group of each row.
        strengths: Of the words, as squared error per squared weight.

    Raises:
        DataError: Train rows are of fewer than two groups, or lengths differ.
    """
    inside = np.unique(groups[train])
    rows = {len(values), len(place), words.shape[0], len(train), len(groups)}
    if len(rows) > 1 or len(inside) < 2:
        found = f"{sorted(rows)} rows, {len(inside)} groups to fit on"
        raise DataError("residual", found=found, expected="the same rows, at least 2 groups")
    scaled = StandardScaler().fit(place[train]).transform(place)
    of_place = scaled @ scaled[train].T
    of_words = (words @ words[np.flatnonzero(train)].T).toarray()
    members = [np.flatnonzero(groups[train] == group) for group in inside]
    best, left = np.full(values.shape[1], np.inf), np.empty(values.shape)
    for strength in strengths:
        products = of_place + of_words / strength
        tried = _left_over(values, products, train, members)
        squared = _within(tried[train], members)
        left = np.where(squared < best, tried, left)
        best = np.minimum(squared, best)
    return left


def _left_over(
    values: Columns, products: np.ndarray, train: np.ndarray, members: Sequence[np.ndarray]
) -> Columns:
    """At one strength; products are of all rows with the train rows, members rows of train."""
    smoother = Smoother.of_products(products[train], 1.0)
    whole = smoother.solve(values[train])
    own = np.empty(whole.shape)
    for at in members:
        own[at] = smoother.errors(whole, at)
    left = np.asarray(values - products @ whole - smoother.intercept(values[train]))
    left[train] = own
    return left


def _within(values: Columns, members: Sequence[np.ndarray]) -> np.ndarray:
    """Sum of squared deviations from the mean of the group, [target]."""
    return np.sum([((values[at] - values[at].mean(axis=0)) ** 2).sum(axis=0) for at in members], 0)
