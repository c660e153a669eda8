from __future__ import annotations

import numpy as np

from augury.probes.position_rank import place_in_trace, position_rank


def test_the_place_counts_earlier_rows_of_the_same_trace_even_where_traces_are_mixed() -> None:
    np.testing.assert_array_equal(place_in_trace(np.array([7, 7, 2, 7, 2])), [0, 1, 0, 2, 1])


def test_rows_that_come_later_change_nothing() -> None:
    # A version with the relative position knows how long the trace will be.
    traces = np.repeat([0, 1], [5, 9])
    np.testing.assert_array_equal(place_in_trace(traces)[:8], place_in_trace(traces[:8]))


def test_the_sign_comes_from_the_rows_to_fit_on_alone() -> None:
    traces = np.repeat(np.arange(4), 10)
    place = np.tile(np.arange(10.0), 4)
    early, late = place < 2, place > 7
    labels = np.where(traces < 2, early, late)
    fitted = position_rank(traces, labels, fit=traces < 2)
    np.testing.assert_array_equal(fitted, -place)
    np.testing.assert_array_equal(position_rank(traces, labels, fit=traces >= 2), place)
    np.testing.assert_array_equal(position_rank(traces, labels, fit=traces > 9), place)
