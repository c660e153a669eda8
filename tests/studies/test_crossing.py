"""Fold by fold: a group never has a say in its own score, and folds come to one scale."""

from __future__ import annotations

import numpy as np
import pytest

from augury.errors import DataError
from augury.evaluate.metrics import average_precision
from augury.studies.crossing import Crossed, quantile_log_odds
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
    for name in ("scores", "log_odds", "called"):
        first, second = getattr(before, name), getattr(after, name)
        np.testing.assert_array_equal(first[tested], second[tested], err_msg=name)
    # they validate the last fold, and move what it chooses for the groups that it tests
    assert (side[4][tested] == 1).all()
    last = side[4] == 2
    assert (before.log_odds[last] != after.log_odds[last]).all()
    np.testing.assert_array_equal(before.scores, after.scores)


def test_unused_rows_choose_nothing() -> None:
    labels, use, side, raw = world()
    use[::3] = False
    before = crossed(labels, use, side, raw)
    after = crossed(np.where(use, labels, ~labels), use, side, raw)
    for name in ("scores", "log_odds", "called"):
        np.testing.assert_array_equal(getattr(before, name), getattr(after, name), err_msg=name)


def test_folds_of_unlike_scales_become_comparable() -> None:
    labels, use, side, raw = world()
    found = crossed(labels, use, side, raw)
    for scores in (found.scores, found.log_odds):
        medians = [np.median(scores[side[fold] == 2], axis=0) for fold in range(5)]
        assert np.ptp(medians, axis=0).max() < 1
    rate = [found.called[side[fold] == 2].mean() for fold in range(5)]
    assert min(rate) > 0.1 and max(rate) < 0.7
    first = side[0] == 2
    slope, intercept, threshold = found.settled[0, 0]
    again = slope * raw[0][first, 0].astype(float) + intercept
    np.testing.assert_allclose(found.log_odds[first, 0], again, rtol=1e-6)
    np.testing.assert_array_equal(found.called[first, 0], raw[0][first, 0] >= threshold)


def test_folds_together_rank_as_well_as_each_by_itself_even_with_long_tails() -> None:
    """Log-odds of a linear calibration do not: a few far scores decide each fold's slope."""
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(100), 60)
    truth = rng.random((6000, 1)) < 0.03
    side = np.stack([np.array([2, 1, 0, 0, 0])[(groups - fold) % 5] for fold in range(5)])
    good = np.where(truth, rng.normal(2.5, 1, truth.shape), rng.normal(0, 1, truth.shape))
    raw = []
    for fold in range(5):
        tail = (rng.random(truth.shape) < 0.02 * fold) * rng.exponential(40, truth.shape)
        raw.append((good - tail).astype(np.float32))
    found = crossed(truth, np.ones_like(truth), side, raw)
    alone = [
        average_precision(truth[side[f] == 2, 0], raw[f][side[f] == 2, 0].astype(float)).value
        for f in range(5)
    ]
    together = average_precision(truth[:, 0], found.scores[:, 0].astype(float)).value
    linear = average_precision(truth[:, 0], found.log_odds[:, 0].astype(float)).value
    assert together > np.mean(alone) - 0.01 > linear


def test_the_place_among_references_follows_no_monotone_curve_and_goes_on_beyond_them() -> None:
    rng = np.random.default_rng(1)
    reference, scores = rng.normal(size=500), np.sort(rng.normal(size=300) * 1.5)
    plain = quantile_log_odds(scores, reference)
    assert (np.diff(plain) > 0).all()
    assert scores[-1] > reference.max() and scores[0] < reference.min()
    inside = (scores > reference.min()) & (scores < reference.max())
    curved = quantile_log_odds(np.exp(scores), np.exp(reference))
    np.testing.assert_allclose(curved[inside], plain[inside], atol=0.15)
    at = np.searchsorted(np.sort(reference), scores[inside])
    np.testing.assert_allclose(plain[inside], np.log((at + 0.5) / (500.5 - at)), atol=0.45)
    assert quantile_log_odds(np.array([3.0, 3.0]), np.full(7, 3.0)).tolist() == [0.0, 0.0]


def test_a_column_that_one_fold_cannot_settle_is_cleared_whole() -> None:
    labels, use, side, raw = world()
    labels[side[2] == 1, 1] = False
    found = crossed(labels, use, side, raw)
    assert not found.scores[:, 1].any() and not found.called[:, 1].any()
    assert found.scores[:, 0].any()


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
