"""The search minimises convex columns from bad scales, each on its own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from augury.probes.search import Search, Value


@dataclass(frozen=True)
class Identity:
    stretch: np.ndarray

    def coefficients(self, point: np.ndarray, columns: np.ndarray) -> np.ndarray:
        return point

    def gradient(self, gradient: np.ndarray, columns: np.ndarray) -> np.ndarray:
        return gradient

    def point(self, coefficients: np.ndarray) -> np.ndarray:
        return coefficients

    def adapt(self, columns: np.ndarray, curvature: np.ndarray) -> np.ndarray:
        return np.ones((len(columns), self.stretch.shape[1]))


@dataclass(frozen=True)
class Quadratics:
    scale: np.ndarray
    centre: np.ndarray

    def at(self, coefficients: np.ndarray, columns: np.ndarray) -> Value:
        away = coefficients - self.centre[columns]
        slope = self.scale[columns] * away
        return Value((away * slope).sum(1) / 2, slope, np.ones(len(columns)))


class Unbounded:
    def at(self, coefficients: np.ndarray, columns: np.ndarray) -> Value:
        return Value(
            np.full(len(columns), np.nan), np.ones_like(coefficients), np.ones(len(columns))
        )


def search(problem: Quadratics | Unbounded, columns: int, size: int) -> Search:
    return Search(problem, Identity(np.ones((columns, size))), 1e-8, np.arange(columns))


def test_every_column_finds_its_own_centre() -> None:
    rng = np.random.default_rng(0)
    scale = 10 ** rng.uniform(-1, 3, size=(6, 5))
    problem = Quadratics(scale, rng.normal(size=(6, 5)))
    found = search(problem, 6, 5)
    found.begin(np.zeros(6), None)
    found.run(300)
    assert not len(found.live)
    np.testing.assert_allclose(found.point, problem.centre, atol=1e-5)


def test_a_column_that_never_gets_lower_is_given_up() -> None:
    found = search(Unbounded(), 2, 3)
    found.begin(np.zeros(2), None)
    found.run(300)
    assert found.stalled.all() and found.passes < 50
