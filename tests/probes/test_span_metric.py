"""The number that chooses is the one that the docstring names."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.metrics import average_precision_score

from augury.probes.span_metric import validation_metric
from augury.probes.span_task import SpanTask, TargetKind
from augury.probes.spans import rows_as_spans

RNG = np.random.default_rng(0)
GROUPS = np.repeat(np.arange(6), 10)
SCORES = RNG.normal(size=(30, 3))


def task(target: TargetKind, values: np.ndarray) -> SpanTask:
    spans = rows_as_spans(np.zeros((60, 1), np.float32))
    return SpanTask(spans, target, values, GROUPS, GROUPS < 3, GROUPS >= 3)


def test_binary_is_average_precision_of_each_member() -> None:
    values = (RNG.random(60) < 0.4).astype(float)
    expected = [average_precision_score(values[30:], SCORES[:, k]) for k in range(3)]
    np.testing.assert_allclose(validation_metric(task("binary", values), SCORES), expected)


def test_classes_are_each_against_the_others() -> None:
    values = RNG.integers(0, 3, 60)
    expected = [average_precision_score(values[30:] == k, SCORES[:, k]) for k in range(3)]
    np.testing.assert_allclose(validation_metric(task("classes", values), SCORES), expected)


def test_continuous_is_spearman_over_all_and_a_constant_orders_nothing() -> None:
    values = RNG.normal(size=60)
    scores = np.column_stack([SCORES[:, 0], np.ones(30)])
    expected = [spearmanr(values[30:], scores[:, 0]).statistic, 0]
    np.testing.assert_allclose(validation_metric(task("continuous", values), scores), expected)


def test_rank_is_within_groups_whatever_their_levels() -> None:
    within = RNG.normal(size=60)
    values = within + 100 * GROUPS
    found = validation_metric(task("rank", values), within[30:, None] - 100 * GROUPS[30:, None])
    assert found == pytest.approx([1])
