"""What earlier labels give away: events come in bursts, and a probe must know more than that."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from augury.probes.features import count_hats
from augury.probes.position_rank import place_in_trace
from augury.shapes import Labels, RowGroups

__all__ = ["earlier_labels"]

_WINDOW = 16


def earlier_labels(
    labels: Labels, traces: RowGroups, *, horizon: int = 0
) -> Float[np.ndarray, "row feature"]:
    """Rows since the last positive, positives so far, and positives among the last 16 rows.

    The label of row j tells of what happens at j + horizon, and at row t only what happened before
    t is known: labels of rows j with j + horizon < t, and never that of t itself.

    Args:
        labels: True where the row is positive; rows of one trace stand in order.
        traces: Number of the trace of each row.
        horizon: Rows from a row to what its label tells of; h > 0 looks ahead.

    Returns:
        float32, hat functions of the three counts, for a linear model.
    """
    order = np.argsort(traces, kind="stable")
    hit, place = labels[order], place_in_trace(traces)[order].astype(np.int64)
    row = np.arange(len(labels))
    # Labels of the rows [first, known) of the sorted trace are known at a row.
    first = row - place
    known = np.maximum(row - max(horizon, 0), first)
    before = np.concatenate([[0], np.cumsum(hit)])
    last = np.concatenate([[-1], np.maximum.accumulate(np.where(hit, row, -1))])[known]
    since = np.where(last >= first, row - last, -1)
    recent = before[known] - before[np.maximum(known - _WINDOW, first)]
    counts = (since, before[known] - before[first], recent)
    features = np.concatenate([count_hats(count) for count in counts], axis=1)
    out = np.empty_like(features)
    out[order] = features
    return out
