from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from augury.errors import UsageError
from augury.evaluate.counts import GroupCounts
from augury.evaluate.intervals import group_draws
from augury.evaluate.metrics import auroc, average_precision


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([3, 30, 10_000]))
def test_matrix_products_equal_scikit_learn_on_the_repeated_rows(seed: int, distinct: int) -> None:
    rng = np.random.default_rng(seed)
    groups = np.sort(rng.integers(0, 6, 120))
    labels, scores = rng.random(120) < 0.3, rng.integers(0, distinct, 120).astype(float)
    labels[:2] = True, False
    draws = group_draws(6, 4, seed)
    counts = GroupCounts.build(labels, scores, groups, n_groups=6)
    for draw, ap, area in zip(
        draws, counts.average_precision(draws), counts.auroc(draws), strict=True
    ):
        times = draw[groups]
        repeated = np.repeat(labels, times), np.repeat(scores, times)
        if len(np.unique(repeated[0])) < 2:
            continue
        assert ap == pytest.approx(average_precision_score(*repeated), abs=1e-6)
        assert area == pytest.approx(roc_auc_score(*repeated), abs=1e-9)


def test_draws_without_positives_are_nan_and_not_zero() -> None:
    labels, groups = np.array([True, False, False]), np.array([0, 0, 1])
    counts = GroupCounts.build(labels, np.arange(3.0), groups)
    assert np.isnan(counts.average_precision(np.array([[0, 2]]))).all()
    assert np.isnan(counts.auroc(np.array([[0, 2]]))).all()
    nothing = GroupCounts.build(np.zeros(2, bool), np.zeros(2), np.array([0, 1]))
    assert np.isnan(nothing.average_precision(np.ones((1, 2)))).all()
    assert np.isnan(nothing.auroc(np.ones((1, 2)))).all()


def test_quantile_edges_change_the_scores_by_less_than_a_thousandth() -> None:
    rng = np.random.default_rng(0)
    labels = rng.random(9000) < 0.3
    scores, groups = rng.normal(size=9000) + labels, np.arange(9000) // 100
    plain = np.ones((1, 90))
    capped = GroupCounts.build(labels, scores, groups, max_edges=1024)
    assert capped.hits.shape[1] <= 1024
    exact = average_precision(labels, scores).value, auroc(labels, scores).value
    assert capped.average_precision(plain)[0] == pytest.approx(exact[0], abs=1e-3)
    assert capped.auroc(plain)[0] == pytest.approx(exact[1], abs=1e-6)


def test_groups_outside_the_stated_number_are_refused() -> None:
    labels, scores = np.array([True, False]), np.zeros(2)
    with pytest.raises(UsageError, match="expected numbers from 0 to 0"):
        GroupCounts.build(labels, scores, np.array([0, 1]), n_groups=1)
    with pytest.raises(UsageError, match="groups -1"):
        GroupCounts.build(labels, scores, np.array([0, -1]))
