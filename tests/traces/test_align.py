"""Spans of characters to tokens and back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizer_builders import byte_level

from augury.errors import CheckFailed
from augury.traces.align import place_spans, token_range, verify_placed
from augury.traces.context import fit_to_context
from augury.traces.tokens import tokenise
from augury.traces.trace import Span, Trace

TEXT = "So it is 5. Wait, that 🙂 is wrong.\n\nActually it is é 4. Hold on, no."
BPE = byte_level()
TRIMMED = byte_level(trim=True)


def made(text: str, *spans: Span, prompt: str = "Q: ") -> Trace:
    shifted = (Span(s.start + len(prompt), s.end + len(prompt), s.label) for s in spans)
    return Trace("t", "g", prompt, text, spans=tuple(shifted))


@pytest.mark.parametrize("tokenizer", [BPE, TRIMMED], ids=["plain", "trimmed"])
@given(bounds=st.tuples(st.integers(0, len(TEXT)), st.integers(0, len(TEXT))))
@settings(max_examples=60, deadline=None)
def test_a_placed_span_is_exactly_the_tokens_that_hold_its_characters(
    tokenizer: Any, bounds: tuple[int, int]
) -> None:
    start, end = sorted(bounds)
    if not TEXT[start:end].strip():
        return
    trace = made(TEXT, Span(start, end, "x"))
    tokens = tokenise(trace, tokenizer, bos="always")
    (placed,) = place_spans(trace, tokens, tokenizer)
    wanted = {place for place in range(start, end) if not TEXT[place].isspace()}
    for number in range(len(tokens)):
        held = range(tokens.starts[number] - 3, tokens.ends[number] - 3)
        assert (placed.first <= number < placed.stop) >= bool(wanted.intersection(held))
    edge = range(tokens.starts[placed.first] - 3, tokens.ends[placed.first] - 3)
    assert wanted.intersection(edge)


def test_the_word_after_a_span_is_not_in_it_though_its_token_holds_the_space_between() -> None:
    wait = TEXT.index("Wait")
    trace = made(TEXT, Span(0, wait, "deduction"), Span(wait - 1, wait + 4, "backtracking"))
    for tokenizer in (BPE, TRIMMED):
        tokens = tokenise(trace, tokenizer)
        before, after = place_spans(trace, tokens, tokenizer)
        assert before.stop == after.first
        assert tokenizer.decode(tokens.ids[after.first]).strip().startswith("W")


def test_all_bytes_of_an_emoji_are_in_its_span() -> None:
    at = TEXT.index("🙂")
    tokens = tokenise(made(TEXT), BPE)
    first, stop = token_range(tokens, at + 3, at + 4)
    assert BPE.decode(tokens.ids[first:stop].tolist()).strip() == "🙂"


def test_an_added_bos_overlaps_nothing() -> None:
    tokens = tokenise(made(TEXT, prompt=""), BPE, bos="always")
    assert tokens.ends[0] == 0
    assert token_range(tokens, 0, 2)[0] == 1
    assert token_range(tokens, 0, 0) == (1, 1)
    assert token_range(tokens, len(TEXT), len(TEXT) + 5) == (len(tokens), len(tokens))


def test_neighbours_of_one_label_are_joined_only_by_white_space() -> None:
    ends = [0, TEXT.index("Wait"), TEXT.index("Actually"), TEXT.index("Hold"), len(TEXT)]
    spans = [Span(ends[1], ends[2], "b"), Span(ends[2], ends[3], "b"), Span(ends[0], ends[1], "a")]
    trace = made(TEXT, *spans)
    placed = place_spans(trace, tokenise(trace, BPE), BPE)
    assert [(one.span.label, one.continues) for one in placed] == [
        ("a", False),
        ("b", False),
        ("b", True),
    ]


@pytest.mark.parametrize("shift", [1, -1])
def test_tokens_that_slid_by_one_fail_the_decoding_check(shift: int) -> None:
    trace = made(TEXT, Span(12, 34, "b"))
    tokens = tokenise(trace, BPE)
    placed = place_spans(trace, tokens, BPE)
    slid = replace(tokens, ids=np.roll(tokens.ids, shift))
    with pytest.raises(CheckFailed, match=r"trace 't': span 'b' \[15, 37\)") as caught:
        verify_placed(trace, slid, placed, BPE)
    assert caught.value.code == 4 and "decode to" in str(caught.value)


def test_spans_of_another_text_fail_the_decoding_check() -> None:
    trace = made(TEXT, Span(12, 34, "b"))
    tokens = tokenise(trace, BPE)
    other = Trace("t", "g", "Q: ", TEXT.replace("Wait", "Fine"), spans=trace.spans)
    with pytest.raises(CheckFailed, match="Fine"):
        place_spans(other, tokens, BPE)


def test_the_trained_tokenizer_round_trips_every_span(stories: Any) -> None:
    spans = [Span(k, min(k + 9, len(TEXT)), "x") for k in range(0, len(TEXT) - 1, 4)]
    trace = made(TEXT, *spans)
    assert len(place_spans(trace, tokenise(trace, stories), stories)) == len(spans)


def test_a_normalised_text_still_passes() -> None:
    nfc = byte_level(nfc=True)
    trace = made("cafe\u0301 is", Span(0, 5, "x"))
    (placed,) = place_spans(trace, tokenise(trace, nfc), nfc)
    assert placed.span.end == 8


def test_a_span_that_entered_from_the_window_before_has_no_start_there() -> None:
    text = "Wait " * 12
    trace = made(text, Span(0, len(text), "b"))
    tokens = tokenise(trace, BPE, bos="always")
    windows = fit_to_context(tokens, 8, overflow="window")
    starts = [place_spans(trace, window, BPE)[0].starts_here for window in windows]
    assert starts == [True] + [False] * (len(windows) - 1) and len(windows) > 1


def test_a_window_that_cuts_a_run_of_fallback_bytes_is_still_verified(augury_data: Path) -> None:
    """Two characters of several bytes each; the window begins inside the first."""
    from tokenizers import Tokenizer as Core
    from transformers import PreTrainedTokenizerFast

    core = Core.from_file(str(augury_data / "model_stories260k" / "tokenizer.json"))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=core, unk_token="<unk>")
    text = "a \u03bc\u2081 is the mean"
    trace = Trace("t", "g", "", text, (Span(2, len(text), "x"),))
    whole = tokenise(trace, tokenizer)
    first = int(np.flatnonzero(whole.starts == 2)[0]) + 1
    columns = ("ids", "starts", "ends", "special", "role")
    window = replace(whole, **{name: getattr(whole, name)[first:] for name in columns}, first_row=0)
    placed = place_spans(trace, window, tokenizer)
    assert placed[0].first == 0
    wrong = replace(window, ids=np.roll(window.ids, 1))
    with pytest.raises(CheckFailed):
        place_spans(trace, wrong, tokenizer)


def test_a_window_that_begins_inside_the_last_character_of_a_span_is_in_order(
    stories: Any,
) -> None:
    """A vocabulary without a character writes its bytes; half a character decodes to nothing."""
    trace = made("so x ≈ 3 ≈ and then", Span(3, 10, "a"))
    whole = tokenise(trace, stories)
    broken = np.flatnonzero(whole.starts == 12)
    assert len(broken) == 3 and trace.text[12] == "≈"
    columns = ("ids", "starts", "ends", "special", "role")
    inside = {name: getattr(whole, name)[broken[1] :] for name in columns}
    window = replace(whole, **inside, first_row=0, part=1)
    placed = place_spans(trace, window, stories)
    assert [(one.first, one.stop, one.starts_here) for one in placed] == [(0, 2, False)]
    slid = replace(window, ids=np.roll(window.ids, 1))
    with pytest.raises(CheckFailed, match="decode to"):
        verify_placed(trace, slid, placed, stories)
