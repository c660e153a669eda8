"""Long traces: what is kept, counted once, and lost."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from augury.errors import DataError, UsageError
from augury.traces.context import fit_to_context, lost_spans
from augury.traces.tokens import TokenisedTrace
from augury.traces.trace import Span


def made(tokens: int, *, prompt: int = 0, bos: bool = False) -> TokenisedTrace:
    """Token k is character k - bos, its id is 100 + k; a BOS comes first."""
    lead = int(bos)
    starts = np.maximum(np.arange(tokens, dtype=np.int32) - lead, 0)
    ends = starts + 1
    ends[:lead] = 0
    ids = np.arange(100, 100 + tokens, dtype=np.int32)
    special = np.arange(tokens) < lead
    role = np.full(tokens, 3, dtype=np.uint8)
    return TokenisedTrace("t", "g", ids, starts, ends, special, role, lead + prompt, bos=bos)


@given(
    tokens=st.integers(5, 90),
    context=st.integers(4, 30),
    prompt=st.integers(0, 40),
    bos=st.booleans(),
)
@settings(max_examples=150, deadline=None)
def test_windows_count_every_row_once_and_give_it_context(
    tokens: int, context: int, prompt: int, bos: bool
) -> None:
    prompt = min(prompt, tokens - bos - 1)
    whole = made(tokens, prompt=prompt, bos=bos)
    windows = fit_to_context(whole, context, overflow="window")
    counted = np.concatenate([window.ids[window.first_row :] for window in windows])
    assert counted.tolist() == whole.ids[whole.first_row :].tolist()
    assert [window.part for window in windows] == list(range(len(windows)))
    for window in windows:
        assert len(window) <= context and window.first_row < len(window)
        assert (window.trace_id, window.group, window.bos) == ("t", "g", bos)
        if bos:
            assert window.ids[0] == 100 and window.ends[0] == 0
        body = window.ids[int(bos) :]
        assert np.all(np.diff(body) == 1)
    for window in windows[1:]:
        assert window.first_row >= context // 2 - 1


@pytest.mark.parametrize("rule", ["error", "cut", "window"])
def test_a_trace_that_fits_is_returned_as_it_is(rule: str) -> None:
    whole = made(8)
    assert fit_to_context(whole, 8, overflow=rule) == [whole]  # type: ignore[arg-type]


def test_error_names_the_trace_its_length_and_both_ways_out() -> None:
    with pytest.raises(DataError, match=r"trace 't': 9 tokens.*context of 8.*'window'.*'cut'"):
        fit_to_context(made(9), 8, overflow="error")


def test_cut_keeps_the_first_tokens_and_lost_spans_counts_the_rest() -> None:
    whole = made(20, prompt=4, bos=True)
    parts = fit_to_context(whole, 10, overflow="cut")
    assert parts[0].ids.tolist() == list(range(100, 110))
    spans = [
        Span(0, 4, "literal"),
        Span(5, 7, "a"),
        Span(8, 15, "b"),
        Span(9, 15, "c"),
        Span(15, 19, "d"),
    ]
    assert lost_spans(parts, spans) == 2
    assert lost_spans([whole], spans) == 0
    assert lost_spans(fit_to_context(whole, 10, overflow="window"), spans) == 0


def test_a_prompt_that_fills_the_context_leaves_nothing_of_a_cut_trace() -> None:
    whole = made(20, prompt=12)
    assert fit_to_context(whole, 10, overflow="cut") == []
    assert lost_spans([], [Span(13, 14, "a")]) == 1


def test_a_context_too_short_to_slide_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="at least 4"):
        fit_to_context(made(9), 3, overflow="window")
