from __future__ import annotations

import numpy as np
import pytest

from augury.evaluate.calibrate import fit_platt
from augury.evaluate.isotonic import fit_isotonic
from augury.evaluate.metrics import brier


def _rows(seed: int, n: int = 6000) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels, scores and true probabilities: a step that no sigmoid follows."""
    rng = np.random.default_rng(seed)
    scores = rng.uniform(-3, 3, n)
    truth = np.where(scores < -1, 0.02, np.where(scores < 2, 0.3, 0.9))
    return rng.random(n) < truth, scores, truth


def test_it_follows_a_shape_that_platt_cannot() -> None:
    labels, scores, _ = _rows(0)
    test_labels, test_scores, truth = _rows(1)
    isotonic, platt = fit_isotonic(labels, scores), fit_platt(labels, scores)
    error = brier(test_labels, isotonic.probability(test_scores)).value
    assert error < brier(test_labels, platt.probability(test_scores)).value - 0.01
    assert np.mean(np.abs(isotonic.probability(test_scores) - truth)) < 0.03


def test_it_never_falls_and_is_never_sure() -> None:
    labels, scores, _ = _rows(2, 300)
    found = fit_isotonic(labels, scores).probability(np.linspace(-9, 9, 400))
    assert (np.diff(found) >= 0).all() and found.min() > 0 and found.max() < 1


def test_on_validation_stated_and_observed_agree_in_every_step() -> None:
    labels, scores, _ = _rows(3)
    found = fit_isotonic(labels, scores).probability(scores)
    for value in np.unique(found.round(9)):
        at = np.isclose(found, value)
        if at.sum() > 100:
            assert labels[at].mean() == pytest.approx(value, abs=0.01)


def test_one_class_cannot_be_calibrated() -> None:
    assert fit_isotonic(np.ones(5, bool), np.arange(5.0)) is None
