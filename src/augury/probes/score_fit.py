"""Fit a linear score under any of `score_losses` to its optimum, for many strengths in step.

For standardised features z the objective at strength l2 is

    loss(Z gamma, extra) + (l2 / 2) |gamma|^2

with one gamma per output of the loss. The strengths are the columns of the package's `Search`, in
coordinates whitened by the Gram matrix of the features.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import scipy.linalg
import torch

from augury.errors import UsageError
from augury.probes.objective import inverse_deviation
from augury.probes.rows import Moments, StateArray, blocks, moments
from augury.probes.score_losses import ScoreLoss
from augury.probes.search import Search, Value
from augury.probes.whitening import sampled_gram

__all__ = ["ScoreFit", "fit_scores"]

_FLOOR = 1e-6


@dataclass(frozen=True, eq=False)
class ScoreFit:
    """Scores x . weight + bias on raw states, for every strength."""

    weight: np.ndarray
    """Float32 [strength, output, hidden]; 0 for constant features."""

    bias: np.ndarray
    """Float64 [strength, output]; takes the mean out, so scores are 0 at the mean state."""

    extra: np.ndarray
    """Extra parameters of the loss, from their start; float64 [strength, extra]."""

    gradient_norm: np.ndarray
    """Of the whitened gradient, over that of the whitened weights; float64 [strength]."""

    converged: np.ndarray
    """Bool [strength]."""


def fit_scores(
    states: StateArray,
    used: np.ndarray,
    loss: ScoreLoss,
    l2: np.ndarray,
    *,
    tolerance: float = 1e-6,
    max_passes: int = 1000,
) -> ScoreFit:
    """Minimise the objective at every strength.

    Args:
        states: Raw states [row, hidden].
        used: Rows that the loss is about, bool [row]; the loss counts these rows only, in order.
        loss: One of `score_losses`.
        l2: Ridge strengths, above 0; float64 [strength].
        tolerance: Relative gradient norm at which a strength is done.
        max_passes: Evaluations after which the fit stops.

    Raises:
        DataError: No row is used, or a used state is not finite.
        UsageError: A strength is not above 0.
    """
    l2 = np.asarray(l2, dtype=np.float64)
    if not (np.isfinite(l2) & (l2 > 0)).all():
        raise UsageError("l2", found=f"{l2.tolist()}", expected="strengths above 0")
    facts = moments(states, used)
    inverse = inverse_deviation(facts)
    objective = _Objective(states, used, loss, l2, facts)
    space = _space(sampled_gram(states, used, facts), loss, l2)
    search = Search(objective, space, tolerance, np.arange(len(l2)))
    search.begin(np.zeros(len(l2)), None)
    search.run(max_passes)
    point = space.coefficients(search.point, np.arange(len(l2)))
    gamma, extra = _parts(point, loss, states.shape[1])
    weight = (gamma * inverse).astype(np.float32)
    bias = -(weight.astype(np.float64) @ facts.mean)
    norm = search.relative_norm()
    return ScoreFit(weight, bias, extra, norm, norm <= tolerance)


@dataclass(frozen=True, eq=False)
class _Objective:
    """Loss and gradient by standardised coefficients: every output's gamma, then the extra."""

    states: StateArray
    used: np.ndarray
    loss: ScoreLoss
    l2: np.ndarray
    facts: Moments

    def at(self, coefficients: np.ndarray, columns: np.ndarray) -> Value:
        """Value of some strengths; the rows are read once forth and once back."""
        gamma, extra = _parts(coefficients, self.loss, self.states.shape[1])
        flat = gamma.reshape(-1, gamma.shape[-1])
        scores = np.concatenate([block @ flat.T for block in self._standard()])
        scores = scores.reshape(len(scores), len(columns), self.loss.outputs)
        parts = [self.loss.at(scores[:, live], extra[live]) for live in range(len(columns))]
        slopes = np.stack([part.scores for part in parts], axis=1).reshape(len(scores), -1)
        back, first = np.zeros_like(flat), 0
        for block in self._standard():
            back += slopes[first : first + len(block)].T @ block
            first += len(block)
        l2 = self.l2[columns]
        gradient = back.reshape(gamma.shape) + l2[:, None, None] * gamma
        by_extra = np.stack([part.extra for part in parts])
        penalty = l2 / 2 * np.einsum("coh,coh->c", gamma, gamma)
        return Value(
            np.array([part.loss for part in parts]) + penalty,
            np.concatenate([gradient.reshape(len(columns), -1), by_extra], axis=1),
            np.full(len(columns), self.loss.curvature),
        )

    def _standard(self) -> Iterator[np.ndarray]:
        """The used rows in order, standardised, float64 [row, hidden] block by block."""
        inverse = inverse_deviation(self.facts)
        for _, block in blocks(self.states, self.used):
            yield (block.to("cpu", torch.float64).numpy() - self.facts.mean) * inverse


@dataclass(frozen=True, eq=False)
class _Space:
    """Every output whitened by the same basis; extra parameters only stretched."""

    basis: np.ndarray
    stretch: np.ndarray
    outputs: int

    def coefficients(self, point: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """From points [live, size] to standardised coefficients."""
        return self._turn(point * self.stretch[columns], self.basis.T)

    def gradient(self, gradient: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """From gradients by coefficients to gradients by points."""
        return np.asarray(self._turn(gradient, self.basis) * self.stretch[columns])

    def point(self, coefficients: np.ndarray) -> np.ndarray:
        """From coefficients of all columns to points."""
        return np.asarray(self._turn(coefficients, self.basis) / self.stretch)

    def adapt(self, columns: np.ndarray, curvature: np.ndarray) -> np.ndarray:
        """These losses have no curvature that the search could follow."""
        return np.ones_like(self.stretch[columns])

    def _turn(self, values: np.ndarray, turn: np.ndarray) -> np.ndarray:
        inner = self.outputs * len(turn)
        turned = values[:, :inner].reshape(-1, len(turn)) @ turn
        return np.concatenate([turned.reshape(len(values), inner), values[:, inner:]], axis=1)


def _space(gram: np.ndarray, loss: ScoreLoss, l2: np.ndarray) -> _Space:
    values, basis = scipy.linalg.eigh(gram, check_finite=False)
    spectrum = np.maximum(values, _FLOOR * max(float(values.max(initial=0.0)), _FLOOR))
    stretch = 1 / np.sqrt(loss.curvature * spectrum + l2[:, None])
    extra = np.full((len(l2), loss.extra), 1 / np.sqrt(loss.curvature))
    return _Space(basis, np.hstack([np.tile(stretch, loss.outputs), extra]), loss.outputs)


def _parts(coefficients: np.ndarray, loss: ScoreLoss, hidden: int) -> tuple[np.ndarray, np.ndarray]:
    inner = loss.outputs * hidden
    gamma = coefficients[:, :inner].reshape(len(coefficients), loss.outputs, hidden)
    return gamma, coefficients[:, inner:]
