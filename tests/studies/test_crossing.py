"""Fold by fold: a group never has a say in its own score, and folds come to one scale."""

from __future__ import annotations

import numpy as np
import pytest

from augury.errors import DataError
from augury.studies.crossing import Crossed, log_odds
from augury.studies.splitting import SplitConfig, deal, read_split, sides, write_split
from augury.traces.trace import Span, Trace

GROUPS = np.repeat(np.arange(30), 20)


def world(seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[np.ndarray]]:
    """Labels, use, sides, and raw scores of each fold's models, on scales of their own."""
    rng = np.random.default_rng(seed)
    labels = rng.random((600, 2)) < 0.3
    side = np.stack([np.array([2, 1, 0, 0, 0])[(GROUPS - fold) % 5] for fold in range(5)])
    raw = [
        (10.0**fold * (labels * 2 + rng.normal(size=labels.shape)) - fold).astype(np.float32)
        for fold in range(5)
    ]
    return labels, np.ones_like(labels), side, raw


def crossed(labels: np.ndarray, use: np.ndarray, side: np.ndarray, raw: list) -> Crossed:
    found = Crossed(labels, use, side)
    for fold, scores in enumerate(raw):
        found.add(fold, scores)
    found.close()
    return found


def test_labels_of_a_group_do_not_move_its_own_scores_or_calls() -> None:
    labels, use, side, raw = world()
    before = crossed(labels, use, side, raw)
    tested = side[0] == 2
    flipped = np.where(tested[:, None], ~labels, labels)
    after = crossed(flipped, use, side, raw)
    np.testing.assert_array_equal(before.log_odds[tested], after.log_odds[tested])
    np.testing.assert_array_equal(before.called[tested], after.called[tested])
    # they validate the last fold, and move what it chooses for the groups that it tests
    assert (side[4][tested] == 1).all()
    last = side[4] == 2
    assert (before.log_odds[last] != after.log_odds[last]).all()


def test_unused_rows_choose_nothing() -> None:
    labels, use, side, raw = world()
    use[::3] = False
    before = crossed(labels, use, side, raw)
    after = crossed(np.where(use, labels, ~labels), use, side, raw)
    np.testing.assert_array_equal(before.log_odds, after.log_odds)


def test_folds_of_unlike_scales_become_comparable() -> None:
    labels, use, side, raw = world()
    found = crossed(labels, use, side, raw)
    medians = [np.median(found.log_odds[side[fold] == 2], axis=0) for fold in range(5)]
    assert np.ptp(medians, axis=0).max() < 1
    rate = [found.called[side[fold] == 2].mean() for fold in range(5)]
    assert min(rate) > 0.1 and max(rate) < 0.7
    first = side[0] == 2
    again = log_odds(raw[0][first, 0], found.settled[0, 0])
    np.testing.assert_array_equal(again, found.log_odds[first, 0])


def test_a_column_that_one_fold_cannot_settle_is_cleared_whole() -> None:
    labels, use, side, raw = world()
    labels[side[2] == 1, 1] = False
    found = crossed(labels, use, side, raw)
    assert not found.log_odds[:, 1].any() and not found.called[:, 1].any()
    assert found.log_odds[:, 0].all()


def chains(count: int) -> list[Trace]:
    return [
        Trace(
            id=f"c{n}",
            group=f"g{n // 2}",
            prompt="",
            completion=f"chain {n} waits",
            spans=(Span(0, 5, "event", "test"),) * (n % 3),
        )
        for n in range(count)
    ]


def test_folds_test_every_group_once_and_are_read_back(tmp_path) -> None:
    traces = chains(40)
    groups = sorted({trace.group for trace in traces})
    for config in (SplitConfig(kind="folds", folds=4), SplitConfig(kind="leave-one-group-out")):
        dealt = deal(traces, ["event"], config)
        assert len(dealt) == (4 if config.kind == "folds" else 20)
        write_split(tmp_path / "split.json", dealt)
        assert read_split(tmp_path / "split.json") == dealt
        side = sides(dealt, groups)
        assert ((side == 2).sum(axis=0) == 1).all()
        assert (side == 1).any(axis=0).all() and (side == 0).any(axis=0).all()
    alone = deal(traces, ["event"], SplitConfig(kind="leave-one-group-out"))
    assert all(len(split.test) == 1 and len(split.validation) == 4 for split in alone)


def test_too_many_groups_to_leave_out_one_by_one_is_an_error_with_a_way_out() -> None:
    with pytest.raises(DataError, match=r"150 groups.*split\.kind=folds"):
        deal(chains(300), ["event"], SplitConfig(kind="leave-one-group-out"))
