"""Platt scaling: turn scores of any scale into probabilities, fitted on validation rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from augury.evaluate.ranking import check_rows
from augury.shapes import Labels, RowScores

__all__ = ["Platt", "fit_platt"]

_STEPS = 100
_TINY = 1e-12


@dataclass(frozen=True, slots=True)
class Platt:
    """Probability = 1 / (1 + exp(-(slope * score + intercept)))."""

    slope: float
    """Log-odds per unit of score; below 0 when high scores mean negative."""

    intercept: float
    """Log-odds at score 0."""

    def probability(self, scores: RowScores) -> RowScores:
        """Probability of a positive, one per score, in [0, 1]."""
        return np.asarray(expit(self.slope * np.asarray(scores, np.float64) + self.intercept))


def fit_platt(labels: Labels, scores: RowScores) -> Platt | None:
    """Maximum likelihood with Platt's smoothed targets, by damped Newton steps.

    The targets (P + 1) / (P + 2) and 1 / (N + 2) keep the slope finite where a threshold separates
    the classes (Platt 1999). None where a class is absent.

    Raises:
        DataError: Lengths differ, labels are not boolean, or a score is not finite.
    """
    check_rows(labels, scores)
    positives = int(np.count_nonzero(labels))
    negatives = len(labels) - positives
    if not positives or not negatives:
        return None
    given = np.asarray(scores, dtype=np.float64)
    centre, spread = float(given.mean()), float(given.std()) or 1.0
    target = np.where(labels, (positives + 1) / (positives + 2), 1 / (negatives + 2))
    slope, intercept = _newton((given - centre) / spread, target)
    return Platt(slope / spread, intercept - slope * centre / spread)


def _newton(x: RowScores, target: RowScores) -> tuple[float, float]:
    mean = float(target.mean())
    at = np.array([0.0, np.log(mean / (1 - mean))])
    loss = _loss(x, target, at)
    for _ in range(_STEPS):
        step, size = _newton_step(x, target, at), 1.0
        while size > _TINY and _loss(x, target, at - size * step) > loss:
            size /= 2
        moved = at - size * step
        gain, at = loss - _loss(x, target, moved), moved
        loss -= gain
        if gain <= _TINY * len(x):
            break
    # The loss is flat to its last digit long before the slope is right to that of its own, and
    # where it stops would depend on the order of sums, so on the number of threads.
    for _ in range(2):
        at = at - _newton_step(x, target, at)
    return float(at[0]), float(at[1])


def _newton_step(x: RowScores, target: RowScores, at: np.ndarray) -> np.ndarray:
    p = expit(at[0] * x + at[1])
    error, curve = p - target, p * (1 - p)
    slope = np.array([error @ x, error.sum()])
    cross = curve @ x
    hessian = np.array([[curve @ x**2 + _TINY, cross], [cross, curve.sum() + _TINY]])
    return np.asarray(np.linalg.lstsq(hessian, slope, rcond=None)[0])


def _loss(x: RowScores, target: RowScores, at: np.ndarray) -> float:
    logit = at[0] * x + at[1]
    return float(np.sum(np.logaddexp(0.0, logit) - target * logit))
