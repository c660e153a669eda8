"""A null that keeps autocorrelation, and a p value that pays for having looked at a whole grid.

Labels are rotated within their trace: a rotated trace has as many events, in the same rhythm, but
not where the scores expect them. The same rotation serves every cell, so the cells of the null
hang together as the real ones do, and the largest of them is the right thing to compare with
(Winkler et al. 2014).

Where every trace has one row there is nothing to rotate, and labels are exchanged between traces.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from augury.errors import UsageError
from augury.evaluate.ranking import check_rows
from augury.shapes import Labels, RowGroups, RowScores

__all__ = ["GridP", "circular_shift_null", "grid_p_values"]

_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True, eq=False)
class GridP:
    """P values of every cell of a grid."""

    single: Float[np.ndarray, " cell"]
    """As if the cell had been the only one looked at."""

    corrected: Float[np.ndarray, " cell"]
    """Probability that the best cell of a null grid does as well."""


def circular_shift_null(
    labels: Sequence[Labels],
    scores_by_cell: Sequence[RowScores],
    traces: Sequence[RowGroups],
    *,
    n: int = 1000,
    seed: int,
) -> Float[np.ndarray, "draw cell"]:
    """Average precision of fixed scores against labels rotated within each trace.

    All three sequences have one array per cell, restricted to the rows that the cell uses; rows of
    one trace stand in token order. A draw rotates trace k by the share u[draw, k] of its used rows,
    the same share in every cell, uniform over all rotations, none included. In a cell whose traces
    have one row each, a draw permutes the labels over all of them.

    Args:
        labels: True where the row is positive.
        scores_by_cell: Scores, higher means more positive.
        traces: Number of the trace of each row; equal numbers mean the same trace in every cell.
        n: Draws.
        seed: Of the rotations.

    Returns:
        Nan in the columns of cells without a positive row.

    Raises:
        DataError: Lengths differ, labels are not boolean, or a score is not finite.
    """
    for cell, (label, score) in enumerate(zip(labels, scores_by_cell, strict=True)):
        check_rows(label, score, where=f"cell {cell}")
    names = np.unique(np.concatenate([np.unique(trace) for trace in traces] or [np.zeros(0, int)]))
    share = np.random.default_rng(seed).random((n, len(names)))
    out = np.full((n, len(labels)), np.nan)
    for members in _families(labels, traces):
        label, trace = labels[members[0]], np.searchsorted(names, traces[members[0]])
        accepted = {cell: _accepted_at(scores_by_cell[cell]) for cell in members}
        for draws, rows in _rotated_rows(label, trace, share):
            for cell in members:
                out[draws, cell] = _average_precision(accepted[cell], rows)
    return out


def grid_p_values(
    observed: Float[np.ndarray, " cell"], null: Float[np.ndarray, "draw cell"]
) -> GridP:
    """P values, single and corrected for the grid by the maximum statistic.

    `p = (1 + #{null >= observed}) / (draws + 1)`. For the maximum, the log of average precision is
    standardised per cell over the draws and the observed value together, so that rare and frequent
    labels compete evenly and the observed grid is treated exactly as one more draw.

    Raises:
        UsageError: Shapes differ, or a value is missing; leave undefined cells out.
    """
    if null.shape[1:] != observed.shape or not len(observed):
        found = f"observed {observed.shape}, null {null.shape}"
        raise UsageError("grid_p_values", found=found, expected="[cell] and [draw, cell]")
    together = np.log(np.vstack([observed, null]))
    if not np.isfinite(together).all():
        found = "a cell without a positive row"
        raise UsageError("grid_p_values", found=found, expected="positive average precisions")
    spread = together.std(axis=0)
    centred = together - together.mean(axis=0)
    z = np.divide(centred, spread, out=np.zeros_like(centred), where=spread > 1e-12)
    best, size = z[1:].max(axis=1), len(null) + 1
    # Equal values reached by different sums may differ in the last bit; they count as equal.
    corrected = (1 + np.sum(best[:, None] >= z[0] - 1e-9, axis=0)) / size
    single = (1 + np.sum(null >= observed * (1 - 1e-12), axis=0)) / size
    return GridP(single, corrected)


def _families(labels: Sequence[Labels], traces: Sequence[RowGroups]) -> list[list[int]]:
    """Cells with the same labels on the same rows: their rotations are computed once."""
    found: dict[tuple[bytes, bytes], list[int]] = {}
    for cell, (label, trace) in enumerate(zip(labels, traces, strict=True)):
        found.setdefault((label.tobytes(), np.asarray(trace, np.int64).tobytes()), []).append(cell)
    return list(found.values())


def _accepted_at(scores: RowScores) -> Int[np.ndarray, " row"]:
    """For each row, how many rows score at least as high: the row's rank, ties at their end."""
    ranked = np.sort(scores)
    return (len(scores) - np.searchsorted(ranked, scores, side="left")).astype(np.int32)


def _rotated_rows(
    label: Labels, trace: RowGroups, share: Float[np.ndarray, "draw trace"]
) -> Iterator[tuple[slice, Int[np.ndarray, "draw positive"]]]:
    """Row indices on which the rotated labels are positive, a chunk of draws at a time."""
    order = np.argsort(trace, kind="stable")
    length = np.bincount(trace, minlength=share.shape[1])
    start = np.cumsum(length) - length
    at = np.flatnonzero(label[order])
    owner = trace[order][at]
    offset = at - start[owner]
    if not len(at):
        return
    if length.max() == 1:
        yield from _exchanged_rows(trace, len(at), share)
        return
    step = max(1, _CHUNK // len(at))
    for first in range(0, len(share), step):
        draws = slice(first, min(first + step, len(share)))
        shift = (share[draws] * length).astype(np.int64)
        # Both terms are below the length, so one subtraction replaces a division.
        moved = offset + shift[:, owner]
        moved -= np.where(moved >= length[owner], length[owner], 0)
        yield draws, order[start[owner] + moved]


def _exchanged_rows(
    trace: RowGroups, positives: int, share: Float[np.ndarray, "draw trace"]
) -> Iterator[tuple[slice, Int[np.ndarray, "draw positive"]]]:
    """As `_rotated_rows` for traces of one row: any `positives` of the rows, all sets alike."""
    step = max(1, _CHUNK // len(trace))
    for first in range(0, len(share), step):
        draws = slice(first, min(first + step, len(share)))
        key = share[draws][:, trace]
        yield draws, np.argpartition(key, positives - 1, axis=1)[:, :positives]


def _average_precision(
    accepted: Int[np.ndarray, " row"], rows: Int[np.ndarray, "draw positive"]
) -> Float[np.ndarray, " draw"]:
    depth = np.sort(accepted[rows], axis=1)
    n = depth.shape[1]
    hits = np.broadcast_to(np.arange(1, n + 1, dtype=np.int32), depth.shape)
    tied = depth[:, 1:] == depth[:, :-1]
    if tied.any():
        # Tied positives are all accepted at the end of their tie.
        end = np.concatenate([~tied, np.ones((len(depth), 1), dtype=bool)], axis=1)
        marked = np.where(end, hits, np.int32(n))
        hits = np.minimum.accumulate(marked[:, ::-1], axis=1)[:, ::-1]
    return np.asarray((hits / depth).mean(axis=1))
