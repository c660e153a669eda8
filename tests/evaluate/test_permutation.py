from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from augury.errors import DataError, UsageError
from augury.evaluate.permutation import circular_shift_null, grid_p_values


@pytest.mark.parametrize("distinct", [4, 100_000])
def test_draws_are_the_average_precisions_of_rotated_labels_ties_included(distinct: int) -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(7) == 2
    scores = rng.integers(0, distinct, 7).astype(float)
    null = circular_shift_null([labels], [scores], [np.zeros(7, int)], n=200, seed=0)
    possible = [average_precision_score(np.roll(labels, k), scores) for k in range(7)]
    np.testing.assert_allclose(np.unique(null.round(12)), np.unique(np.round(possible, 12)))


@pytest.mark.parametrize("tie", [1, 2, 3, 8])
def test_positives_keep_their_distances_around_the_circle(tie: int) -> None:
    labels = np.array([1, 1, 0, 0, 0, 0, 1, 0], bool)
    scores = np.arange(8.0) // tie
    null = circular_shift_null([labels], [scores], [np.zeros(8, int)], n=300, seed=0)
    possible = [average_precision_score(np.roll(labels, k), scores) for k in range(8)]
    assert set(null.ravel().round(9)) == set(np.round(possible, 9))


def test_traces_rotate_independently_of_each_other() -> None:
    labels, scores = np.array([True, False, True, False]), np.array([4.0, 3.0, 2.0, 1.0])
    null = circular_shift_null([labels], [scores], [np.array([0, 0, 1, 1])], n=200, seed=0)
    places = ([0, 2], [0, 3], [1, 2], [1, 3])
    possible = [average_precision_score(np.isin(np.arange(4), at), scores) for at in places]
    assert set(null.ravel().round(9)) == set(np.round(possible, 9))


def test_labels_never_leave_their_trace() -> None:
    labels = np.array([True, False, False] + [False] * 5)
    scores = np.array([3.0, 3.0, 3.0] + [9.0] * 5)
    traces = np.array([4, 4, 4] + [9] * 5)
    null = circular_shift_null([labels], [scores], [traces], n=50, seed=0)
    np.testing.assert_allclose(null, 1 / 8)


def test_rows_of_traces_may_be_interleaved() -> None:
    rng = np.random.default_rng(0)
    labels, scores, traces = rng.random(60) < 0.3, rng.normal(size=60), np.arange(60) % 3
    order = np.argsort(traces, kind="stable")
    mixed = circular_shift_null([labels], [scores], [traces], n=40, seed=0)
    tidy = circular_shift_null([labels[order]], [scores[order]], [traces[order]], n=40, seed=0)
    np.testing.assert_allclose(mixed, tidy)


def test_the_same_rotation_serves_every_cell() -> None:
    rng = np.random.default_rng(0)
    labels, scores, traces = rng.random(400) < 0.1, rng.normal(size=400), np.arange(400) // 40
    null = circular_shift_null([labels] * 2, [scores, 2 * scores + 1], [traces] * 2, n=60, seed=0)
    np.testing.assert_array_equal(null[:, 0], null[:, 1])
    shorter = circular_shift_null(
        [labels, labels[40:]], [scores, scores[40:]], [traces, traces[40:]], n=200, seed=0
    )
    assert np.corrcoef(shorter.T)[0, 1] > 0.8


def test_a_cell_without_positives_is_nan_and_unequal_arrays_are_refused() -> None:
    traces = np.zeros(4, int)
    null = circular_shift_null([np.zeros(4, bool)], [np.arange(4.0)], [traces], n=5, seed=0)
    assert np.isnan(null).all()
    with pytest.raises(DataError, match="cell 0"):
        circular_shift_null([np.zeros(4, bool)], [np.arange(3.0)], [traces], n=5, seed=0)


def test_labels_of_one_row_traces_are_exchanged_between_them_all_sets_alike() -> None:
    # Rotating traces of one row leaves every label where it is: one value, and p = 1.
    labels, scores = np.arange(6) < 2, np.array([5.0, 1.0, 4.0, 4.0, 2.0, 0.0])
    null = circular_shift_null([labels] * 2, [scores, -scores], [np.arange(6)] * 2, n=6000, seed=0)
    sets = [np.isin(np.arange(6), pair) for pair in combinations(range(6), 2)]
    for column, score in zip(null.T, (scores, -scores), strict=True):
        values = [average_precision_score(each, score) for each in sets]
        expected, share = np.unique(np.round(values, 9), return_counts=True)
        found, counts = np.unique(column.round(9), return_counts=True)
        np.testing.assert_allclose(found, expected)
        np.testing.assert_allclose(counts / 6000, share / 15, atol=0.02)
    # The same exchange serves every cell: a good draw for one score is bad for its opposite.
    assert np.corrcoef(null.T)[0, 1] < -0.5


def test_p_values_count_the_draws_that_do_as_well() -> None:
    null = np.array([[0.1, 0.4], [0.2, 0.3], [0.3, 0.2], [0.4, 0.1]])
    p = grid_p_values(np.array([0.35, 0.9]), null)
    np.testing.assert_allclose(p.single, [2 / 5, 1 / 5])
    assert p.corrected[1] == pytest.approx(1 / 5)
    assert (p.corrected >= p.single).all()


def test_the_smallest_corrected_p_is_uniform_when_nothing_is_there() -> None:
    rng = np.random.default_rng(0)
    smallest = []
    for _ in range(400):
        values = np.exp(rng.normal(size=(100, 6)) + rng.normal(size=(100, 1)))
        smallest.append(grid_p_values(values[0], values[1:]).corrected.min())
    assert np.mean(np.array(smallest) <= 0.1) == pytest.approx(0.1, abs=0.045)


def test_rare_and_frequent_labels_compete_evenly() -> None:
    rng = np.random.default_rng(0)
    null = np.stack([0.01 * np.exp(rng.normal(size=500)), 0.5 * np.exp(rng.normal(size=500) / 50)])
    observed = np.array([np.median(null[0]), 0.6])
    p = grid_p_values(observed, null.T)
    assert p.corrected[1] < 0.05 < p.corrected[0]


def test_undefined_cells_must_be_left_out() -> None:
    with pytest.raises(UsageError, match="without a positive row"):
        grid_p_values(np.array([0.5]), np.full((10, 1), np.nan))
    with pytest.raises(UsageError, match=r"\[draw, cell\]"):
        grid_p_values(np.array([0.5]), np.ones((10, 2)))
