"""The memory obeys the secant equation, and columns never mix."""

from __future__ import annotations

import numpy as np

from augury.probes.lbfgs import Memory


def filled(columns: int, pairs: int) -> tuple[Memory, np.ndarray, np.ndarray]:
    """A memory fed from one quadratic per column; also the last steps and changes."""
    rng = np.random.default_rng(0)
    memory = Memory(columns, 6, depth=4)
    factors = rng.normal(size=(columns, 6, 6))
    curvature = factors @ factors.transpose(0, 2, 1) + np.eye(6)
    for _ in range(pairs):
        steps = rng.normal(size=(columns, 6))
        changes = np.einsum("cij,cj->ci", curvature, steps)
        memory.push(np.arange(columns), steps, changes)
    return memory, steps, changes


def test_the_last_change_of_gradient_is_undone_by_the_last_step() -> None:
    for pairs in (1, 3, 9):
        memory, steps, changes = filled(3, pairs)
        np.testing.assert_allclose(memory.direction(np.arange(3), changes), -steps, atol=1e-9)


def test_directions_of_some_columns_are_those_of_all() -> None:
    memory, _, _ = filled(5, 7)
    gradients = np.random.default_rng(1).normal(size=(5, 6))
    everyone = memory.direction(np.arange(5), gradients)
    some = np.array([4, 1])
    np.testing.assert_allclose(memory.direction(some, gradients[some]), everyone[some])


def test_an_empty_memory_descends_along_the_gradient() -> None:
    memory, _, _ = filled(2, 3)
    memory.forget(np.array([1]))
    gradients = np.ones((2, 6))
    found = memory.direction(np.arange(2), gradients)
    np.testing.assert_array_equal(found[1], -gradients[1])
    assert not np.allclose(found[0], -gradients[0])
    assert memory.holds(np.arange(2)).tolist() == [True, False]


def test_pairs_without_positive_curvature_are_left_out() -> None:
    memory = Memory(1, 6)
    memory.push(np.array([0]), np.ones((1, 6)), -np.ones((1, 6)))
    assert not memory.holds(np.array([0])).any()


def test_pairs_follow_into_stretched_coordinates() -> None:
    memory, steps, changes = filled(3, 6)
    ratio = np.ones((3, 6))
    ratio[2] = np.random.default_rng(2).uniform(0.1, 10, 6)
    memory.stretch(np.array([0, 2]), ratio[[0, 2]])
    found = memory.direction(np.arange(3), changes * ratio)
    np.testing.assert_allclose(found, -steps / ratio, atol=1e-9)
