from __future__ import annotations

import numpy as np
import pytest

from augury.errors import DataError
from augury.evaluate.contract import judge_grid
from augury.evaluate.cross_fit import cross_fit
from augury.evaluate.metrics import auroc
from augury.evaluate.records import CellScores

GROUPS = np.repeat(np.arange(40), 12)
FOLDS = GROUPS % 5


def _labels(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random(480) < 0.25


def test_no_row_is_scored_by_what_saw_its_group() -> None:
    labels, seen = _labels(), []

    def memorise(train: np.ndarray, _: int) -> np.ndarray:
        """Knows every label of the groups that it was trained on, and guesses the others."""
        seen.append(train)
        known = np.isin(GROUPS, GROUPS[train])
        return np.where(known, labels * 2.0, np.sin(np.arange(480)))

    found = cross_fit(memorise, labels, GROUPS, FOLDS)
    # With folds dealt by row, or the model of all rows, this is 1.
    assert abs(auroc(labels, found.scores).value - 0.5) < 0.1
    for train in seen:
        assert len(np.intersect1d(GROUPS[train], GROUPS[~train])) == 0
    np.testing.assert_array_equal(found.fold, FOLDS)


def test_a_candidate_is_never_chosen_by_the_fold_that_it_is_tested_on() -> None:
    # 150 scores that know nothing: the one that is best on its own test fold looks good.
    labels = _labels()
    noise = np.random.default_rng(1).normal(size=(150, 480))
    found = cross_fit(lambda _, n: noise[n], labels, GROUPS, FOLDS, candidates=150)
    chosen_on_test = np.empty(480)
    for fold in range(5):
        at = FOLDS == fold
        best = max(range(150), key=lambda n, at=at: auroc(labels[at], noise[n, at]).value)
        chosen_on_test[at] = noise[best, at]
    assert auroc(labels, chosen_on_test).value > 0.6
    assert abs(auroc(labels, found.scores).value - 0.5) < 0.08


def test_the_best_candidate_is_chosen_and_folds_are_brought_to_one_scale() -> None:
    labels = _labels()
    signal = labels * 2 + np.random.default_rng(2).normal(size=480)

    def fit(train: np.ndarray, candidate: int) -> np.ndarray:
        """Candidate 1 knows the truth, on a scale that depends on the rows it was trained on."""
        scale = 1 + int(np.flatnonzero(train)[0] == 0) * 40
        return scale * (signal if candidate == 1 else np.cos(np.arange(480.0))) + scale

    found = cross_fit(fit, labels, GROUPS, FOLDS, candidates=2)
    assert found.candidates == (1,) * 5
    assert auroc(labels, found.scores).value > auroc(labels, signal).value - 0.03
    hit = np.count_nonzero(found.called & labels)
    assert 2 * hit / (found.called.sum() + labels.sum()) > 0.6


def test_cross_fitted_scores_are_judged_as_test_rows() -> None:
    labels = _labels()
    signal = labels * 2 + np.random.default_rng(2).normal(size=480)
    found = cross_fit(lambda *_: signal, labels, GROUPS, FOLDS)
    base = cross_fit(lambda *_: np.cos(np.arange(480.0)), labels, GROUPS, FOLDS)
    test = np.full(480, 2)
    cell = CellScores(
        "s", 0, "x", "row", labels, found.scores, GROUPS, GROUPS, test, {"text": base.scores}
    )
    (result,) = judge_grid([cell], draws=200, permutations=199, seed=0)
    assert result.verdict == "predictive beyond baselines" and result.test.groups == 40


def test_a_group_in_two_folds_and_folds_of_one_class_are_refused() -> None:
    labels = _labels()
    with pytest.raises(DataError, match="group 0: in two folds"):
        cross_fit(lambda *_: np.zeros(480), labels, GROUPS, np.arange(480) % 5)
    with pytest.raises(DataError, match="one class"):
        cross_fit(lambda *_: np.zeros(480), labels & (FOLDS == 0), GROUPS, FOLDS)
    with pytest.raises(DataError, match="at least 50"):
        cross_fit(lambda *_: np.zeros(480), labels, GROUPS, FOLDS, inner=50)
