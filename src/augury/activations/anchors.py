"""Anchors: the rows of one trace, each a token, or a span of tokens that becomes one row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import xxhash

from augury.activations.plan import ReadingPlan
from augury.errors import DataError, UsageError
from augury.traces.tokens import TokenisedTrace

__all__ = ["Anchors", "anchors_hash", "planned_anchors", "planned_rows", "read_tokens"]


class Anchors(NamedTuple):
    """Where the rows of one trace are read."""

    first: np.ndarray
    """int32 [row], first token of each row, from 0."""

    token: np.ndarray
    """int32 [row], its last token; equal to `first` where a row is one token. Rows are ordered by
    (token, first), none twice."""


def planned_anchors(
    traces: Sequence[TokenisedTrace],
    plan: ReadingPlan,
    spans: Sequence[np.ndarray] | None = None,
) -> list[Anchors]:
    """The rows that a plan keeps of each trace.

    Args:
        traces: In the order of the store.
        plan: Which rows, and how spans become rows.
        spans: For `rows: spans`, of each trace int [span, 2]: tokens `[first, stop)`, in any order.

    Raises:
        UsageError: Spans for a plan that asks for none, or none for one that does.
        DataError: A span that is empty or leaves its trace.
    """
    if (plan.rows == "spans") != (spans is not None):
        raise UsageError(
            "spans", found=f"{'some' if spans else 'none'} for a plan of rows: {plan.rows}"
        )
    if spans is None:
        kept = (planned_rows(trace, whole=plan.rows == "all") for trace in traces)
        return [Anchors(token, token) for token in kept]
    return [_of_spans(trace, of, plan) for trace, of in zip(traces, spans, strict=True)]


def planned_rows(trace: TokenisedTrace, *, whole: bool) -> np.ndarray:
    """Token indices of the completion, or of the whole trace, int32 [row], ascending.

    Of a window that is not the first, only what earlier windows have not shown is kept.
    """
    first = 0 if whole and trace.part == 0 else trace.first_row
    return np.arange(first, len(trace.ids), dtype=np.int32)


def read_tokens(anchors: Anchors, plan: ReadingPlan) -> tuple[np.ndarray, np.ndarray | None]:
    """Which states make the rows of one trace.

    Returns:
        Tokens int32, and how many of them make each row, int64 [row]; None where each is one.
    """
    if plan.pooling not in ("mean", "max"):
        return (anchors.first if plan.pooling == "first" else anchors.token), None
    lengths = (anchors.token - anchors.first + 1).astype(np.int64)
    starts = np.cumsum(lengths) - lengths
    within = np.arange(int(lengths.sum())) - np.repeat(starts, lengths)
    return (np.repeat(anchors.first, lengths) + within).astype(np.int32), lengths


def anchors_hash(anchors: Sequence[Anchors]) -> str:
    """xxh3_128 of the rows of all traces, 32 hex digits."""
    total = xxhash.xxh3_128()
    for one in anchors:
        total.update(b"%d\0" % len(one.token))
        total.update(np.ascontiguousarray(one.first, dtype=np.int32).tobytes())
        total.update(np.ascontiguousarray(one.token, dtype=np.int32).tobytes())
    return total.hexdigest()


def _of_spans(trace: TokenisedTrace, spans: np.ndarray, plan: ReadingPlan) -> Anchors:
    ranges = np.asarray(spans, dtype=np.int64).reshape(-1, 2)
    first, stop = ranges[:, 0], ranges[:, 1]
    bad = np.flatnonzero((first < 0) | (first >= stop) | (stop > len(trace.ids)))
    if len(bad):
        raise DataError(
            f"trace {trace.trace_id!r}: span {bad[0]}",
            found=f"tokens [{first[bad[0]]}, {stop[bad[0]]})",
            expected=f"at least one of its {len(trace.ids)} tokens, and no other",
        )
    if plan.pooling == "tokens":
        inside = np.zeros(len(trace.ids) + 1, dtype=np.int64)
        np.add.at(inside, first, 1)
        np.add.at(inside, stop, -1)
        token = np.flatnonzero(np.cumsum(inside) > 0).astype(np.int32)
        return Anchors(token, token)
    ordered = np.unique(np.stack([stop - 1, first], axis=1), axis=0).astype(np.int32)
    return Anchors(first=ordered[:, 1].copy(), token=ordered[:, 0].copy())
