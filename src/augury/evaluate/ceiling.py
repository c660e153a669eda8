"""How far a score against measured importances can go, and how far one goes that knows only noise.

A sentence's measured importance is its true one plus the error of finite many rollouts. Two
predictors that no probe can be, on labels that are measured anew in every draw:

- *told the truth*: knows the true importance, and how precisely it is measured. The ceiling.
- *told the error*: knows only how precisely it is measured. Large errors make large measured
  values, so whatever foretells the error (an early sentence, an open question) foretells anchors,
  and is no sign of importance.

The truth is drawn from what the measurement leaves possible: normal, shrunk towards the problem's
mean by the share of its spread that is error.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

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

    anchor_binary: float | None
    """Average precision of the one that is told the truth, against measured anchors."""

    importance_abs: float | None
    """Its rank correlation with the measured size."""

    importance_signed: float | None
    """Its rank correlation with the measured value."""

    error_alone: float | None
    """Average precision of the one that is told the error, against the anchors as they are."""


def ceiling_of(of: Importance, *, percentile: float, draws: int = 100, seed: int = 0) -> Ceiling:
    """The ceiling of one problem.

    Errors are blind (`targets.importance.blind_error`). The variance of the truth is that of the
    measured values less the mean squared error, at least 0. A sentence of which nothing was
    measured (no rollout wrote anything else) keeps its value.

    Args:
        of: Its sentences.
        percentile: Of the anchors, as they were labelled.
        draws: Of truth and measurement.
        seed: Of the draws.
    """
    known = np.isfinite(of.blind_error) & (of.blind_error > 0)
    if known.sum() < 3 or np.ptp(of.signed[known]) == 0:
        return Ceiling(None, None, None, None, None)
    error = np.where(known, of.blind_error, 0.0)
    mean, noise_power = float(of.signed[known].mean()), float(np.mean(error[known] ** 2))
    spread = max(0.0, float(of.signed[known].var()) - noise_power)
    reliability = spread / (spread + noise_power)
    weight = np.divide(spread, spread + error**2, out=np.ones(len(error)), where=known)
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(draws):
        noise, again = rng.normal(size=(2, len(error)))
        truth = mean + weight * (of.signed - mean) + np.sqrt(weight) * error * noise
        truth = np.where(known, truth, of.signed)
        found.append(_scores(truth, error, truth + error * again, percentile))
    alone = average_precision(of.anchor, error).value
    anchor, size, signed = _means(found)
    return Ceiling(reliability, anchor, size, signed, alone)


def _scores(
    truth: RowScores, error: RowScores, measured: RowScores, percentile: float
) -> tuple[float | None, ...]:
    chosen, threshold = anchors(np.abs(measured), percentile=percentile)
    safe = np.maximum(error, 1e-9)
    # Chance that a new measurement is an anchor, and its expected size: a folded normal.
    chance = ndtr((-threshold - truth) / safe) + ndtr((truth - threshold) / safe)
    size = safe * np.sqrt(2 / np.pi) * np.exp(-0.5 * (truth / safe) ** 2)
    size = size + truth * (1 - 2 * ndtr(-truth / safe))
    return (
        average_precision(chosen, chance).value,
        _spearman(np.abs(measured), size),
        _spearman(measured, truth),
    )


def _spearman(measured: RowScores, told: RowScores) -> float | None:
    """0 where nothing can be told: without a spread of the truth, all of it is alike."""
    same = np.zeros(len(measured), int)
    rows = NumberRows(measured, told, same, same)
    return Spearman().value(rows).value


def _means(rows: Sequence[tuple[float | None, ...]]) -> list[float | None]:
    columns = [
        [value for value in column if value is not None] for column in zip(*rows, strict=True)
    ]
    return [float(np.mean(column)) if column else None for column in columns]
