"""Ranking: rows in order of their score, with ties kept together; every rank metric reads it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from augury.errors import DataError
from augury.shapes import Labels, RowScores, RowWeights

__all__ = ["Ranking", "check_rows", "rank_rows"]


@dataclass(frozen=True, slots=True, eq=False)
class Ranking:
    """What a threshold at each distinct score accepts; a row is accepted at score >= threshold."""

    thresholds: Float[np.ndarray, " distinct"]
    """Distinct scores, highest first."""

    true_positives: Float[np.ndarray, " distinct"]
    """Weight of the positive rows accepted at that threshold."""

    false_positives: Float[np.ndarray, " distinct"]
    """Weight of the negative rows accepted at that threshold."""

    positives: float
    """Weight of all positive rows."""

    negatives: float
    """Weight of all negative rows."""


def rank_rows(labels: Labels, scores: RowScores, weights: RowWeights | None = None) -> Ranking:
    """Sort rows by score, highest first, and count what each distinct score accepts.

    Args:
        labels: True where the row is positive.
        scores: Higher means more positive; any scale.
        weights: Weight of each row, none negative; 1 when absent.

    Raises:
        DataError: Lengths differ, labels are not boolean, or a value is not finite.
    """
    check_rows(labels, scores)
    counted = _checked_weights(weights, len(labels))
    order = np.argsort(-np.asarray(scores))
    ranked = np.asarray(scores)[order]
    last = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True)[: len(ranked)])
    positive = np.where(labels, counted, 0.0)[order]
    negative = np.where(labels, 0.0, counted)[order]
    hits, alarms = np.cumsum(positive), np.cumsum(negative)
    return Ranking(
        ranked[last],
        hits[last],
        alarms[last],
        float(hits[-1]) if len(hits) else 0.0,
        float(alarms[-1]) if len(alarms) else 0.0,
    )


def check_rows(labels: Labels, scores: RowScores, *, where: str = "rows") -> None:
    """Refuse rows that no metric can read.

    Raises:
        DataError: Lengths differ, labels are not boolean, or a score is not finite.
    """
    if np.asarray(labels).dtype != np.bool_:
        raise DataError(where, found=f"labels of type {np.asarray(labels).dtype}", expected="bool")
    if np.shape(labels) != np.shape(scores) or np.ndim(labels) != 1:
        found = f"labels of shape {np.shape(labels)}, scores of shape {np.shape(scores)}"
        raise DataError(where, found=found, expected="one label and one score per row")
    bad = int(np.count_nonzero(~np.isfinite(scores)))
    if bad:
        raise DataError(
            where,
            found=f"{bad} of {len(scores)} scores are not finite",
            expected="finite scores",
            fix="find the rows whose states or features are not finite",
        )


def _checked_weights(weights: RowWeights | None, n_rows: int) -> Float[np.ndarray, " row"]:
    if weights is None:
        return np.ones(n_rows)
    given = np.asarray(weights, dtype=np.float64)
    if given.shape != (n_rows,) or not np.isfinite(given).all() or (given < 0).any():
        found = f"weights of shape {given.shape}, {int(np.count_nonzero(~(given >= 0)))} unusable"
        raise DataError("rows", found=found, expected=f"{n_rows} finite weights, none negative")
    return given
