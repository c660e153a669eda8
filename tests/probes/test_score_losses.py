"""Slopes are those of finite differences, and losses those of their textbook formulas."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit

from augury.probes.score_losses import HuberLoss, OrdinalLoss, PairLoss, ScoreLoss, SoftmaxLoss

RNG = np.random.default_rng(0)
ROWS = 12
LEVELS = np.arange(ROWS) % 4
WEIGHTS = RNG.uniform(0.2, 3, ROWS)
LOSSES: tuple[ScoreLoss, ...] = (
    HuberLoss(RNG.standard_t(1.5, ROWS) + 3, WEIGHTS),
    SoftmaxLoss(LEVELS, WEIGHTS),
    OrdinalLoss(LEVELS, WEIGHTS),
    PairLoss(RNG.integers(0, 3, ROWS).astype(float), np.arange(ROWS) % 2),
)


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: type(loss).__name__)
def test_slopes_are_those_of_finite_differences(loss: ScoreLoss) -> None:
    scores = RNG.normal(size=(ROWS, loss.outputs))
    extra = 0.1 * np.arange(loss.extra)
    found, step = loss.at(scores, extra), 1e-6
    for slopes, array in ((found.scores, scores), (found.extra, extra)):
        for place in np.ndindex(array.shape):
            kept = array[place]
            array[place] = kept + step
            above = loss.at(scores, extra).loss
            array[place] = kept - step
            below = loss.at(scores, extra).loss
            array[place] = kept
            assert slopes[place] == pytest.approx((above - below) / (2 * step), abs=1e-7)


def test_ordinal_is_the_likelihood_of_proportional_odds() -> None:
    loss, scores = LOSSES[2], RNG.normal(size=(ROWS, 1))
    assert isinstance(loss, OrdinalLoss)
    above = expit(scores - loss.start)
    ends = np.ones((ROWS, 1)), np.zeros((ROWS, 1))
    likelihood = -np.diff(np.hstack([ends[0], above, ends[1]]))[np.arange(ROWS), LEVELS]
    expected = -WEIGHTS @ np.log(likelihood) / WEIGHTS.sum()
    assert loss.at(scores, np.zeros(3)).loss == pytest.approx(expected)


def test_ordinal_refuses_thresholds_out_of_order_and_survives_far_scores() -> None:
    loss = LOSSES[2]
    assert loss.at(np.zeros((ROWS, 1)), np.array([9.0, 0, 0])).loss == np.inf
    far = loss.at(np.full((ROWS, 1), 800.0), np.zeros(3))
    assert np.isfinite(far.loss) and np.isfinite(far.scores).all() and np.isfinite(far.extra).all()


def test_intercepts_start_at_the_optimum_without_features() -> None:
    for loss in LOSSES[1:3]:
        assert (
            np.abs(loss.at(np.zeros((ROWS, loss.outputs)), np.zeros(loss.extra)).extra).max()
            < 1e-12
        )


def test_pairs_count_only_within_a_group() -> None:
    values, groups = np.array([0.0, 1, 5, 4]), np.array([0, 0, 1, 1])
    found = PairLoss(values, groups).at(np.array([[0.0], [2], [10], [7]]), np.zeros(0))
    assert found.loss == pytest.approx(np.mean(np.log1p(np.exp([-2.0, -3.0]))))
