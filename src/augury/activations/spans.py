"""Which tokens of a trace the labels of a plan mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from augury.activations.plan import ReadingPlan
from augury.errors import DataError
from augury.traces.align import PlacedSpan, place_spans
from augury.traces.sentences import split_sentences
from augury.traces.tokens import TokenisedTrace
from augury.traces.trace import Span, Trace

__all__ = ["SENTENCE", "planned_spans"]

SENTENCE = "sentence"
"""Label that every trace has: where it marks no sentences, its completion is split into them."""


def planned_spans(
    traces: Mapping[str, Trace], parts: Sequence[TokenisedTrace], plan: ReadingPlan
) -> list[np.ndarray] | None:
    """The spans that a plan of `rows: spans` reads, placed on tokens; None for other plans.

    A span that becomes one row is read in the window that shows its end, a token by itself in the
    window that counts it.

    Args:
        traces: By id.
        parts: Tokens of each trace, or of its windows.
        plan: Names the labels.

    Returns:
        Of each part int64 [span, 2]: tokens `[first, stop)`.

    Raises:
        DataError: No trace has a span of these labels, or a window cuts one off in front.
    """
    if plan.rows != "spans":
        return None
    found = [_ranges(traces[part.trace_id], part, plan) for part in parts]
    if not sum(map(len, found)):
        known = sorted({span.label for trace in traces.values() for span in trace.spans})
        raise DataError(
            "reading.labels",
            found=f"no span called {' or '.join(plan.labels) or 'anything: none is named'}",
            expected=f"one of {', '.join([*known, SENTENCE])}",
        )
    return found


def _ranges(trace: Trace, part: TokenisedTrace, plan: ReadingPlan) -> np.ndarray:
    placed = [
        one for one in place_spans(_marked(trace, plan), part) if one.span.label in plan.labels
    ]
    counted = 0 if part.part == 0 else part.first_row
    placed = [one for one in placed if one.stop > counted]
    if plan.pooling == "tokens":
        ranges = [(max(one.first, counted), one.stop) for one in placed]
    else:
        ranges = [(one.first, one.stop) for one in placed if one.ends_here]
        if plan.pooling != "last":
            _refuse_cut(trace, [one for one in placed if one.ends_here and not one.starts_here])
    return np.array(ranges, dtype=np.int64).reshape(-1, 2)


def _marked(trace: Trace, plan: ReadingPlan) -> Trace:
    """The trace, its sentences among its spans if the plan wants them."""
    if SENTENCE not in plan.labels or any(span.label == SENTENCE for span in trace.spans):
        return trace
    shift = len(trace.prompt)
    ranges = split_sentences(trace.completion)
    sentences = (Span(shift + start, shift + end, SENTENCE, "split") for start, end in ranges)
    spans = sorted((*trace.spans, *sentences), key=lambda span: (span.start, span.end))
    return replace(trace, spans=tuple(spans))


def _refuse_cut(trace: Trace, cut: Sequence[PlacedSpan]) -> None:
    if cut:
        span = cut[0].span
        raise DataError(
            f"trace {trace.id!r}: span {span.label!r} [{span.start}, {span.end})",
            found="its beginning lies before the window that shows its end",
            expected="a span that a window shows whole",
            fix="set reading.pooling=last, or a longer traces.context",
        )
