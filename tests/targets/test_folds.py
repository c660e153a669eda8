from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from augury.errors import CheckFailed, DataError, UsageError
from augury.targets.folds import assert_folds, k_folds, leave_one_group_out
from augury.traces.trace import Trace

GROUPS = [f"g{n % 23}" for n in range(92)]
EVENTS = [int(group[1:]) for group in GROUPS]
TRACES = [
    Trace(id=f"t{n}", group=group, prompt="", completion=f"text {n}")
    for n, group in enumerate(GROUPS)
]


def test_every_group_is_test_once_and_validation_once() -> None:
    folds = k_folds(GROUPS, EVENTS, k=5, seed=0)
    for side in ("test", "validation"):
        counts = Counter(group for fold in folds for group in getattr(fold, side))
        assert set(counts) == set(GROUPS) and set(counts.values()) == {1}
    for fold in folds:
        assert fold.train | fold.validation | fold.test == set(GROUPS)
    assert_folds(TRACES, folds)


def test_folds_are_alike_in_events_and_drawn_by_the_seed() -> None:
    folds = k_folds(GROUPS, EVENTS, k=5, seed=0)
    events = [sum(int(group[1:]) for group in fold.test) for fold in folds]
    # A deal that ignores events is off by more than 25 in most draws.
    assert max(events) - min(events) <= 23
    assert folds == k_folds(GROUPS, EVENTS, k=5, seed=0)
    assert folds != k_folds(GROUPS, EVENTS, k=5, seed=1)


def test_leaving_one_group_out_rotates_validation_over_all_groups() -> None:
    # Taking the smallest remaining names validates on nearly the same groups every time.
    folds = leave_one_group_out(GROUPS, validation=3, seed=0)
    assert sorted(group for fold in folds for group in fold.test) == sorted(set(GROUPS))
    counts = Counter(group for fold in folds for group in fold.validation)
    assert set(counts.values()) == {3} and set(counts) == set(GROUPS)
    assert_folds(TRACES, folds)


def test_the_same_text_in_two_groups_is_refused_in_some_fold() -> None:
    twin = replace(TRACES[1], id="twin", completion="TEXT   0")
    with pytest.raises(DataError, match="the same text on two sides"):
        assert_folds([*TRACES, twin], k_folds(GROUPS, EVENTS, k=5, seed=0))


def test_a_group_that_is_never_tested_or_twice_is_noticed() -> None:
    folds = k_folds(GROUPS, EVENTS, k=5, seed=0)
    with pytest.raises(CheckFailed, match="never"):
        assert_folds(TRACES, folds[:4])
    with pytest.raises(CheckFailed, match="twice"):
        assert_folds(TRACES, [*folds, folds[0]])


def test_too_few_groups_and_folds() -> None:
    with pytest.raises(UsageError, match="at least 3 folds"):
        k_folds(GROUPS, EVENTS, k=2, seed=0)
    with pytest.raises(DataError, match=r"2 group\(s\)"):
        k_folds(["a", "b"], [1, 1], k=3, seed=0)
    with pytest.raises(DataError, match="at least 4"):
        leave_one_group_out(["a", "b", "c"], validation=2, seed=0)
