"""Training rows of which half are positive: for a target that is rare, without weighing it up."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool

from augury.shapes import Labels, RowGroups

__all__ = ["balanced_rows"]


def balanced_rows(
    labels: Labels,
    use: Bool[np.ndarray, " row"],
    traces: RowGroups,
    *,
    most: int,
    rng: np.random.Generator,
) -> Bool[np.ndarray, " row"]:
    """Draw as many negative as positive rows from each trace, at most `most` positives in all.

    Within each trace, so that what makes some traces richer in positives cannot be learned. A trace
    with more positives than negatives gives as many of each as it has negatives.

    Args:
        labels: True where the row is positive.
        use: Rows that may be drawn.
        traces: Number of the trace of each row.
        most: Largest number of positive rows; which ones stay is drawn.
        rng: Of the draw.

    Returns:
        True for the rows that were drawn.
    """
    rows = np.flatnonzero(use)
    key = rng.random(len(rows))
    hit, trace = labels[rows], np.unique(traces[rows], return_inverse=True)[1]
    size = int(trace.max(initial=-1)) + 1
    wanted = np.minimum(np.bincount(trace, hit, size), np.bincount(trace, ~hit, size)).astype(int)
    if wanted.sum() > most:
        # A draw among all of them: which of a trace's pairs stay is decided pair by pair.
        owner = np.repeat(np.arange(size), wanted)
        wanted = np.bincount(owner[rng.permutation(len(owner))[:most]], minlength=size)
    order = np.lexsort((key, hit, trace))
    block = np.concatenate([[True], np.diff(2 * trace[order] + hit[order]) != 0])
    first = np.maximum.accumulate(np.where(block, np.arange(len(order)), 0))
    rank = np.arange(len(order)) - first
    drawn = np.zeros(len(use), dtype=bool)
    drawn[rows[order]] = rank < wanted[trace[order]]
    return drawn
