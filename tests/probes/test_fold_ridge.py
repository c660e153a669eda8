from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from augury.errors import DataError, UsageError
from augury.probes.fold_ridge import FoldRidge
from augury.probes.linear import scores


@pytest.fixture(params=[6, 90], ids=["fewer states than rows", "more"])
def world(request: pytest.FixtureRequest) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    states = (rng.normal(size=(50, request.param)) * 3 + 100).astype(np.float32)
    values = np.stack([states[:, 0] + rng.normal(size=50), rng.random(50) < 0.3], axis=1)
    return states, values, np.repeat(np.arange(10), 5)


@pytest.mark.parametrize("l2", [1e-4, 0.1, 10.0])
def test_every_fold_is_what_fitting_without_it_gives(
    world: tuple[np.ndarray, np.ndarray, np.ndarray], l2: float
) -> None:
    states, values, groups = world
    mean, deviation = states.mean(axis=0, dtype=np.float64), states.std(axis=0, dtype=np.float64)
    scaled = (states - mean) / deviation
    ridge = FoldRidge(states)
    smoother = ridge.at(l2)
    whole = smoother.solve(values)
    for held in (groups == 3, (groups == 0) | (groups > 6)):
        fitted = smoother.without(values, whole, held)
        slow = Ridge(alpha=l2 * 50).fit(scaled[~held], values[~held])
        np.testing.assert_allclose(fitted.predictions, slow.predict(scaled), atol=1e-6)
        probe = scores(states, ridge.grid(fitted))
        np.testing.assert_allclose(probe, slow.predict(scaled), atol=2e-3)


def test_values_of_held_rows_change_nothing(
    world: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    states, values, groups = world
    ridge, held = FoldRidge(states), groups == 4
    other = values.copy()
    other[held] = 1e3
    first, second = (
        ridge.grid(ridge.at(0.1).without(v, ridge.at(0.1).solve(v), held)) for v in (values, other)
    )
    np.testing.assert_allclose(first.weight, second.weight, atol=1e-5)


def test_a_constant_state_gets_no_weight() -> None:
    states = np.random.default_rng(1).normal(size=(20, 4)).astype(np.float32)
    states[:, 2] = 7.0
    ridge = FoldRidge(states)
    values = states[:, :1].astype(np.float64)
    smoother = ridge.at(1e-3)
    fitted = smoother.without(values, smoother.solve(values), np.arange(20) < 4)
    grid = ridge.grid(fitted)
    assert grid.weight[0, 2] == 0 and abs(grid.weight[0, 0] - 1) < 0.01


def test_what_cannot_be_fitted_is_refused() -> None:
    with pytest.raises(DataError, match="at least 3"):
        FoldRidge(np.zeros((2, 3), dtype=np.float32))
    with pytest.raises(UsageError, match="above 0"):
        FoldRidge(np.eye(4, dtype=np.float32)).at(0.0)
