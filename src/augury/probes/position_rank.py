"""A baseline without parameters: the place of a row in its trace, forwards or backwards."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool

from augury.shapes import Labels, RowGroups, RowScores

__all__ = ["place_in_trace", "position_rank", "signed_place"]


def place_in_trace(traces: RowGroups) -> RowScores:
    """Rows of the same trace that stand before each row, float64 from 0.

    It looks back only: the length of the trace, and so the relative position, is of the future.
    """
    order = np.argsort(traces, kind="stable")
    ranked = traces[order]
    first = np.searchsorted(ranked, ranked)
    place = np.empty(len(traces))
    place[order] = np.arange(len(traces)) - first
    return place


def position_rank(traces: RowGroups, labels: Labels, *, fit: Bool[np.ndarray, " row"]) -> RowScores:
    """Place in the trace as a score; its sign is what the rows of `fit` say, and its only choice.

    Positives stand late where the mean place of positives is above that of all rows of `fit`.

    Args:
        traces: Number of the trace of each row; rows of one trace stand in order.
        labels: True where the row is positive; read on rows of `fit` alone.
        fit: Rows to choose the sign on, never test rows.

    Returns:
        The place, or its negative; the place where `fit` has no positive row.
    """
    return signed_place(place_in_trace(traces), labels, fit=fit)


def signed_place(
    place: RowScores | RowGroups, labels: Labels, *, fit: Bool[np.ndarray, " row"]
) -> RowScores | RowGroups:
    """`position_rank` where the place of each row is known."""
    hits = fit & labels
    late = not hits.any() or place[hits].mean() >= place[fit].mean()
    return place if late else -place
