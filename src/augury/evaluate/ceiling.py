"""How well a predictor that knows the truth would score against labels that were measured with error.

Each sentence's true importance is drawn from what its measurement leaves possible (normal, shrunk
towards the problem's mean by the share of its spread that is error), measured once more with the
same error, labelled, and predicted by the truth. No predictor can be expected to score above this
for long; what is missing up to 1 is noise of the rollouts, not the fault of a probe.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from augury.evaluate.metrics import average_precision
from augury.evaluate.rank_metrics import NumberRows, Spearman
from augury.shapes import RowScores
from augury.targets.importance import Importance, anchors

__all__ = ["Ceiling", "ceiling_of"]


@dataclass(frozen=True, slots=True)
class Ceiling:
    """Means over draws, of one problem; None where its errors are not known."""

    reliability: float | None
    """Share of the variance of measured values within the problem that is not error, in [0, 1]."""

    average_precision: float | None
    """Of the true size, against measured anchors."""

    spearman_abs: float | None
    """Of the true size, against the measured size."""

    spearman_signed: float | None
    """Of the true value, against the measured value."""


def ceiling_of(of: Importance, *, percentile: float, draws: int = 100, seed: int = 0) -> Ceiling:
    """The ceiling of one problem.

    The spread of the truth is estimated by the method of moments of DerSimonian and Laird (1986),
    which lets well-measured sentences speak louder. A sentence of which nothing was measured (no
    rollout wrote anything else) keeps its value.

    Args:
        of: Its sentences.
        percentile: Of the anchors, as they were labelled.
        draws: Of truth and measurement.
        seed: Of the draws.
    """
    known = np.isfinite(of.error) & (of.error > 0)
    if known.sum() < 3 or np.ptp(of.signed[known]) == 0:
        return Ceiling(None, None, None, None)
    error = np.where(known, of.error, 0.0)
    mean, spread = _truth(of.signed[known], error[known])
    reliability = spread / (spread + float(np.mean(error[known] ** 2)))
    weight = np.divide(spread, spread + error**2, out=np.ones(len(error)), where=known)
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(draws):
        noise, again = rng.normal(size=(2, len(error)))
        truth = mean + weight * (of.signed - mean) + np.sqrt(weight) * error * noise
        truth = np.where(known, truth, of.signed)
        found.append(_scores(truth, truth + error * again, percentile))
    return Ceiling(reliability, *_means(found))


def _truth(measured: RowScores, error: RowScores) -> tuple[float, float]:
    """Mean and variance of the true values."""
    precise = 1 / error**2
    mean = float(precise @ measured / precise.sum())
    excess = float(precise @ (measured - mean) ** 2) - (len(measured) - 1)
    scale = precise.sum() - (precise**2).sum() / precise.sum()
    return mean, max(0.0, excess / float(scale))


def _scores(truth: RowScores, measured: RowScores, percentile: float) -> tuple[float | None, ...]:
    chosen, _ = anchors(np.abs(measured), percentile=percentile)
    return (
        average_precision(chosen, np.abs(truth)).value,
        _spearman(np.abs(truth), np.abs(measured)),
        _spearman(truth, measured),
    )


def _spearman(left: RowScores, right: RowScores) -> float | None:
    rows = NumberRows(left, right, np.zeros(len(left), int), np.zeros(len(left), int))
    return Spearman().value(rows).value


def _means(rows: Sequence[tuple[float | None, ...]]) -> list[float | None]:
    columns = [
        [value for value in column if value is not None] for column in zip(*rows, strict=True)
    ]
    return [float(np.mean(column)) if column else None for column in columns]
