from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference

from augury.errors import DataError
from augury.evaluate import metrics

both_classes = st.lists(
    st.tuples(st.booleans(), st.integers(-5, 5), st.integers(1, 4)), min_size=2, max_size=60
).filter(lambda rows: len({label for label, _, _ in rows}) == 2)


def _arrays(rows: list[tuple[bool, int, int]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    labels, scores, weights = zip(*rows, strict=True)
    return np.array(labels), np.array(scores, float), np.array(weights, float)


@settings(max_examples=40, deadline=None)
@given(both_classes)
def test_rank_metrics_agree_with_scikit_learn_ties_and_weights_included(rows) -> None:
    labels, scores, weights = _arrays(rows)
    for ours, theirs in (
        (metrics.average_precision, reference.average_precision_score),
        (metrics.auroc, reference.roc_auc_score),
    ):
        assert ours(labels, scores).value == pytest.approx(theirs(labels, scores), abs=1e-9)
        weighted = ours(labels, scores, weights=weights).value
        assert weighted == pytest.approx(theirs(labels, scores, sample_weight=weights), abs=1e-9)


@settings(max_examples=40, deadline=None)
@given(both_classes, st.integers(-6, 6))
def test_threshold_metrics_agree_with_scikit_learn(rows, threshold: int) -> None:
    labels, scores, _ = _arrays(rows)
    called = scores >= threshold
    for ours, theirs in (
        (metrics.f1, reference.f1_score),
        (metrics.accuracy, reference.accuracy_score),
        (metrics.balanced_accuracy, reference.balanced_accuracy_score),
    ):
        value = ours(labels, scores, threshold=threshold).value
        assert value == pytest.approx(theirs(labels, called), abs=1e-9)


@settings(max_examples=30, deadline=None)
@given(both_classes)
def test_the_chosen_threshold_beats_every_other(rows) -> None:
    labels, scores, _ = _arrays(rows)
    best = metrics.best_f1_threshold(labels, scores).value
    reached = metrics.f1(labels, scores, threshold=best).value
    others = [metrics.f1(labels, scores, threshold=t / 2).value for t in range(-12, 13)]
    assert reached >= max(others) - 1e-12


@settings(max_examples=30, deadline=None)
@given(both_classes, st.sampled_from([0.0, 0.01, 0.2, 1.0]))
def test_recall_at_a_false_positive_rate_is_read_off_the_roc_curve(rows, rate: float) -> None:
    labels, scores, _ = _arrays(rows)
    false, true, _ = reference.roc_curve(labels, scores, drop_intermediate=False)
    expected = true[false <= rate].max()
    value = metrics.recall_at_fpr(labels, scores, rate=rate).value
    assert value == pytest.approx(expected, abs=1e-9)


def test_a_constant_score_has_the_prevalence_as_its_average_precision() -> None:
    labels = np.arange(50) < 7
    assert metrics.average_precision(labels, np.full(50, 3.0)).value == pytest.approx(7 / 50)
    assert metrics.auroc(labels, np.full(50, 3.0)).value == pytest.approx(0.5)


@pytest.mark.parametrize("labels", [np.zeros(5, bool), np.zeros(0, bool)])
def test_without_a_positive_row_every_metric_is_undefined_and_says_so(labels) -> None:
    scores = np.linspace(0, 1, len(labels))
    found = [
        metrics.average_precision(labels, scores),
        metrics.auroc(labels, scores),
        metrics.recall_at_fpr(labels, scores),
        metrics.f1(labels, scores, threshold=0.5),
        metrics.balanced_accuracy(labels, scores, threshold=0.5),
        metrics.best_f1_threshold(labels, scores),
    ]
    assert [score.value for score in found] == [None] * len(found)
    assert all("no positive row" in s.reason or "no row" in s.reason for s in found)


def test_without_a_negative_row_auroc_is_undefined_but_average_precision_is_one() -> None:
    labels, scores = np.ones(4, bool), np.arange(4.0)
    assert metrics.auroc(labels, scores).reason == "no negative row"
    assert metrics.recall_at_fpr(labels, scores).reason == "no negative row"
    assert metrics.balanced_accuracy(labels, scores, threshold=0).reason == "no negative row"
    assert metrics.average_precision(labels, scores).value == 1.0


def test_f1_is_zero_and_not_undefined_when_positives_are_missed() -> None:
    assert metrics.f1(np.array([True, False]), np.zeros(2), threshold=1.0).value == 0.0


def test_brier_agrees_with_scikit_learn_and_no_rows_have_none() -> None:
    rng = np.random.default_rng(0)
    labels, p = rng.random(99) < 0.3, rng.random(99)
    expected = reference.brier_score_loss(labels, p)
    assert metrics.brier(labels, p).value == pytest.approx(expected, abs=1e-12)
    nothing = (np.zeros(0, bool), np.zeros(0))
    assert metrics.brier(*nothing).value is None
    assert metrics.expected_calibration_error(*nothing).value is None
    assert metrics.accuracy(*nothing, threshold=0).value is None


def test_calibration_error_is_the_mean_gap_over_bins_of_equal_mass() -> None:
    rng = np.random.default_rng(1)
    p = np.sort(rng.random(60))
    labels = rng.random(60) < p
    gaps = [abs(p[i : i + 20].mean() - labels[i : i + 20].mean()) / 3 for i in (0, 20, 40)]
    found = metrics.expected_calibration_error(labels, p, bins=3).value
    assert found == pytest.approx(sum(gaps), abs=1e-12)


def test_calibration_error_does_not_depend_on_the_order_of_tied_rows() -> None:
    rng = np.random.default_rng(2)
    p = rng.integers(0, 4, 200) / 4
    labels = rng.random(200) < 0.5
    values = {
        round(metrics.expected_calibration_error(labels[o], p[o]).value, 12)
        for o in (rng.permutation(200) for _ in range(5))
    }
    assert len(values) == 1


def test_true_probabilities_are_calibrated_and_shifted_ones_are_not() -> None:
    rng = np.random.default_rng(3)
    p = rng.random(20_000) * 0.7
    labels = rng.random(20_000) < p
    assert metrics.expected_calibration_error(labels, p).value < 0.02
    shifted = metrics.expected_calibration_error(labels, p + 0.25).value
    assert shifted == pytest.approx(0.25, abs=0.02)


def test_scores_that_are_no_probabilities_are_refused() -> None:
    with pytest.raises(DataError, match=r"1 of 2 outside \[0, 1\].*fit_platt"):
        metrics.brier(np.array([True, False]), np.array([0.5, 1.5]))


def test_group_average_precision_is_the_mean_over_groups_of_both_classes() -> None:
    rng = np.random.default_rng(0)
    groups, labels = rng.integers(0, 40, 400) * 3, rng.random(400) < 0.15
    scores = rng.integers(0, 6, 400).astype(np.float32)  # many ties
    values = [
        reference.average_precision_score(labels[groups == g], scores[groups == g])
        for g in np.unique(groups)
        if 0 < labels[groups == g].sum() < (groups == g).sum()
    ]
    assert 20 < len(values) < 40
    found = metrics.group_average_precision(labels, scores, groups)
    assert found.value == pytest.approx(np.mean(values), abs=1e-12)
    # Moving whole groups up and down changes the pooled value and not this one.
    moved = metrics.group_average_precision(labels, scores + 100 * groups, groups)
    assert moved.value == pytest.approx(found.value, abs=1e-12)
    assert metrics.group_average_precision(labels, scores, np.arange(400)).value is None
