"""Labels of a plan, placed: each span is read once, whole, in the window that shows its end."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from augury.activations.plan import ReadingPlan
from augury.activations.spans import planned_spans
from augury.errors import DataError
from augury.traces.context import fit_to_context
from augury.traces.tokens import TokenisedTrace
from augury.traces.trace import Span, Trace

TEXT = "Ask me. One two. Three, four five! Six."
PROMPT = 8
TRACE = Trace(
    "t",
    "g",
    TEXT[:PROMPT],
    TEXT[PROMPT:],
    (Span(0, 7, "question"), Span(17, 33, "long"), Span(35, 38, "short")),
)


def letters(trace: Trace) -> TokenisedTrace:
    """One token per character, behind a BOS."""
    count = len(trace.text)
    starts = np.concatenate([[0], np.arange(count)]).astype(np.int32)
    ends = np.concatenate([[0], np.arange(count) + 1]).astype(np.int32)
    return TokenisedTrace(
        trace.id,
        trace.group,
        ids=np.arange(count + 1, dtype=np.int32),
        starts=starts,
        ends=ends,
        special=np.zeros(count + 1, bool),
        role=np.ones(count + 1, np.uint8),
        first_row=len(trace.prompt) + 1,
        bos=True,
    )


def texts_of(parts: list[TokenisedTrace], plan: ReadingPlan) -> list[list[str]]:
    found = planned_spans({"t": TRACE}, parts, plan)
    assert found is not None
    return [
        [TEXT[part.starts[first] : part.ends[stop - 1]] for first, stop in ranges.tolist()]
        for part, ranges in zip(parts, found, strict=True)
    ]


def plan_of(*labels: str, pooling: str = "mean") -> ReadingPlan:
    return ReadingPlan(sites=("embed",), rows="spans", labels=labels, pooling=pooling)  # type: ignore[arg-type]


def test_spans_are_found_by_label_in_the_prompt_too() -> None:
    parts = [letters(TRACE)]
    assert texts_of(parts, plan_of("question", "short")) == [["Ask me.", "Six"]]
    assert planned_spans({"t": TRACE}, parts, ReadingPlan(sites=("embed",))) is None


def test_sentences_are_those_of_the_completion_or_the_ones_that_are_marked() -> None:
    parts = [letters(TRACE)]
    assert texts_of(parts, plan_of("sentence")) == [["One two.", "Three, four five!", "Six."]]
    marked = replace(TRACE, spans=(Span(8, 11, "sentence"),))
    found = planned_spans({"t": marked}, parts, plan_of("sentence"))
    assert found is not None and found[0].tolist() == [[9, 12]]


@pytest.mark.parametrize("context", [20, 24, 30, 36])
def test_over_windows_a_span_is_one_row_and_a_token_counts_once(context: int) -> None:
    parts = fit_to_context(letters(TRACE), context, overflow="window")
    assert len(parts) > 1
    ends = texts_of(parts, plan_of("question", "long", "short", pooling="last"))
    assert sorted(text[-3:] for of in ends for text in of) == ["Six", "ive", "me."]
    tokens = texts_of(parts, plan_of("long", pooling="tokens"))
    assert "".join(text for of in tokens for text in of) == TEXT[17:33]


def test_a_span_that_no_window_shows_whole_is_refused() -> None:
    parts = fit_to_context(letters(TRACE), 12, overflow="window")
    with pytest.raises(DataError, match=r"'long' \[17, 33\): its beginning lies before the window"):
        planned_spans({"t": TRACE}, parts, plan_of("long"))


def test_a_label_that_no_trace_has_is_told_with_those_there_are() -> None:
    with pytest.raises(DataError, match=r"no span called lng.*long, question, short, sentence"):
        planned_spans({"t": TRACE}, [letters(TRACE)], plan_of("lng"))
