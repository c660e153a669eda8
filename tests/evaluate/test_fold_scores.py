"""Cells that folds put together: every row is judged, at thresholds that other groups chose."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit

from augury.errors import DataError
from augury.evaluate.contract import judge_grid
from augury.evaluate.metrics import average_precision, brier, f1
from augury.evaluate.records import CellScores, ControlScores, FoldScores


@pytest.fixture
def cell() -> CellScores:
    """40 groups of 30 rows; the score is a true log-odds."""
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(40), 30)
    log_odds = rng.normal(-2, 2, len(groups))
    labels = rng.random(len(groups)) < expit(log_odds)
    return CellScores(
        site="resid.1",
        horizon=4,
        label="event",
        kind="point",
        labels=labels,
        scores=2 * log_odds + 1,
        groups=groups,
        traces=groups,
        split=np.full(len(groups), 2),
        baselines={"prevalence": np.zeros(len(groups))},
        folds=FoldScores(
            log_odds > -1 + groups % 2, log_odds, log_odds + rng.normal(size=len(groups))
        ),
    )


def judge(*cells: CellScores) -> list:
    return judge_grid(cells, draws=200, permutations=199, seed=0)


def test_calls_are_those_of_the_folds_and_log_odds_are_probabilities(cell: CellScores) -> None:
    (found,) = judge(cell)
    assert cell.folds is not None
    called = cell.folds.called.astype(float)
    assert found.f1 == f1(cell.labels, called, threshold=0.5)
    assert found.f1 != f1(cell.labels, cell.scores, threshold=0.0)
    assert found.threshold.value is None and "per fold" in found.threshold.reason
    assert found.f1_interval is not None
    assert found.f1_interval.low < found.f1.value < found.f1_interval.high
    assert found.brier == brier(cell.labels, expit(cell.folds.log_odds))
    assert found.calibration_error.value < 0.05
    assert found.test.rows == 1200 and found.train.rows == 0
    assert found.verdict == "predictive beyond baselines"


def test_what_ranks_sites_is_not_what_is_reported(cell: CellScores) -> None:
    (found,) = judge(cell)
    assert cell.folds is not None
    ranked = average_precision(cell.labels, cell.folds.validated)
    assert found.validation.average_precision == ranked
    assert found.validation.average_precision != found.average_precision


def test_a_column_that_no_fold_could_settle_is_insufficient(cell: CellScores) -> None:
    nothing = np.zeros(len(cell.labels))
    folds = FoldScores(nothing.astype(bool), nothing, nothing)
    (found,) = judge(replace(cell, scores=nothing, folds=folds))
    assert found.verdict == "insufficient data" and "same score" in found.why
    assert found.average_precision.value is None and found.brier.value is None


def test_folds_that_leave_rows_out_are_refused(cell: CellScores) -> None:
    split = np.where(cell.groups < 5, 1, 2)
    with pytest.raises(DataError, match="all of them test rows"):
        judge(replace(cell, split=split))


def test_selectivity_is_of_the_rows_that_both_were_tested_on(cell: CellScores) -> None:
    rng = np.random.default_rng(1)
    rows = np.flatnonzero(cell.groups < 20)
    labels = rng.random(len(rows)) < 0.3
    for strength, sign in ((0.0, 1), (50.0, -1)):
        scores = strength * labels + rng.normal(size=len(rows))
        (found,) = judge(replace(cell, control=ControlScores(rows, labels, scores)))
        assert found.selectivity is not None and found.selectivity.interval is not None
        assert np.sign(found.selectivity.difference.value) == sign
        inside = found.selectivity.interval
        assert inside.low < found.selectivity.difference.value < inside.high
        assert np.sign(inside.low) == np.sign(inside.high) == sign
        assert inside.n_groups <= 20


def test_a_control_task_tested_on_other_rows_is_refused(cell: CellScores) -> None:
    labels = np.arange(60) < 20
    control = ControlScores(np.arange(60), labels, np.zeros(60))
    split = np.where(cell.groups < 1, 1, 2)
    with pytest.raises(DataError, match="no test row"):
        judge(replace(cell, split=split, folds=None, control=control))
    twice = replace(control, rows=np.repeat(np.arange(30), 2))
    with pytest.raises(DataError, match="each row once"):
        judge(replace(cell, control=twice))


def test_the_bins_of_reliability_give_the_calibration_error(cell: CellScores) -> None:
    (found,) = judge(cell)
    rows = np.array([each.rows for each in found.reliability])
    gaps = np.array([abs(each.stated - each.observed) for each in found.reliability])
    assert rows.sum() == found.test.rows
    assert (gaps * rows).sum() / rows.sum() == pytest.approx(found.calibration_error.value)
