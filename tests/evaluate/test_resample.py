from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from augury.evaluate import resample
from augury.evaluate.cells import SplitRows
from augury.evaluate.metrics import auroc, average_precision, f1
from augury.evaluate.resample import Resampler


def _rows(seed: int, n: int = 600) -> SplitRows:
    rng = np.random.default_rng(seed)
    labels = rng.random(n) < 0.2
    return SplitRows(labels, rng.normal(size=n) + labels, np.arange(n) // 20 + 7, np.arange(n))


def test_equal_rows_are_counted_once_and_any_difference_counts_again(monkeypatch) -> None:
    built = []
    original = resample.GroupCounts.build
    monkeypatch.setattr(
        resample.GroupCounts, "build", lambda *a, **k: built.append(1) or original(*a, **k)
    )
    rows = _rows(0)
    resampler = Resampler([rows.groups], draws=20, seed=0)
    resampler.of(rows)
    resampler.of(replace(rows, scores=rows.scores.copy()))
    assert len(built) == 1
    resampler.of(replace(rows, scores=rows.scores + (np.arange(600) == 3)))
    resampler.of(replace(rows, labels=~rows.labels))
    resampler.of(replace(rows, groups=rows.groups[::-1].copy()))
    assert len(built) == 4


def test_draws_spread_around_the_score_of_the_rows_as_they_are() -> None:
    rows = _rows(1)
    found = Resampler([rows.groups], draws=400, seed=0).of(rows)
    for score, draws in ((found.ap, found.ap_draws), (found.auroc, found.auroc_draws)):
        assert abs(draws.mean() - score.value) < draws.std() / 2
        assert draws.std() > 0


def test_f1_draws_equal_f1_of_the_repeated_rows() -> None:
    rows = _rows(2, n=60)
    resampler = Resampler([rows.groups], draws=10, seed=3)
    at_a_score = float(np.sort(rows.scores[rows.labels])[3])
    draws = resampler.f1(rows, threshold=at_a_score)
    for weights, value in zip(resampler._weights, draws, strict=True):
        at = np.repeat(np.arange(60), weights[rows.groups - 7])
        assert value == pytest.approx(
            f1(rows.labels[at], rows.scores[at], threshold=at_a_score).value
        )


def test_scores_without_a_group_are_those_of_the_other_groups() -> None:
    rows = _rows(1)
    found = Resampler([rows.groups], draws=2, seed=0).of(rows)
    for number, group in enumerate(np.unique(rows.groups)):
        kept = rows.groups != group
        ap = average_precision(rows.labels[kept], rows.scores[kept]).value
        area = auroc(rows.labels[kept], rows.scores[kept]).value
        assert found.ap_left[number] == pytest.approx(ap, abs=1e-5)
        assert found.auroc_left[number] == pytest.approx(area)
