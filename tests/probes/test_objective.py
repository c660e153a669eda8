"""The gradient is the derivative of the loss, in one read."""

from __future__ import annotations

import numpy as np
import pytest

from augury.probes.columns import DenseColumns, mass
from augury.probes.objective import LogisticObjective, read_null
from augury.probes.rows import inverse_deviation, moments
from probes.conftest import Planted


def objective(data: Planted) -> LogisticObjective:
    columns = DenseColumns(data.labels, data.weights)
    sums = mass(columns)
    return LogisticObjective(data.states, columns, sums, data.l2, moments(data.states, sums.used))


@pytest.mark.parametrize("shift", [0, 1000], ids=["folded", "centred"])
def test_loss_and_gradient_agree_with_float64_formulas(planted: Planted, shift: float) -> None:
    moved = np.round(planted.states * 16) / 16 + np.float32(shift)
    data = Planted(moved, planted.labels, planted.weights, planted.l2)
    ours = objective(data)
    point = np.random.default_rng(0).normal(size=(3, 13)) / 4
    columns = np.array([0, 2, 3])
    loss, gradient, curvature = ours.at(point, columns)
    standard = (data.states.astype(np.float64) - ours.facts.mean) * inverse_deviation(ours.facts)
    for place, column in enumerate(columns):
        gamma, sign = point[place, :-1], np.where(data.labels[:, column], 1, -1)
        weight = data.weights[:, column] / ours.mass.total[column]
        margin = sign * (standard @ gamma + point[place, -1])
        ridge = data.l2[column] / 2 * gamma @ gamma
        expected = (weight * np.logaddexp(0, -margin)).sum() + ridge
        slope = -weight * sign / (1 + np.exp(margin))
        by_weight = standard.T @ slope + data.l2[column] * gamma
        assert loss[place] == pytest.approx(expected, rel=1e-5)
        np.testing.assert_allclose(gradient[place, :-1], by_weight, atol=2e-5)
        assert gradient[place, -1] == pytest.approx(slope.sum(), abs=1e-5)
        bend = weight / (2 + np.exp(margin) + np.exp(-margin))
        assert curvature[place] == pytest.approx(bend.sum(), rel=1e-5)


@pytest.mark.parametrize("shift", [0, 1000])
def test_the_first_read_gives_the_intercept_only_models(planted: Planted, shift: float) -> None:
    moved = np.round(planted.states * 16) / 16 + np.float32(shift)
    ours = objective(Planted(moved, planted.labels, planted.weights, planted.l2))
    null = read_null(moved, ours.columns, ours.mass)
    positive = np.average(planted.labels, axis=0, weights=planted.weights)
    point = np.zeros((4, 13))
    point[:, -1] = np.log(positive / (1 - positive))
    loss, gradient, curvature = ours.at(point, np.arange(4))
    np.testing.assert_allclose(null.value.loss, loss, rtol=1e-6)
    np.testing.assert_allclose(null.value.gradient, gradient, atol=2e-6)
    np.testing.assert_allclose(null.value.curvature, curvature, rtol=1e-6)
    np.testing.assert_array_equal(null.facts.mean, ours.facts.mean)
