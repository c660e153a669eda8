"""The grid reaches the optimum of the stated objective, and nothing else moves it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from augury.errors import DataError, UsageError
from augury.probes.grid import LogisticGrid, fit_logistic_grid, scores
from probes.conftest import Planted


def fit(data: Planted, tolerance: float = 1e-5) -> LogisticGrid:
    return fit_logistic_grid(data.states, data.labels, data.weights, data.l2, tolerance=tolerance)


def relative(found: np.ndarray, expected: np.ndarray, states: np.ndarray) -> float:
    """Distance of raw weights on standardised features, in lengths of the expected ones."""
    spread = states.astype(np.float64).std(0)
    return float(np.linalg.norm((found - expected) * spread) / np.linalg.norm(expected * spread))


def of_used_rows(data: Planted) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of the rows that some column uses."""
    chosen = data.states[data.weights.any(axis=1)].astype(np.float64)
    return chosen.mean(0), chosen.std(0)


def test_coefficients_agree_with_scikit_learn(planted: Planted) -> None:
    grid = fit(planted)
    assert grid.converged.all() and grid.problem == ("",) * 4
    assert grid.weight.dtype == np.float32
    states = planted.states.astype(np.float64)
    mean, spread = of_used_rows(planted)
    for column, l2 in enumerate(planted.l2):
        weight = planted.weights[:, column].astype(np.float64)
        peer = LogisticRegression(C=1 / (l2 * weight.sum()), tol=1e-9, max_iter=5000)
        peer.fit((states - mean) / spread, planted.labels[:, column], sample_weight=weight)
        raw = peer.coef_[0] / spread
        assert relative(grid.weight[column], raw, states) < 1e-4
        bias = peer.intercept_[0] - raw @ mean
        assert abs(grid.bias[column] - bias) < 1e-4 * (1 + np.abs(raw * mean).sum())
        ours = roc_auc_score(planted.labels[:, column], scores(planted.states, grid)[:, column])
        theirs = roc_auc_score(planted.labels[:, column], states @ raw)
        assert abs(ours - theirs) < 1e-6


def test_gradient_of_the_stated_objective_is_zero(planted: Planted) -> None:
    grid = fit(planted, tolerance=1e-6)
    states = planted.states.astype(np.float64)
    mean, spread = of_used_rows(planted)
    logits = states @ grid.weight.T.astype(np.float64) + grid.bias
    weights = planted.weights / planted.weights.sum(0, dtype=np.float64)
    sign = np.where(planted.labels, 1, -1)
    slope = -weights * sign / (1 + np.exp(sign * logits))
    ridge = planted.l2[:, None] * grid.weight * spread
    gradient = slope.T @ ((states - mean) / spread) + ridge
    assert np.abs(gradient).max() < 1e-6
    assert np.abs(slope.sum(0)).max() < 1e-6


def test_columns_fitted_together_equal_columns_fitted_alone(planted: Planted) -> None:
    everyone = np.ones_like(planted.weights)
    together = fit(replace(planted, weights=everyone))
    for column in range(4):
        one = slice(column, column + 1)
        alone = fit(
            Planted(planted.states, planted.labels[:, one], everyone[:, one], planted.l2[one])
        )
        assert relative(alone.weight[0], together.weight[column], planted.states) < 1e-4


def test_scores_do_not_depend_on_units_or_origin_of_the_features(planted: Planted) -> None:
    factor = 2.0 ** np.arange(-6, 6)
    moved = ((planted.states + np.float32(8)) * factor).astype(np.float32)
    before = scores(planted.states, fit(planted))
    after = scores(moved, fit(replace(planted, states=moved)))
    np.testing.assert_allclose(after, before, atol=3e-3)


def test_a_mean_far_larger_than_the_spread_loses_nothing(planted: Planted) -> None:
    data = replace(planted, states=np.round(planted.states * 8) / 8)
    far = replace(data, states=(data.states + np.float32(4096)).astype(np.float32))
    np.testing.assert_array_equal(far.states - np.float32(4096), data.states)
    expected = fit(data).weight
    found = fit(far)
    assert found.converged.all()
    for column in range(4):
        assert relative(found.weight[column], expected[column], data.states) < 1e-4


def test_a_weight_of_two_is_the_row_twice(planted: Planted) -> None:
    ones = np.ones_like(planted.weights)
    heavy = ones.copy()
    heavy[:700] = 2
    doubled = Planted(
        np.concatenate([planted.states, planted.states[:700]]),
        np.concatenate([planted.labels, planted.labels[:700]]),
        np.concatenate([ones, ones[:700]]),
        planted.l2,
    )
    # the spread of the pooled rows is unweighted, so its part in the ridge has to be alike
    free = np.zeros(4)
    once = fit(replace(planted, weights=heavy, l2=free), tolerance=1e-6)
    twice = fit(replace(doubled, l2=free), tolerance=1e-6)
    for column in range(4):
        assert relative(twice.weight[column], once.weight[column], planted.states) < 1e-4


def test_rows_that_no_column_uses_are_not_read(planted: Planted) -> None:
    states = np.concatenate([planted.states, np.full((3, 12), np.nan, np.float32)])
    labels = np.concatenate([planted.labels, np.ones((3, 4), bool)])
    weights = np.concatenate([planted.weights, np.zeros((3, 4), np.float32)])
    order = np.random.default_rng(0).permutation(len(states))
    found = fit(Planted(states[order], labels[order], weights[order], planted.l2))
    expected = fit(planted)
    for column in range(4):
        assert relative(found.weight[column], expected.weight[column], planted.states) < 1e-4


def test_constant_features_get_weight_zero_and_change_nothing(planted: Planted) -> None:
    wider = np.insert(planted.states, [0, 5], np.array([1e4, 0.1], np.float32), axis=1)
    found = fit(replace(planted, states=wider))
    assert found.converged.all()
    assert not found.weight[:, [0, 6]].any()
    np.testing.assert_allclose(
        scores(wider, found), scores(planted.states, fit(planted)), atol=2e-3
    )


def test_a_start_at_the_optimum_is_done_after_reading_it(planted: Planted) -> None:
    first = fit(planted)
    again = fit_logistic_grid(
        planted.states,
        planted.labels,
        planted.weights,
        planted.l2,
        tolerance=2e-5,
        start=first,
    )
    # one read for the scale of the gradient, one for the start
    assert again.passes == 2 < first.passes
    assert again.converged.all()
    np.testing.assert_allclose(again.weight, first.weight, rtol=1e-5)


def test_a_warm_start_reaches_the_optimum_of_the_new_strength(planted: Planted) -> None:
    nearby = replace(planted, l2=planted.l2 * 3)
    cold = fit(nearby)
    warm = fit_logistic_grid(
        nearby.states, nearby.labels, nearby.weights, nearby.l2, start=fit(planted)
    )
    assert warm.converged.all() and warm.passes <= cold.passes + 1
    for column in range(4):
        assert relative(warm.weight[column], cold.weight[column], planted.states) < 1e-4


def test_a_useless_start_is_left_for_the_intercept_only_model(planted: Planted) -> None:
    expected = fit(planted)
    awful = replace(expected, weight=-100 * expected.weight)
    found = fit_logistic_grid(
        planted.states, planted.labels, planted.weights, planted.l2, start=awful
    )
    assert found.converged.all()
    assert relative(found.weight[0], expected.weight[0], planted.states) < 1e-4


def test_columns_without_both_classes_are_named_and_harm_no_other(planted: Planted) -> None:
    labels, weights = planted.labels.copy(), planted.weights.copy()
    labels[:, 1], labels[:, 2], weights[:, 3] = False, True, 0
    grid = fit(replace(planted, labels=labels, weights=weights))
    assert grid.problem == ("", "no positive rows", "no negative rows", "no rows")
    assert grid.converged.tolist() == [True, False, False, False]
    assert not grid.weight[1:].any() and not grid.bias[1:].any()
    expected = fit(planted).weight[0]
    assert relative(grid.weight[0], expected, planted.states) < 1e-3


def test_a_fit_that_was_cut_short_says_so(planted: Planted) -> None:
    grid = fit_logistic_grid(
        planted.states, planted.labels, planted.weights, planted.l2, max_passes=2
    )
    assert grid.passes == 2 and not grid.converged.all()
    assert "not converged after 2 passes" in grid.problem


def test_bfloat16_tensors_fit_as_the_same_values_in_float32(planted: Planted) -> None:
    half = torch.from_numpy(planted.states).bfloat16()
    exact = replace(planted, states=half.float().numpy())
    found = fit_logistic_grid(half, planted.labels, planted.weights, planted.l2)
    np.testing.assert_array_equal(found.weight, fit(exact).weight)


def test_a_read_only_memory_map_fits_as_the_array(planted: Planted, tmp_path: Path) -> None:
    np.save(tmp_path / "states.npy", planted.states)
    mapped = np.load(tmp_path / "states.npy", mmap_mode="r")
    found = fit_logistic_grid(mapped, planted.labels, planted.weights, planted.l2)
    np.testing.assert_array_equal(found.weight, fit(planted).weight)


def test_bad_input_is_named(planted: Planted) -> None:
    broken = planted.states.copy()
    used = int(np.flatnonzero(planted.weights.any(1))[40])
    broken[used, 3] = np.inf
    with pytest.raises(DataError, match=f"row {used}, feature 3.*not finite"):
        fit(replace(planted, states=broken))
    with pytest.raises(DataError, match="no row with a positive weight"):
        fit(replace(planted, weights=np.zeros_like(planted.weights)))
    with pytest.raises(UsageError, match="l2: a value that is negative"):
        fit(replace(planted, l2=np.array([-1.0, 0, 0, 0])))
    with pytest.raises(DataError, match="labels and weights: shapes"):
        fit(replace(planted, labels=planted.labels[:-1]))
    with pytest.raises(DataError, match="labels: shape"):
        fit(replace(planted, states=planted.states[:-1]))
    with pytest.raises(UsageError, match="weights: a value that is negative"):
        fit(replace(planted, weights=-planted.weights))
