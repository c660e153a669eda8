"""Events on tokens: one onset each, running to their last token."""

from __future__ import annotations

import numpy as np
import pytest

from augury.targets.events import token_events
from augury.traces.align import PlacedSpan
from augury.traces.tokens import TokenisedTrace
from augury.traces.trace import Span


def made(tokens: int) -> TokenisedTrace:
    starts = np.arange(tokens, dtype=np.int32)
    flags = np.zeros(tokens, dtype=bool)
    return TokenisedTrace("t", "g", starts, starts, starts + 1, flags, flags.astype(np.uint8), 0)


def at(first: int, stop: int, label: str = "b", **facts: bool) -> PlacedSpan:
    return PlacedSpan(Span(first, stop, label), first, stop, **facts)


def drawn(marks: np.ndarray) -> str:
    return "".join("#" if mark else "." for mark in marks)


def test_onset_is_the_first_token_and_inside_is_all_of_them() -> None:
    events = token_events(made(10), [at(2, 5), at(7, 8), at(0, 9, "other")], "b")
    assert drawn(events.onset) == "..#....#.."
    assert drawn(events.inside) == "..###..#.."


def test_a_run_of_touching_spans_is_one_event_unless_asked_otherwise() -> None:
    spans = [at(2, 4), at(4, 6), at(7, 9, continues=True)]
    merged = token_events(made(10), spans, "b")
    assert drawn(merged.onset) == "..#......."
    assert drawn(merged.inside) == "..#######."
    apart = token_events(made(10), spans, "b", merge_touching=False)
    assert drawn(apart.onset) == "..#.#..#.."
    assert drawn(apart.inside) == "..####.##."


def test_a_gap_of_one_token_separates_two_events() -> None:
    events = token_events(made(10), [at(2, 4), at(5, 6)], "b")
    assert drawn(events.onset) == "..#..#...."


def test_nested_spans_of_one_label_are_one_event() -> None:
    events = token_events(made(10), [at(1, 8), at(3, 4), at(6, 9)], "b")
    assert drawn(events.onset) == ".#........"
    assert drawn(events.inside) == ".########."


def test_an_event_that_entered_the_window_has_no_onset_there() -> None:
    events = token_events(made(6), [at(0, 3, starts_here=False)], "b")
    assert drawn(events.onset) == "......" and drawn(events.inside) == "###..."
    rest = token_events(made(6), [at(2, 4, continues=True)], "b")
    assert drawn(rest.onset) == "......" and drawn(rest.inside) == "..##.."


@pytest.mark.parametrize("order", [1, -1])
def test_the_order_of_the_spans_does_not_matter(order: int) -> None:
    events = token_events(made(9), [at(2, 4), at(4, 5), at(7, 8)][::order], "b")
    assert drawn(events.onset) == "..#....#."


def test_a_label_that_never_occurs_has_no_events() -> None:
    events = token_events(made(4), [at(0, 2)], "absent")
    assert not events.onset.any() and not events.inside.any()
