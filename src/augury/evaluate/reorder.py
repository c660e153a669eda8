"""Reorderings of rows under the null: the numeric twin of the rotated labels of `permutation.py`.

Rows are rotated within their trace, which keeps how neighbouring values hang together. Where every
trace has one row there is nothing to rotate, and all rows are permuted.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float, Int

from augury.shapes import RowGroups

__all__ = ["reorderings"]

_CHUNK = 1 << 21


def reorderings(
    traces: RowGroups, share: Float[np.ndarray, "draw trace"]
) -> Iterator[tuple[slice, Int[np.ndarray, "draw row"]]]:
    """Row numbers in a new order, a chunk of draws at a time.

    Args:
        traces: Column of `share` of each row; rows of one trace stand in order.
        share: Uniform in [0, 1): by what share of its rows a trace is rotated, no rotation
            included; one table for all cells, so that they are reordered alike.
    """
    step = max(1, _CHUNK // max(1, len(traces)))
    order = np.argsort(traces, kind="stable")
    length = np.bincount(traces, minlength=share.shape[1])
    start = (np.cumsum(length) - length)[traces[order]]
    size = length[traces[order]]
    offset = np.arange(len(traces)) - start
    for first in range(0, len(share), step):
        draws = slice(first, min(first + step, len(share)))
        if length.max(initial=0) <= 1:
            yield draws, np.argsort(share[draws][:, traces], axis=1)
            continue
        shift = (share[draws][:, traces[order]] * size).astype(np.int64)
        new = np.empty(shift.shape, dtype=np.int64)
        new[:, order] = order[start + (offset + shift) % size]
        yield draws, new
