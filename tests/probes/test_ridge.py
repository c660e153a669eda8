"""Ridge from shared moments is scikit-learn's, for every target and strength."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from augury.errors import DataError, UsageError
from augury.probes.linear import scores
from augury.probes.ridge import fit_ridge

STRENGTHS = np.array([1e-4, 1e-1, 10.0])


def data(rows: int, hidden: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    mixed = rng.normal(size=(rows, hidden)) @ rng.normal(size=(hidden, hidden))
    states = (mixed * rng.uniform(0.1, 10, hidden) + 50).astype(np.float32)
    values = states @ rng.normal(size=(hidden, 3)) * [1, 100, 0.01] + rng.normal(size=(rows, 3))
    weights = rng.uniform(0.2, 3, rows) * (rng.random(rows) < 0.8)
    return states, values, weights


@pytest.mark.parametrize(("rows", "hidden"), [(400, 12), (20, 30)])
def test_it_is_the_optimum_of_scikit_learn_with_weights(rows: int, hidden: int) -> None:
    states, values, weights = data(rows, hidden)
    used = weights > 0
    mean, deviation = states[used].mean(axis=0, dtype=float), states[used].std(axis=0, dtype=float)
    standard = (states.astype(float) - mean) / deviation
    grids = fit_ridge(states, values, weights, STRENGTHS)
    for strength, grid in zip(STRENGTHS, grids, strict=True):
        peer = Ridge(alpha=strength * weights.sum(), solver="cholesky")
        peer.fit(standard[used], values[used], sample_weight=weights[used])
        np.testing.assert_allclose(
            grid.weight * deviation, peer.coef_, rtol=1e-4, atol=1e-5 * np.abs(peer.coef_).max()
        )
        expected = peer.predict(standard)
        np.testing.assert_allclose(
            scores(states, grid), expected, atol=1e-4 * np.abs(expected).max()
        )


@pytest.mark.parametrize(("rows", "hidden"), [(400, 12), (20, 30)])
def test_unused_rows_are_not_looked_at_and_constant_features_get_no_weight(
    rows: int, hidden: int
) -> None:
    states, values, weights = data(rows, hidden)
    states[:, 5] = 3
    spoiled, lost = states.copy(), values.copy()
    spoiled[weights == 0], lost[weights == 0] = np.nan, np.nan
    lost = np.where(weights[:, None] > 0, lost, 0)
    clean, found = (
        fit_ridge(s, v, weights, STRENGTHS)[1] for s, v in ((states, values), (spoiled, lost))
    )
    np.testing.assert_array_equal(found.weight, clean.weight)
    assert not found.weight[:, 5].any() and np.isfinite(found.bias).all()


def test_few_rows_of_wide_states_give_what_their_moments_give() -> None:
    """A second copy of every row with half the weight takes the other way to the same optimum."""
    states, values, weights = data(20, 30)
    twice = (np.concatenate([each, each]) for each in (states, values, weights / 2))
    for thin, whole in zip(
        fit_ridge(states, values, weights, STRENGTHS), fit_ridge(*twice, STRENGTHS), strict=True
    ):
        np.testing.assert_allclose(thin.weight, whole.weight, rtol=1e-3, atol=1e-6)
        np.testing.assert_allclose(thin.bias, whole.bias, rtol=1e-4)


def test_what_cannot_be_fitted_is_named() -> None:
    states, values, weights = data(50, 4)
    with pytest.raises(UsageError, match="strengths above 0"):
        fit_ridge(states, values, weights, np.array([0.0]))
    with pytest.raises(UsageError, match="below 0"):
        fit_ridge(states, values, -weights, STRENGTHS)
    with pytest.raises(DataError, match="expected \\[50, target\\]"):
        fit_ridge(states, values[:, 0], weights, STRENGTHS)
    values[np.argmax(weights > 0)] = np.inf
    with pytest.raises(DataError, match="values: a value that is not finite"):
        fit_ridge(states, values, weights, STRENGTHS)
