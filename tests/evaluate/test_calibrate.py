from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize

from augury.evaluate.calibrate import Platt, fit_platt


def _rows(seed: int, slope: float) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=4000)
    return rng.random(4000) < 1 / (1 + np.exp(-(slope * scores - 2))), scores


def test_platt_reaches_the_optimum_of_its_smoothed_likelihood() -> None:
    labels, scores = _rows(0, 1.5)
    n_pos, n_neg = labels.sum(), (~labels).sum()
    target = np.where(labels, (n_pos + 1) / (n_pos + 2), 1 / (n_neg + 2))

    def loss(at: np.ndarray) -> float:
        logit = at[0] * scores + at[1]
        return float(np.mean(np.logaddexp(0, logit) - target * logit))

    best = minimize(loss, np.zeros(2), tol=1e-12).x
    found = fit_platt(labels, scores)
    np.testing.assert_allclose([found.slope, found.intercept], best, atol=1e-4)
    assert found.slope == pytest.approx(1.5, abs=0.2)


def test_platt_gives_the_same_probabilities_whatever_the_scale_of_the_scores() -> None:
    labels, scores = _rows(1, -0.7)
    plain = fit_platt(labels, scores).probability(scores)
    moved = 1e4 + 250 * scores
    np.testing.assert_allclose(fit_platt(labels, moved).probability(moved), plain, atol=1e-6)


def test_platt_does_not_depend_on_the_order_of_the_rows() -> None:
    # Stopping when the loss no longer falls leaves a slope that is right to six digits only.
    for seed in range(8):
        labels, scores = _rows(seed, 0.8)
        there, back = fit_platt(labels, scores), fit_platt(labels[::-1], scores[::-1])
        assert back.slope == pytest.approx(there.slope, rel=1e-12)
        assert back.intercept == pytest.approx(there.intercept, rel=1e-12)


def test_separable_scores_keep_a_finite_slope() -> None:
    labels = np.arange(40) >= 20
    found = fit_platt(labels, np.arange(40.0))
    assert np.isfinite([found.slope, found.intercept]).all()
    assert found.slope > 0


def test_a_constant_score_is_calibrated_to_the_prevalence() -> None:
    labels = np.arange(1000) < 100
    p = fit_platt(labels, np.full(1000, 5.0)).probability(np.full(3, 5.0))
    np.testing.assert_allclose(p, 0.1, atol=2e-3)


def test_one_class_cannot_be_calibrated() -> None:
    assert fit_platt(np.zeros(9, bool), np.arange(9.0)) is None
    assert Platt(1.0, 0.0).probability(np.array([0.0]))[0] == 0.5
