"""In whitened coordinates the Hessian at the intercept-only model is the identity."""

from __future__ import annotations

import numpy as np

from augury.probes.rows import moments
from augury.probes.whitening import sampled_gram, whitening
from probes.conftest import Planted


def test_points_and_coefficients_are_inverse_to_each_other() -> None:
    rng = np.random.default_rng(0)
    factor = rng.normal(size=(8, 5))
    space = whitening(factor.T @ factor, np.array([0.2, 0.01]), np.array([0.0, 3.0]))
    coefficients = rng.normal(size=(2, 6))
    point = space.point(coefficients)
    np.testing.assert_allclose(space.coefficients(point, np.arange(2)), coefficients)
    gradient = rng.normal(size=(2, 6))
    # a directional derivative is the same number in both coordinates
    step = rng.normal(size=(2, 6))
    moved = np.einsum("cs,cs->c", gradient, space.coefficients(step, np.arange(2)))
    whitened = space.gradient(gradient, np.arange(2))
    np.testing.assert_allclose(np.einsum("cs,cs->c", whitened, step), moved)


def test_the_hessian_becomes_the_identity() -> None:
    rng = np.random.default_rng(1)
    factor = rng.normal(size=(9, 4))
    gram, curvature, l2 = factor.T @ factor, 0.07, 0.3
    space = whitening(gram, np.array([curvature]), np.array([l2]))
    hessian = np.zeros((5, 5))
    hessian[:4, :4] = curvature * gram + l2 * np.eye(4)
    hessian[4, 4] = curvature
    directions = np.concatenate([space.coefficients(row[None], np.array([0])) for row in np.eye(5)])
    np.testing.assert_allclose(directions @ hessian @ directions.T, np.eye(5), atol=1e-10)


def test_a_directionless_gram_gives_finite_coordinates() -> None:
    space = whitening(np.zeros((3, 3)), np.array([0.25]), np.array([0.0]))
    assert np.isfinite(space.stretch).all()


def test_the_gram_of_few_rows_is_the_correlation_matrix(planted: Planted) -> None:
    used = np.arange(len(planted.states)) % 7 == 0
    facts = moments(planted.states, used)
    gram = sampled_gram(planted.states, used, facts)
    expected = np.corrcoef(planted.states[used].astype(np.float64), rowvar=False)
    np.testing.assert_allclose(gram, expected, atol=1e-5)


def test_coordinates_follow_a_curvature_that_has_changed_much() -> None:
    rng = np.random.default_rng(2)
    factor = rng.normal(size=(9, 4))
    gram, l2 = factor.T @ factor, np.array([0.3, 0.3])
    space = whitening(gram, np.array([0.2, 0.2]), l2)
    before = space.stretch.copy()
    ratio = space.adapt(np.arange(2), np.array([0.15, 0.01]))
    np.testing.assert_array_equal(ratio[0], 1)
    np.testing.assert_allclose(space.stretch, before * ratio)
    expected = whitening(gram, np.array([0.2, 0.01]), l2)
    np.testing.assert_allclose(space.stretch, expected.stretch)
