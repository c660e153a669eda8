from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from augury.errors import DataError, UsageError
from augury.evaluate.lead_time import alarm_threshold, lead_times


def _world(seed: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
    rng = np.random.default_rng(seed)
    lengths = rng.integers(0, 60, 6)
    scores = [rng.integers(0, 12, n).astype(float) for n in lengths]
    return scores, [rng.random(n) < 0.08 for n in lengths]


def _by_hand(scores, onsets, threshold: float, window: int, lead: int) -> tuple[int, int, int]:
    flagged = events = false = 0
    for score, onset in zip(scores, onsets, strict=True):
        at = [int(t) for t in np.flatnonzero(onset)]
        events += len(at)
        for event in at:
            times = range(max(0, event - window), event - lead + 1)
            flagged += any(score[t] >= threshold for t in times)
        for token, value in enumerate(score):
            near = any(0 <= event - token <= window for event in at)
            false += bool(value >= threshold and not near)
    return flagged, events, false


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 5000), st.integers(0, 12), st.integers(0, 10))
def test_lead_times_agree_with_counting_by_hand(seed: int, threshold: int, window: int) -> None:
    scores, onsets = _world(seed)
    leads = sorted({0, window // 2, window})
    found = lead_times(scores, onsets, threshold=threshold, window=window, leads=leads)
    for lead, share in zip(leads, found.flagged, strict=True):
        flagged, events, false = _by_hand(scores, onsets, threshold, window, lead)
        assert found.events == events
        assert share.value == (pytest.approx(flagged / events) if events else None)
        tokens = sum(map(len, scores))
        expected = pytest.approx(1000 * false / tokens) if tokens else None
        assert found.false_alarms_per_1000.value == expected


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 5000), st.floats(0, 300), st.integers(0, 10))
def test_the_threshold_keeps_the_budget_and_no_lower_one_does(
    seed: int, budget: float, window: int
) -> None:
    scores, onsets = _world(seed)
    tokens = sum(map(len, scores))
    if not tokens:
        return
    threshold = alarm_threshold(scores, onsets, false_alarms_per_1000=budget, window=window)
    allowed = budget * tokens / 1000
    assert _by_hand(scores, onsets, threshold, window, 0)[2] <= allowed
    lower = [s for s in np.unique(np.concatenate(scores)) if s < threshold]
    if lower:
        assert _by_hand(scores, onsets, lower[-1], window, 0)[2] > allowed


def test_an_alarm_six_tokens_ahead_gives_six_tokens_of_warning() -> None:
    onset, score = np.arange(30) == 20, (np.arange(30) == 14).astype(float)
    found = lead_times([score], [onset], threshold=1.0, window=16, leads=(0, 6, 7))
    assert [share.value for share in found.flagged] == [1.0, 1.0, 0.0]
    assert found.false_alarms_per_1000.value == 0.0


def test_an_alarm_after_the_onset_is_false_and_flags_nothing() -> None:
    onset, score = np.arange(30) == 10, (np.arange(30) == 12).astype(float)
    found = lead_times([score], [onset], threshold=1.0, window=16, leads=(0,))
    assert found.flagged[0].value == 0.0
    assert found.false_alarms_per_1000.value == pytest.approx(1000 / 30)


def test_traces_without_events_leave_the_share_undefined() -> None:
    found = lead_times([np.zeros(4)], [np.zeros(4, bool)], threshold=1.0, window=2, leads=(0,))
    assert found.flagged[0].reason == "no event"


def test_bad_arguments_are_refused() -> None:
    scores, onsets = [np.zeros(3)], [np.zeros(3, bool)]
    with pytest.raises(UsageError, match="0 to the window of 4"):
        lead_times(scores, onsets, threshold=0.0, window=4, leads=(5,))
    with pytest.raises(UsageError, match="window"):
        alarm_threshold(scores, onsets, false_alarms_per_1000=1, window=-1)
    with pytest.raises(UsageError, match="0 or more"):
        alarm_threshold(scores, onsets, false_alarms_per_1000=-1, window=1)
    with pytest.raises(DataError, match="the same traces"):
        lead_times(scores, [], threshold=0.0, window=4, leads=(0,))
    with pytest.raises(DataError, match="trace 0"):
        lead_times([np.full(3, np.nan)], onsets, threshold=0.0, window=4, leads=(0,))
