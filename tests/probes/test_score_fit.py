"""Fits reach the optimum that independent solvers reach on the same objective."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.optimize
from scipy.special import expit
from sklearn.linear_model import HuberRegressor, LogisticRegression

from augury.errors import UsageError
from augury.probes.score_fit import fit_scores
from augury.probes.score_losses import HuberLoss, OrdinalLoss, PairLoss, SoftmaxLoss

ROWS, HIDDEN = 500, 6
STRENGTHS = np.array([1e-3, 1e-1])


@pytest.fixture(scope="module")
def states() -> np.ndarray:
    rng = np.random.default_rng(0)
    mixed = rng.normal(size=(ROWS, HIDDEN)) @ rng.normal(size=(HIDDEN, HIDDEN))
    return (mixed * rng.uniform(0.1, 10, HIDDEN) + 20).astype(np.float32)


@pytest.fixture(scope="module")
def used() -> np.ndarray:
    return np.random.default_rng(1).random(ROWS) < 0.9


@pytest.fixture(scope="module")
def standard(states: np.ndarray, used: np.ndarray) -> np.ndarray:
    wide = states.astype(np.float64)
    return (wide - wide[used].mean(axis=0)) / wide[used].std(axis=0)


@pytest.fixture(scope="module")
def latent(standard: np.ndarray) -> np.ndarray:
    rng = np.random.default_rng(2)
    return standard @ rng.normal(size=HIDDEN) + rng.logistic(size=ROWS)


def standardised(weight: np.ndarray, states: np.ndarray, used: np.ndarray) -> np.ndarray:
    return weight * states[used].astype(np.float64).std(axis=0)


def test_multiclass_decides_as_scikit_learn_does(
    states: np.ndarray, standard: np.ndarray, used: np.ndarray, latent: np.ndarray
) -> None:
    classes = np.digitize(latent, [-1, 1])[used]
    weights = np.random.default_rng(3).uniform(0.5, 2, used.sum())
    loss = SoftmaxLoss(classes, weights)
    fit = fit_scores(states, used, loss, STRENGTHS, tolerance=1e-7)
    assert fit.converged.all()
    for at, l2 in enumerate(STRENGTHS):
        peer = LogisticRegression(C=1 / (l2 * weights.sum()), tol=1e-10, max_iter=10_000)
        peer.fit(standard[used], classes, sample_weight=weights)
        expected = peer.decision_function(standard)
        found = states @ fit.weight[at].T.astype(np.float64)
        found += fit.bias[at] + loss.start + fit.extra[at]
        centred = found - found.mean(axis=1, keepdims=True)
        np.testing.assert_allclose(
            centred, expected - expected.mean(axis=1, keepdims=True), atol=1e-4
        )


def test_ordinal_agrees_with_scipy_on_the_same_likelihood(
    states: np.ndarray, standard: np.ndarray, used: np.ndarray, latent: np.ndarray
) -> None:
    levels, l2 = np.digitize(latent, [-1, 0, 2])[used], 1e-2
    loss = OrdinalLoss(levels, np.ones(used.sum()))
    fit = fit_scores(states, used, loss, np.array([l2]), tolerance=1e-7)

    def negative(parameters: np.ndarray) -> float:
        gamma, theta = (
            parameters[:HIDDEN],
            np.cumsum(np.r_[parameters[HIDDEN], np.exp(parameters[HIDDEN + 1 :])]),
        )
        above = expit(standard[used] @ gamma[:, None] - theta)
        ends = np.ones((len(above), 1)), np.zeros((len(above), 1))
        every = -np.diff(np.hstack([ends[0], above, ends[1]]))
        return float(-np.log(every[np.arange(len(levels)), levels]).mean() + l2 / 2 * gamma @ gamma)

    peer = scipy.optimize.minimize(
        negative, np.zeros(HIDDEN + 3), method="BFGS", options={"gtol": 1e-7}
    )
    gamma = standardised(fit.weight[0, 0], states, used)
    np.testing.assert_allclose(gamma, peer.x[:HIDDEN], atol=1e-4)
    theta = np.cumsum(np.r_[peer.x[HIDDEN], np.exp(peer.x[HIDDEN + 1 :])])
    np.testing.assert_allclose(loss.start + fit.extra[0], theta, atol=1e-4)
    assert (np.diff(loss.start + fit.extra[0]) > 0).all()


def test_huber_agrees_with_scikit_learn_and_outliers_do_not_pull(
    states: np.ndarray, standard: np.ndarray, used: np.ndarray, latent: np.ndarray
) -> None:
    values = latent[used].copy()
    values[::17] += 200
    weights = np.random.default_rng(4).uniform(0.5, 2, used.sum())
    loss = HuberLoss(values, weights)
    fit = fit_scores(states, used, loss, STRENGTHS, tolerance=1e-7)
    for at, l2 in enumerate(STRENGTHS):
        peer = HuberRegressor(epsilon=1.35, alpha=l2 * weights.sum() / 2, tol=1e-9, max_iter=10_000)
        peer.fit(standard[used], values, sample_weight=weights)
        gamma = standardised(fit.weight[at, 0], states, used)
        np.testing.assert_allclose(gamma, peer.coef_, atol=1e-3)
        extra = fit.extra[at] + loss.start
        np.testing.assert_allclose(extra, [peer.intercept_, peer.scale_], atol=1e-3)
        # its line search ends early, so the lower of the two is the optimum
        reached, theirs = (
            loss.at(standard[used] @ point[:, None], np.array(end) - loss.start).loss
            + l2 / 2 * point @ point
            for point, end in ((gamma, extra), (peer.coef_, (peer.intercept_, peer.scale_)))
        )
        assert theirs - 1e-5 < reached < theirs + 1e-9


def test_pairs_agree_with_a_logistic_model_of_differences(
    states: np.ndarray, standard: np.ndarray, used: np.ndarray, latent: np.ndarray
) -> None:
    values, groups = latent[used], np.arange(used.sum()) // 25
    fit = fit_scores(states, used, PairLoss(values, groups), STRENGTHS, tolerance=1e-7)
    first, second = np.nonzero((values[:, None] > values) & (groups[:, None] == groups))
    rows = standard[used]
    differences = np.concatenate([rows[first] - rows[second], rows[second] - rows[first]])
    side = np.repeat([1, 0], len(first))
    for at, l2 in enumerate(STRENGTHS):
        peer = LogisticRegression(
            C=1 / (l2 * len(side)), fit_intercept=False, tol=1e-10, max_iter=10_000
        )
        peer.fit(differences, side)
        gamma = standardised(fit.weight[at, 0], states, used)
        np.testing.assert_allclose(gamma, peer.coef_[0], atol=1e-4)


def test_fewer_rows_than_features_and_constant_features_stay_finite() -> None:
    rng = np.random.default_rng(5)
    few = rng.normal(size=(8, 30)).astype(np.float32)
    few[:, 3] = 7
    loss = OrdinalLoss(np.arange(8) % 3, np.ones(8))
    fit = fit_scores(few, np.ones(8, bool), loss, STRENGTHS)
    assert fit.converged.all() and np.isfinite(fit.weight).all() and not fit.weight[..., 3].any()


def test_a_fit_without_ridge_is_refused(states: np.ndarray, used: np.ndarray) -> None:
    with pytest.raises(UsageError, match="strengths above 0"):
        fit_scores(states, used, SoftmaxLoss(np.arange(2), np.ones(2)), np.array([0.0]))
