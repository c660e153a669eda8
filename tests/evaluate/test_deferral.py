from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from augury.errors import DataError, UsageError
from augury.evaluate.deferral import Objective, Thresholds, choose_thresholds, defer

rows = st.lists(st.tuples(st.booleans(), st.integers(0, 7)), min_size=1, max_size=24)
limits = st.sampled_from([0.0, 0.1, 0.2, 1 / 3, 0.5, 1.0])


def _brute_force(labels, scores, objective: Objective) -> tuple[float, float, bool]:
    """Least (error, deferral), or the reverse, over every pair of thresholds, equal ones too."""
    places = np.concatenate([[scores.min() - 1], scores, [scores.max() + 1]])
    met, fallback = [], []
    for no, yes in product(places, places):
        if no > yes:
            continue
        found = defer(labels, scores, Thresholds(float(no), float(yes), True))
        if found.error.value is None:
            continue
        pair = (found.error.value, found.deferral.value)
        fallback.append(pair)
        if objective.kind == "budget" and pair[1] <= objective.limit:
            met.append(pair)
        if objective.kind == "error" and pair[0] <= objective.limit:
            met.append(pair[::-1])
    best = min(met or fallback)
    return (*(best[::-1] if met and objective.kind == "error" else best), bool(met))


@settings(max_examples=150, deadline=None)
@given(rows, limits, st.sampled_from(["budget", "error"]))
def test_the_pair_is_the_best_of_all_pairs(rows, limit: float, kind: str) -> None:
    # Fails without the equal thresholds, without the outside of the range, with ties left open.
    labels, scores = (np.array(each) for each in zip(*rows, strict=True))
    objective = Objective(kind, limit)
    chosen = choose_thresholds(labels, scores.astype(float), objective)
    found = defer(labels, scores.astype(float), chosen)
    expected = _brute_force(labels, scores.astype(float), objective)
    assert (found.error.value, found.deferral.value, chosen.meets_objective) == expected
    assert chosen.negative_to <= chosen.positive_from


def test_more_may_be_deferred_for_less_error_and_the_middle_is_what_is_deferred() -> None:
    scores = np.arange(100.0)
    labels = np.where((scores > 35) & (scores < 65), scores % 2 == 0, scores > 50)
    errors = []
    for budget in (0.0, 0.1, 0.3):
        chosen = choose_thresholds(labels, scores, Objective("budget", budget))
        found = defer(labels, scores, chosen)
        assert found.deferral.value <= budget
        errors.append(found.error.value)
    assert errors[0] > errors[1] > errors[2] == 0.0
    assert 30 < chosen.negative_to < chosen.positive_from < 70


def test_a_target_that_no_pair_meets_gives_the_lowest_error_and_says_so() -> None:
    labels = np.tile([True, False], 20)
    chosen = choose_thresholds(labels, np.zeros(40), Objective("error", 0.1))
    assert not chosen.meets_objective
    found = defer(labels, np.zeros(40), chosen)
    assert (found.error.value, found.deferral.value) == (0.5, 0.0)


def test_a_grid_of_quantiles_comes_near_and_can_defer_nothing() -> None:
    rng = np.random.default_rng(0)
    labels = rng.random(3000) < 0.3
    scores = labels + rng.normal(size=3000)
    for kind, limit in (("budget", 0.0), ("budget", 0.2), ("error", 0.1)):
        objective = Objective(kind, limit)
        exact, coarse = (
            defer(labels, scores, choose_thresholds(labels, scores, objective, grid_size=size))
            for size in (None, 101)
        )
        better = "error" if kind == "budget" else "deferral"
        assert 0 <= getattr(coarse, better).value - getattr(exact, better).value < 0.02
        if limit == 0:
            assert coarse.deferred == 0


def test_a_row_at_equal_thresholds_is_accepted_once_as_positive() -> None:
    found = defer(np.array([True, False]), np.array([1.0, 1.0]), Thresholds(1.0, 1.0, True))
    assert (found.accepted_positive, found.accepted_negative, found.deferred) == (2, 0, 0)


def test_the_interval_resamples_groups_not_rows() -> None:
    # Rows of a group are all right or all wrong: resampled rows would give a third of this width.
    groups = np.repeat(np.arange(40), 10)
    labels = np.repeat(np.arange(40) % 4 > 0, 10)
    found = defer(labels, np.ones(400), Thresholds(0.0, 1.0, True), groups=groups)
    assert found.error.value == 0.25
    assert found.error_interval.n_groups == 40
    assert 0.22 < found.error_interval.high - found.error_interval.low < 0.34
    few = defer(labels[:50], np.ones(50), Thresholds(0.0, 1.0, True), groups=groups[:50])
    assert few.error_interval is None


def test_what_cannot_be_asked() -> None:
    with pytest.raises(UsageError, match="budget limit"):
        Objective("budget", 1.2)
    with pytest.raises(DataError, match="validation rows"):
        choose_thresholds(np.zeros(0, bool), np.zeros(0), Objective("error", 0.1))
    with pytest.raises(UsageError, match="grid size"):
        choose_thresholds(np.ones(3, bool), np.ones(3), Objective("error", 0.1), grid_size=1)
