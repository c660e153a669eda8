from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.metrics import r2_score

from augury.evaluate.rank_metrics import (
    GroupSpearman,
    NumberRows,
    Spearman,
    r_squared,
    top_recall,
)


@pytest.fixture
def rows() -> NumberRows:
    """Nine groups of 8 rows with many ties, and a tenth of two rows."""
    rng = np.random.default_rng(0)
    groups = np.append(np.repeat(np.arange(9), 8), [9, 9])
    values = rng.integers(0, 5, 74) + 3.0 * groups
    scores = np.round(values + rng.normal(size=74) * 2 - 6 * groups)
    return NumberRows(values, scores, groups, groups)


def test_values_are_those_of_scipy_ties_included(rows: NumberRows) -> None:
    assert Spearman().value(rows).value == pytest.approx(spearmanr(rows.values, rows.scores)[0])
    within = [
        spearmanr(rows.values[rows.groups == g], rows.scores[rows.groups == g])[0] for g in range(9)
    ]
    # The two differ in sign: groups are ordered against the scores, rows within them with them.
    assert GroupSpearman().value(rows).value == pytest.approx(np.mean(within))
    assert Spearman().value(rows).value < 0 < GroupSpearman().value(rows).value


@pytest.mark.parametrize("metric", [Spearman(), GroupSpearman()])
def test_a_draw_is_the_value_of_the_rows_repeated(metric, rows: NumberRows) -> None:
    weights = np.random.default_rng(1).multinomial(10, np.full(10, 0.1), size=20)
    for weight, drawn in zip(weights, metric.draws(rows, weights), strict=True):
        if isinstance(metric, GroupSpearman):
            per_group = [
                metric.value(NumberRows(*(a[rows.groups == g] for a in _parts(rows)))).value
                for g in range(9)
            ]
            expected = np.average(per_group, weights=weight[:9])
        else:
            at = np.repeat(np.arange(74), weight[rows.groups])
            expected = spearmanr(rows.values[at], rows.scores[at])[0]
        assert drawn == pytest.approx(expected, abs=1e-12)


def _parts(rows: NumberRows) -> tuple[np.ndarray, ...]:
    return rows.values, rows.scores, rows.groups, rows.traces


@pytest.mark.parametrize("metric", [Spearman(), GroupSpearman()])
def test_the_null_is_the_value_after_reordering(metric, rows: NumberRows) -> None:
    rng = np.random.default_rng(2)
    order = np.stack(
        [np.concatenate([rng.permutation(8) + 8 * g for g in range(9)] + [[73, 72]])] * 2
    )
    order[1] = np.arange(74)
    found = metric.null(rows, order)
    moved = NumberRows(rows.values[order[0]], rows.scores, rows.groups, rows.traces)
    assert found[0] == pytest.approx(metric.value(moved).value, abs=1e-12)
    assert found[1] == pytest.approx(metric.value(rows).value, abs=1e-12)


def test_a_constant_score_counts_zero_and_constant_values_are_undefined(rows: NumberRows) -> None:
    flat = NumberRows(rows.values, np.ones(74), rows.groups, rows.traces)
    weights = np.ones((1, 10), dtype=int)
    for metric in (Spearman(), GroupSpearman()):
        assert metric.value(flat).value == 0
        assert metric.draws(flat, weights)[0] == 0
        none = NumberRows(np.ones(74), rows.scores, rows.groups, rows.traces)
        assert metric.value(none).value is None


def test_r_squared_is_that_of_sklearn(rows: NumberRows) -> None:
    expected = r2_score(rows.values, rows.scores)
    assert r_squared(rows.values, rows.scores).value == pytest.approx(expected)


def test_top_recall_breaks_ties_by_lot_and_not_by_the_order_of_rows() -> None:
    values, groups = np.arange(20.0), np.zeros(20, int)
    assert top_recall(values, values, groups).value == 1
    assert top_recall(values, -values, groups).value == 0
    # Two places for 20 tied rows: each top value is found with probability 1 / 10.
    assert top_recall(values, np.zeros(20), groups).value == pytest.approx(0.1)
    assert top_recall(values[::-1], np.zeros(20), groups).value == pytest.approx(0.1)
    two = np.repeat([0, 1], 10)
    score = np.where(two == 0, values, -values)
    assert top_recall(values, score, two).value == 0.5
