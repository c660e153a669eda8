from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from augury.probes.balance import balanced_rows


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.02, 0.9), st.integers(1, 400))
def test_every_trace_gives_as_many_of_each_class_and_only_usable_rows(
    seed: int, share: float, most: int
) -> None:
    rng = np.random.default_rng(seed)
    labels, use = rng.random(600) < share, rng.random(600) < 0.8
    traces = np.sort(rng.integers(0, 12, 600))
    drawn = balanced_rows(labels, use, traces, most=most, rng=rng)
    assert not (drawn & ~use).any()
    possible = 0
    for trace in np.unique(traces):
        here = traces == trace
        hits, misses = (int((drawn & here & side).sum()) for side in (labels, ~labels))
        assert hits == misses
        possible += min(int((use & here & labels).sum()), int((use & here & ~labels).sum()))
    assert int((drawn & labels).sum()) == min(most, possible)


def test_negatives_are_drawn_from_all_of_the_trace() -> None:
    labels = np.zeros(1000, dtype=bool)
    labels[:50] = True
    draws = [
        balanced_rows(
            labels,
            np.ones(1000, bool),
            np.zeros(1000, int),
            most=99,
            rng=np.random.default_rng(seed),
        )
        for seed in range(40)
    ]
    places = np.concatenate([np.flatnonzero(drawn & ~labels) for drawn in draws])
    assert abs(places.mean() - 525) < 20 and len(np.unique(places)) > 700


def test_without_positives_nothing_is_drawn() -> None:
    none = np.zeros(10, dtype=bool)
    drawn = balanced_rows(none, ~none, np.zeros(10, int), most=5, rng=np.random.default_rng(0))
    assert not drawn.any()
    empty = balanced_rows(none, none, np.zeros(10, int), most=5, rng=np.random.default_rng(0))
    assert not empty.any()
