"""Horizons: the sign, the partner, and what is masked."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from augury.errors import DataError, UsageError
from augury.targets.events import Events
from augury.targets.horizons import (
    already_inside_counts,
    at_horizon,
    lag_of,
    share_already_inside,
)


def events(onsets: str, inside: str) -> Events:
    return Events(*(np.array([c == "#" for c in row]) for row in (onsets, inside)))


def every(tokens: int) -> np.ndarray:
    return np.ones(tokens, dtype=bool)


@pytest.mark.parametrize("horizon", [-16, -4, -1, 0, 1, 4, 16])
def test_a_one_hot_label_at_t_plus_h_is_asked_of_token_t(horizon: int) -> None:
    onset = np.arange(40) == 20
    paired = at_horizon(Events(onset, onset), horizon, eligible=every(40))
    assert np.flatnonzero(paired.label).tolist() == [20 - horizon]
    assert lag_of(horizon) == -horizon


def test_looking_ahead_an_event_is_asked_before_it_starts() -> None:
    onset = np.arange(12) == 8
    assert np.flatnonzero(at_horizon(Events(onset, onset), 3, eligible=every(12)).label) == [5]


RUN = events("....#......#", "....###....#")


def test_point_ahead_masks_tokens_inside_an_event_and_partners_outside_the_text() -> None:
    paired = at_horizon(RUN, 3, eligible=every(12))
    assert np.flatnonzero(paired.label).tolist() == [1, 8]
    assert np.flatnonzero(~paired.use).tolist() == [4, 5, 6, 9, 10, 11]


def test_point_now_and_behind_masks_partners_inside_but_not_the_onset() -> None:
    now = at_horizon(RUN, 0, eligible=every(12))
    assert np.flatnonzero(now.label).tolist() == [4, 11]
    assert np.flatnonzero(~now.use).tolist() == [5, 6]
    behind = at_horizon(RUN, -2, eligible=every(12))
    assert np.flatnonzero(behind.label).tolist() == [6]
    assert np.flatnonzero(~behind.use).tolist() == [0, 1, 7, 8]


@pytest.mark.parametrize("horizon", [1, 2, 5])
def test_within_reaches_from_the_next_token_to_the_horizon_and_no_further(horizon: int) -> None:
    onset = np.arange(30) == 20
    paired = at_horizon(Events(onset, onset), horizon, kind="within", eligible=every(30))
    assert np.flatnonzero(paired.label).tolist() == list(range(20 - horizon, 20))


def test_span_masks_nothing_and_tells_how_many_positives_are_already_inside() -> None:
    paired = at_horizon(RUN, 1, kind="span", eligible=every(12))
    assert np.flatnonzero(paired.label).tolist() == [3, 4, 5, 10]
    assert np.flatnonzero(~paired.use).tolist() == [11]
    assert share_already_inside(RUN, 1, every(12)) == 0.5
    assert already_inside_counts(RUN, 1, every(12)) == (2, 4)


def test_the_share_is_none_without_a_positive_or_a_look_ahead() -> None:
    assert share_already_inside(RUN, 0, every(12)) is None
    assert share_already_inside(RUN, 40, every(12)) is None
    assert share_already_inside(events("....", "...."), 1, every(4)) is None


FLAGS = st.lists(st.booleans(), min_size=1, max_size=30)


@given(FLAGS, FLAGS, FLAGS, st.integers(-35, 35) | st.integers(-4, 4))
@settings(max_examples=150, deadline=None)
def test_every_kind_agrees_with_its_definition_token_by_token(
    starts: list[bool], runs: list[bool], wanted: list[bool], horizon: int
) -> None:
    tokens = min(len(starts), len(runs), len(wanted))
    onset, eligible = np.array(starts[:tokens]), np.array(wanted[:tokens])
    inside = onset | np.array(runs[:tokens])
    some = Events(onset, inside)
    point = at_horizon(some, horizon, eligible=eligible)
    span = at_horizon(some, horizon, kind="span", eligible=eligible)
    within = at_horizon(some, abs(horizon) + 1, kind="within", eligible=eligible)
    for t in range(tokens):
        partner = t + horizon
        there = 0 <= partner < tokens and bool(eligible[t]) and bool(eligible[partner])
        assert span.use[t] == there
        assert span.label[t] == (there and inside[partner])
        masked = there and (inside[t] if horizon > 0 else inside[partner] and not onset[partner])
        assert point.use[t] == (there and not masked)
        assert point.label[t] == (point.use[t] and onset[partner])
        last = t + abs(horizon) + 1
        used = last < tokens and eligible[t] and eligible[last] and not inside[t]
        assert within.use[t] == used
        assert within.label[t] == (used and onset[t + 1 : last + 1].any())


@pytest.mark.parametrize("horizon", [12, 13, 500, -12, -500])
def test_a_horizon_longer_than_the_text_uses_nothing(horizon: int) -> None:
    assert not at_horizon(RUN, horizon, eligible=every(12)).use.any()


def test_within_must_look_ahead_and_eligible_must_fit() -> None:
    with pytest.raises(UsageError, match="at least 1"):
        at_horizon(RUN, 0, kind="within", eligible=every(12))
    for wrong in (every(11), np.ones(12)):
        with pytest.raises(DataError, match="eligible"):
            at_horizon(RUN, 1, eligible=wrong)
