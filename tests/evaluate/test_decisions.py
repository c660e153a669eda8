from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, cohen_kappa_score, confusion_matrix

from augury.evaluate.decisions import agreement, best_balanced_threshold, decide


def rows(seed: int = 0, count: int = 4000) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = rng.random(count) < 0.05
    return labels, (labels + rng.normal(size=count)).astype(np.float32), rng.integers(0, 30, count)


def test_counts_and_balanced_accuracy_are_those_of_scikit_learn() -> None:
    labels, scores, groups = rows()
    made = decide(labels, scores, groups, threshold=0.4)
    tn, fp, fn, tp = confusion_matrix(labels, scores >= 0.4).ravel()
    assert (made.true_positives, made.false_positives) == (tp, fp)
    assert (made.true_negatives, made.false_negatives) == (tn, fn)
    wanted = balanced_accuracy_score(labels, scores >= 0.4)
    assert made.balanced_accuracy.value == pytest.approx(wanted, abs=1e-12)
    assert made.recall == tp / (tp + fn) and made.specificity == tn / (tn + fp)


def test_the_interval_rests_on_groups_not_on_rows() -> None:
    """Every row ten times over is no new evidence."""
    labels, scores, groups = rows()
    once = decide(labels, scores, groups, threshold=0.4).interval
    many = [np.repeat(each, 10) for each in (labels, scores, groups)]
    again = decide(*many, threshold=0.4).interval
    assert once is not None and again is not None and once == again
    assert (
        once.low < decide(labels, scores, groups, threshold=0.4).balanced_accuracy.value < once.high
    )
    assert decide(labels, scores, groups % 9, threshold=0.4).interval is None


def test_the_threshold_is_the_best_of_all_that_could_be_chosen() -> None:
    labels, scores, _ = rows(1, 400)
    found = best_balanced_threshold(labels, scores).value
    best = max(balanced_accuracy_score(labels, scores >= each) for each in scores)
    assert found is not None
    assert balanced_accuracy_score(labels, scores >= found) == pytest.approx(best)


def test_one_class_leaves_no_number() -> None:
    labels, scores, groups = rows()
    assert best_balanced_threshold(np.zeros_like(labels), scores).value is None
    made = decide(np.zeros_like(labels), scores, groups, threshold=0.0)
    assert made.balanced_accuracy.value is None and made.interval is None


def test_kappa_is_that_of_scikit_learn_and_chance_is_zero() -> None:
    labels, scores, groups = rows()
    found = agreement(labels, scores > 0.5, groups)
    assert found.kappa.value == pytest.approx(cohen_kappa_score(labels, scores > 0.5), abs=1e-12)
    assert agreement(labels, labels, groups).kappa.value == 1
    rng = np.random.default_rng(3)
    chance = agreement(rng.random(4000) < 0.3, rng.random(4000) < 0.3, groups)
    assert chance.interval is not None and chance.interval.low < 0 < chance.interval.high
    assert agreement(np.ones(9, bool), np.ones(9, bool), np.arange(9)).kappa.value is None
