from __future__ import annotations

import numpy as np
import pytest

from augury.errors import UsageError
from augury.evaluate.intervals import (
    effective_groups,
    group_draws,
    interval,
    jackknife_spread,
    left_out,
    simultaneous_lower,
)


def test_every_draw_draws_as_many_groups_as_there_are() -> None:
    draws = group_draws(13, 50, seed=0)
    assert draws.shape == (50, 13)
    assert (draws.sum(axis=1) == 13).all()
    np.testing.assert_array_equal(draws, group_draws(13, 50, seed=0))
    assert (draws != group_draws(13, 50, seed=1)).any()


def test_under_ten_groups_there_is_no_interval_and_under_twenty_a_caution() -> None:
    draws = np.random.default_rng(0).normal(size=500)
    assert interval(0.0, draws, 9) is None
    assert interval(0.0, draws, 10).caution
    assert interval(0.0, draws, 19).caution
    assert not interval(0.0, draws, 20).caution


def test_an_interval_is_refused_when_many_draws_are_undefined() -> None:
    draws = np.random.default_rng(0).normal(size=500)
    draws[:20] = np.nan
    assert interval(0.0, draws, 30) is not None
    draws[:30] = np.nan
    assert interval(0.0, draws, 30) is None


def test_the_expanded_interval_is_wider_than_the_percentiles_and_tends_to_them() -> None:
    draws = np.random.default_rng(0).normal(size=20_000)
    low, high = np.quantile(draws, [0.025, 0.975])
    few, many = interval(0.0, draws, 10), interval(0.0, draws, 100_000)
    assert few.low < low - 0.2 and few.high > high + 0.2
    assert many.low == pytest.approx(low, abs=1e-3)
    assert many.high == pytest.approx(high, abs=1e-3)


def test_the_jackknife_of_a_mean_is_its_standard_error() -> None:
    values = np.random.default_rng(0).normal(size=30)
    left = left_out(30) @ values / 29
    assert jackknife_spread(left) == pytest.approx(values.std(ddof=1) / np.sqrt(30))
    assert jackknife_spread(np.append(left, np.nan)) == pytest.approx(jackknife_spread(left))


def test_an_interval_reaches_as_far_as_the_larger_of_two_spreads() -> None:
    draws = np.random.default_rng(0).normal(size=20_000)
    spread = float(draws.std(ddof=1))
    own = interval(0.0, draws, 30)
    for ratio in (0.5, 1.0, 1.3):
        left = np.array([1.0, -1.0] * 15)
        left *= ratio * spread / jackknife_spread(left)
        found = interval(0.0, draws, 30, left=left)
        assert found.high / own.high == pytest.approx(max(1.0, ratio), rel=0.05)
        assert found.low / own.low == pytest.approx(max(1.0, ratio), rel=0.05)


@pytest.mark.parametrize("n_groups", [10, 20, 40])
def test_intervals_of_group_means_cover_the_truth_as_often_as_they_say(n_groups: int) -> None:
    rng = np.random.default_rng(n_groups)
    weights = group_draws(n_groups, 400, seed=1) / n_groups
    hits = 0
    for values in rng.normal(size=(600, n_groups)):
        found = interval(float(values.mean()), weights @ values, n_groups)
        hits += found.low <= 0 <= found.high
    assert 0.92 <= hits / 600 <= 0.98


def test_effective_groups_are_the_groups_where_all_are_alike_and_fewer_where_some_are_rich() -> (
    None
):
    groups = np.repeat(np.arange(12), 5)
    alike = np.arange(60) % 5 == 0
    assert effective_groups(alike, groups) == pytest.approx(12)
    # Positives 5, 1, 1, 1 in four of the groups: (5 + 3)^2 / (25 + 3).
    rich = alike & (groups < 4) | (groups == 0)
    assert effective_groups(rich, groups) == pytest.approx(64 / 28)
    assert effective_groups(np.zeros(60, bool), groups) == 0


def test_few_effective_groups_widen_an_interval_as_few_groups_do() -> None:
    draws = np.random.default_rng(0).normal(size=5000)
    few, unequal = interval(0.0, draws, 12), interval(0.0, draws, 30, effective=12.0)
    assert (unequal.low, unequal.high) == (few.low, few.high)
    assert unequal.n_groups == 30 and not unequal.caution
    # A single rich group leaves no finite widening; the draws themselves are the limit.
    assert interval(0.0, draws, 30, effective=1.0).low >= draws.min()


@pytest.mark.parametrize("n_groups", [12, 30])
def test_intervals_cover_the_truth_when_groups_are_of_unequal_weight(n_groups: int) -> None:
    """A pooled mean in which some groups have many more rows than others."""
    rng = np.random.default_rng(n_groups)
    draws = group_draws(n_groups, 400, seed=2)
    hits, without = 0, 0
    for _ in range(800):
        sizes = np.ceil(4 * np.exp(rng.normal(size=n_groups)))
        groups = np.repeat(np.arange(n_groups), sizes.astype(int))
        values = rng.normal(size=n_groups)
        point = float(values @ sizes / sizes.sum())
        drawn = (draws @ (values * sizes)) / (draws @ sizes)
        n = effective_groups(np.ones(len(groups), bool), groups)
        found, plain = (
            interval(point, drawn, n_groups, effective=n),
            interval(point, drawn, n_groups),
        )
        hits += found.low <= 0 <= found.high
        without += plain.low <= 0 <= plain.high
    assert 0.925 <= hits / 800 <= 0.98
    assert hits > without


def test_simultaneous_bounds_hold_for_all_cells_as_often_as_they_say() -> None:
    rng = np.random.default_rng(0)
    weights = group_draws(30, 300, seed=1) / 30
    held = 0
    for _ in range(300):
        values = rng.normal(size=(30, 8)) + rng.normal(size=(30, 1))
        points, draws = values.mean(axis=0), weights @ values
        held += (simultaneous_lower(points, draws, alpha=0.1, n_groups=30) <= 0).all()
    assert 0.85 <= held / 300 <= 0.95


def test_more_cells_push_the_bounds_down_and_copies_of_a_cell_do_not() -> None:
    rng = np.random.default_rng(0)
    draws = rng.normal(size=(2000, 20))
    one = simultaneous_lower(np.zeros(1), draws[:, :1])
    many = simultaneous_lower(np.zeros(20), draws)
    copies = simultaneous_lower(np.zeros(20), np.repeat(draws[:, :1], 20, axis=1))
    assert many[0] < one[0] - 0.5
    np.testing.assert_allclose(copies, one[0])


def test_a_difference_that_never_varies_is_its_own_bound() -> None:
    draws = np.random.default_rng(0).normal(size=(100, 2)) * [0.0, 1.0]
    assert simultaneous_lower(np.zeros(2), draws)[0] == 0.0


def test_shapes_and_emptiness_are_refused() -> None:
    with pytest.raises(UsageError, match="expected"):
        simultaneous_lower(np.zeros(2), np.zeros((5, 3)))
    with pytest.raises(UsageError, match="usable draws"):
        simultaneous_lower(np.zeros(1), np.full((5, 1), np.nan))
    with pytest.raises(UsageError, match="at least one of each"):
        group_draws(0, 5, seed=0)
