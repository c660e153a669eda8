"""L-BFGS memory for many independent problems that move in step.

Every column has its own curvature pairs; the two-loop recursion (Nocedal 1980) runs over all of
them at once as array operations on [column, size].
"""

from __future__ import annotations

import numpy as np

__all__ = ["Memory"]


class Memory:
    """The last few (step, gradient change) pairs of each column, in float64."""

    def __init__(self, columns: int, size: int, depth: int = 10) -> None:
        self._steps = np.zeros((columns, depth, size))
        self._changes = np.zeros((columns, depth, size))
        self._inverse = np.zeros((columns, depth))
        self._count = np.zeros(columns, dtype=np.int64)
        self._depth = depth

    def push(self, columns: np.ndarray, steps: np.ndarray, changes: np.ndarray) -> None:
        """Remember one pair for each of the given columns.

        A pair without positive curvature is rounding noise, as the problems are convex; it is
        left out.

        Args:
            columns: Distinct column numbers [live].
            steps: Differences of points, [live, size].
            changes: Differences of gradients, [live, size].
        """
        curvature = np.einsum("cs,cs->c", steps, changes)
        bound = 1e-10 * np.linalg.norm(steps, axis=1) * np.linalg.norm(changes, axis=1)
        keep = (curvature > bound) & (curvature > 0)
        at = columns[keep]
        slot = self._count[at] % self._depth
        self._steps[at, slot] = steps[keep]
        self._changes[at, slot] = changes[keep]
        self._inverse[at, slot] = 1 / curvature[keep]
        self._count[at] += 1

    def stretch(self, columns: np.ndarray, ratio: np.ndarray) -> None:
        """Go over to coordinates that are stretched by `ratio` [live, size]; directions follow."""
        moved = columns[(ratio != 1).any(axis=1)]
        ratio = ratio[(ratio != 1).any(axis=1), None]
        self._steps[moved] /= ratio
        self._changes[moved] *= ratio

    def forget(self, columns: np.ndarray) -> None:
        """Drop all pairs of the given columns, so that their next direction is steepest descent."""
        self._count[columns] = 0

    def holds(self, columns: np.ndarray) -> np.ndarray:
        """Whether each of the given columns has at least one pair, bool [live]."""
        return np.asarray(self._count[columns] > 0)

    def direction(self, columns: np.ndarray, gradients: np.ndarray) -> np.ndarray:
        """Descent directions [live, size] for the given columns at these gradients."""
        kept = np.minimum(self._count[columns], self._depth)
        deepest = int(kept.max(initial=0))
        result = -gradients.copy()
        factors = np.zeros((deepest, len(columns)))
        for age in range(deepest):
            slot, valid = self._slot(columns, age, kept)
            dot = np.einsum("cs,cs->c", self._steps[columns, slot], result)
            factors[age] = np.where(valid, self._inverse[columns, slot] * dot, 0)
            result -= factors[age][:, None] * self._changes[columns, slot]
        result *= self._first_scale(columns, kept)[:, None]
        for age in reversed(range(deepest)):
            slot, valid = self._slot(columns, age, kept)
            dot = np.einsum("cs,cs->c", self._changes[columns, slot], result)
            back = np.where(valid, self._inverse[columns, slot] * dot, 0)
            result += (factors[age] - back)[:, None] * self._steps[columns, slot]
        return np.asarray(result)

    def _slot(
        self, columns: np.ndarray, age: int, kept: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        return (self._count[columns] - 1 - age) % self._depth, age < kept

    def _first_scale(self, columns: np.ndarray, kept: np.ndarray) -> np.ndarray:
        slot, valid = self._slot(columns, 0, kept)
        changes = self._changes[columns, slot]
        square = np.einsum("cs,cs->c", changes, changes) * self._inverse[columns, slot]
        return np.where(valid & (square > 0), 1 / np.where(square > 0, square, 1), 1.0)
