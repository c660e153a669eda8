"""Stated probabilities beside what happened, before and after they know how rare the event is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from augury.evaluate.intervals import (
    Interval,
    effective_groups,
    group_draws,
    interval,
    left_out,
)
from augury.evaluate.metrics import brier, expected_calibration_error
from augury.evaluate.score import Score
from augury.shapes import Labels, RowGroups, RowScores

__all__ = ["Stated", "stated"]


@dataclass(frozen=True, slots=True)
class Stated:
    """Probabilities of one maker on test rows."""

    name: str
    """How they came to be."""

    mean: float
    """Mean stated probability; what happened is the prevalence."""

    excess: float
    """Mean stated probability less the share of positives; above 0 promises too much."""

    interval: Interval | None
    """95 % interval of the excess, groups resampled."""

    calibration_error: Score
    """Expected calibration error, equal-mass bins; 0 is best."""

    brier: Score
    """Mean squared error; 0 is best."""


def stated(
    name: str,
    labels: Labels,
    probabilities: RowScores,
    groups: RowGroups,
    *,
    draws: int = 1000,
    seed: int = 0,
) -> Stated:
    """Compare probabilities with labels.

    Raises:
        DataError: Lengths differ, or a probability lies outside [0, 1].
    """
    error, gap = brier(labels, probabilities), expected_calibration_error(labels, probabilities)
    place = np.unique(groups, return_inverse=True)[1]
    rows = np.bincount(place).astype(np.float64)
    lead = np.bincount(place, weights=probabilities - labels)
    weights = group_draws(len(rows), draws, seed)
    left = left_out(len(rows))
    point = float(lead.sum() / rows.sum())
    held = interval(
        point,
        (weights @ lead) / (weights @ rows),
        len(np.unique(place[labels])),
        effective=effective_groups(labels, groups),
        left=(left @ lead) / np.maximum(left @ rows, 1),
    )
    return Stated(name, float(np.mean(probabilities)), point, held, gap, error)
