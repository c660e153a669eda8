"""Minimise many convex problems that share their data, in step, by L-BFGS with line searches.

Every pass evaluates one trial point of each live problem. A problem whose trial is accepted moves
on, one whose trial is refused shortens its step; those that converged leave, so no problem waits
for another.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np

from augury.probes.lbfgs import Memory

__all__ = ["Objective", "Search", "Space", "Value"]

_SUFFICIENT = 1e-4
_MOST_CUTS = 12


class Value(NamedTuple):
    """Of some columns, at some coefficients."""

    loss: np.ndarray
    """Float64 [live]."""

    gradient: np.ndarray
    """By coefficients, float64 [live, size]."""

    curvature: np.ndarray
    """Mean second derivative of the loss by the score of a row, float64 [live]."""


class Objective(Protocol):
    """Losses of many columns over shared rows."""

    def at(self, coefficients: np.ndarray, columns: np.ndarray) -> Value:
        """Value of the given columns [live] at these coefficients [live, size]."""


class Space(Protocol):
    """Coordinates in which the losses are easy to minimise."""

    @property
    def stretch(self) -> np.ndarray:
        """Length of a unit step, float64 [column, size]."""

    def coefficients(self, point: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """From points [live, size] to coefficients."""

    def gradient(self, gradient: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """From gradients by coefficients [live, size] to gradients by points."""

    def point(self, coefficients: np.ndarray) -> np.ndarray:
        """From coefficients of all columns [column, size] to points."""

    def adapt(self, columns: np.ndarray, curvature: np.ndarray) -> np.ndarray:
        """Follow the curvature [live] of some columns; new over old stretch, [live, size]."""


class Search:
    """Where every column stands: its point, loss, gradient, direction and step length."""

    def __init__(
        self, objective: Objective, space: Space, tolerance: float, live: np.ndarray
    ) -> None:
        self.objective, self.space, self.tolerance, self.live = objective, space, tolerance, live
        columns, size = space.stretch.shape
        self.memory = Memory(columns, size)
        self.point = np.zeros((columns, size))
        self.loss = np.zeros(columns)
        self.gradient = np.zeros((columns, size))
        self.direction = np.zeros((columns, size))
        self.step = np.ones(columns)
        self.cuts = np.zeros(columns, dtype=np.int64)
        self.stalled = np.zeros(columns, dtype=bool)
        self.limit = np.inf
        self.passes = 0

    def begin(
        self,
        intercept: np.ndarray,
        start: np.ndarray | None,
        known: Value | None = None,
    ) -> None:
        """Stand at the intercept-only model, or at `start` where that is lower.

        Args:
            intercept: Of the intercept-only models, [column].
            start: Coefficients [column, size] that may be better; costs a read.
            known: Value of the intercept-only models; without it that costs a read.
        """
        live = self.live
        if not len(live):
            return
        zero = np.zeros_like(self.point)
        zero[:, -1] = intercept
        self.point = self.space.point(zero)
        if known is None:
            known = self._evaluate(self.point, np.arange(len(zero)))
        else:
            known = known._replace(
                gradient=self.space.gradient(known.gradient, np.arange(len(zero)))
            )
        self.loss[live], self.gradient[live] = known.loss[live], known.gradient[live]
        if start is not None:
            point = self.space.point(start)
            found = self._evaluate(point[live], live)
            better = found.loss < self.loss[live]
            self._move(live[better], point[live[better]], found, better)
        self._redirect(live)

    def run(self, max_passes: int) -> None:
        """Advance until no column is live, or the reads are used up."""
        while len(self.live) and self.passes < max_passes:
            self.advance()

    def sharpen(self, objective: Objective, limit: float, max_passes: int) -> None:
        """Go on with an exact objective where the rounding of the first shows in coefficients.

        A direction with hardly any curvature, as the difference of two copies of a feature has,
        turns a small error of the gradient into a large one of the coefficients. They still move
        by `coefficient_step`; where that is above the limit, the search goes on until it is not.

        Args:
            objective: The same losses, with gradients of more digits.
            limit: Largest `coefficient_step` to leave.
            max_passes: Reads to spend on it.
        """
        reached = (self.relative_norm() <= self.tolerance) & ~self.stalled
        live = np.flatnonzero(reached & (self.coefficient_step() > limit))
        if not len(live):
            return
        self.objective, self.limit, self.live = objective, limit, live
        self.memory.forget(live)
        found = self._evaluate(self.point[live], live)
        self.loss[live], self.gradient[live] = found.loss, found.gradient
        self._redirect(live)
        self.run(self.passes + max_passes)

    def coefficient_step(self) -> np.ndarray:
        """Largest change of a coefficient by a Newton step, over the largest coefficient; [column].

        In coordinates where the Hessian is near the identity, the gradient is that step.
        """
        every = np.arange(len(self.point))
        step, at = (
            np.abs(self.space.coefficients(each, every)[:, :-1]).max(axis=1, initial=0.0)
            for each in (self.gradient, self.point)
        )
        return np.asarray(step / np.maximum(at, 1e-30))

    def advance(self) -> None:
        """Read the rows once at the trial point of every live column."""
        live = self.live
        trial = self.point[live] + self.step[live, None] * self.direction[live]
        found = self._evaluate(trial, live)
        slope = np.einsum("cs,cs->c", self.gradient[live], self.direction[live])
        after = np.einsum("cs,cs->c", found.gradient, self.direction[live])
        accepted = self._accepts(found.loss, slope, after)
        at = live[accepted]
        changes = found.gradient[accepted] - self.gradient[at]
        self.memory.push(at, trial[accepted] - self.point[at], changes)
        self._move(at, trial[accepted], found, accepted)
        self._shorten(live[~accepted], found.loss[~accepted], slope[~accepted])
        self._redirect(at)

    def relative_norm(self) -> np.ndarray:
        """Norm of the gradient over that of the weights, [column].

        In coordinates where the Hessian is near the identity this is the relative error of the
        weights.
        """
        weights = np.linalg.norm(self.point[:, :-1], axis=1)
        return np.asarray(np.linalg.norm(self.gradient, axis=1) / np.maximum(weights, 1e-30))

    def _evaluate(self, point: np.ndarray, columns: np.ndarray) -> Value:
        self.passes += 1
        found = self.objective.at(self.space.coefficients(point, columns), columns)
        return found._replace(gradient=self.space.gradient(found.gradient, columns))

    def _move(
        self, columns: np.ndarray, point: np.ndarray, found: Value, where: np.ndarray
    ) -> None:
        """Stand at new points, in coordinates that suit them."""
        ratio = self.space.adapt(columns, found.curvature[where])
        self.point[columns] = point / ratio
        self.gradient[columns] = found.gradient[where] * ratio
        self.loss[columns] = found.loss[where]
        self.memory.stretch(columns, ratio)

    def _accepts(self, loss: np.ndarray, slope: np.ndarray, after: np.ndarray) -> np.ndarray:
        before = self.loss[self.live]
        enough = loss <= before + _SUFFICIENT * self.step[self.live] * slope
        # near the optimum float32 losses no longer differ, but slopes still do
        level = loss <= before + 1e-6 * np.abs(before)
        return np.asarray(enough | (level & (np.abs(after) <= 0.9 * np.abs(slope))))

    def _shorten(self, columns: np.ndarray, loss: np.ndarray, slope: np.ndarray) -> None:
        """Cut refused steps to the minimum of a parabola; start afresh, then give up, if stuck."""
        step = self.step[columns]
        excess = loss - self.loss[columns] - step * slope
        with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
            best = -slope * step / (2 * excess)
        self.step[columns] = step * np.clip(np.nan_to_num(best, nan=0.1), 0.1, 0.5)
        self.cuts[columns] += 1
        stuck = columns[self.cuts[columns] > _MOST_CUTS]
        fresh = stuck[self.memory.holds(stuck)]
        hopeless = stuck[~self.memory.holds(stuck)]
        self.memory.forget(fresh)
        self.stalled[hopeless] = True
        self._redirect(fresh)
        self.live = self.live[~self.stalled[self.live]]

    def _redirect(self, columns: np.ndarray) -> None:
        """New directions for these columns; those that converged leave the grid."""
        self.direction[columns] = self.memory.direction(columns, self.gradient[columns])
        self.step[columns], self.cuts[columns] = 1.0, 0
        unfinished = self.relative_norm() > self.tolerance
        if np.isfinite(self.limit):
            unfinished |= self.coefficient_step() > self.limit
        self.live = self.live[unfinished[self.live]]
