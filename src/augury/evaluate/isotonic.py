"""Isotonic calibration: the rising step line from score to probability that fits best."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from sklearn.isotonic import IsotonicRegression

from augury.evaluate.calibrate import Platt, fit_platt
from augury.evaluate.ranking import check_rows
from augury.shapes import Labels, RowScores

__all__ = ["CalibrationKind", "Isotonic", "fit_calibration", "fit_isotonic"]

CalibrationKind = Literal["platt", "isotonic"]
"""How scores become probabilities; to be decided before looking, not by which looks better."""


@dataclass(frozen=True, slots=True)
class Isotonic:
    """Probability by interpolation between knots; scores beyond the ends get those of the ends."""

    scores: tuple[float, ...]
    """Knots, rising."""

    probabilities: tuple[float, ...]
    """At the knots, never falling, in (0, 1)."""

    def probability(self, scores: RowScores) -> RowScores:
        """Probability of a positive, one per score, in [0, 1]."""
        given = np.asarray(scores, np.float64)
        return np.asarray(np.interp(given, self.scores, self.probabilities))


def fit_calibration(
    kind: CalibrationKind, labels: Labels, scores: RowScores
) -> Platt | Isotonic | None:
    """`fit_platt` or `fit_isotonic`."""
    return fit_platt(labels, scores) if kind == "platt" else fit_isotonic(labels, scores)


def fit_isotonic(labels: Labels, scores: RowScores) -> Isotonic | None:
    """Pooled adjacent violators (Zadrozny and Elkan 2002) on Platt's smoothed targets.

    It assumes order and no shape, so it needs more rows than Platt's two numbers: with fewer than a
    thousand it follows noise. The smoothed targets keep 0 and 1, and so an infinite log loss, away.
    None where a class is absent.

    Raises:
        DataError: Lengths differ, labels are not boolean, or a score is not finite.
    """
    check_rows(labels, scores)
    positives = int(np.count_nonzero(labels))
    negatives = len(labels) - positives
    if not positives or not negatives:
        return None
    target = np.where(labels, (positives + 1) / (positives + 2), 1 / (negatives + 2))
    fitted = IsotonicRegression().fit(np.asarray(scores, np.float64), target)
    knots = (fitted.X_thresholds_, fitted.y_thresholds_)
    return Isotonic(*(tuple(float(value) for value in each) for each in knots))
