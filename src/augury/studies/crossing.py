"""Scores of many columns put together fold by fold, each row by the fold that tested its group."""

from __future__ import annotations

import numpy as np

from augury.evaluate.cross_fit import settle

__all__ = ["Crossed", "quantile_log_odds"]


class Crossed:
    """Scores of every row from outside of its group, on one scale for all folds.

    The scores of a fold are its models' own only up to a monotone curve, and a linear calibration
    does not undo it: where scores have long tails, its slope is what a few rows say. So a row's
    score is its place among the validation rows of the fold that tested it, which needs no label.

    In each fold validation groups choose calibration and threshold; the tested groups have no say.
    A column that some fold cannot settle, because its validation rows are of one class, ends as
    zeros: no score of it may be judged.
    """

    def __init__(self, labels: np.ndarray, use: np.ndarray, sides: np.ndarray) -> None:
        """Begin with no fold.

        Args:
            labels: Bool [row, column].
            use: Which rows a column may use, bool [row, column].
            sides: 0 train, 1 validation, 2 test; int [fold, row].
        """
        self.labels, self.use, self.sides = labels, use, sides
        self.scores = np.zeros(labels.shape, dtype=np.float32)
        """`quantile_log_odds` among the validation rows of the fold that tested the row."""
        self.validated = np.zeros(labels.shape, dtype=np.float32)
        """The same by a fold that the row validated."""
        self.log_odds = np.zeros(labels.shape, dtype=np.float32)
        """That the row is positive, calibrated by the fold that tested it."""
        self.called = np.zeros(labels.shape, dtype=bool)
        """Whether the row reaches the threshold of that fold."""
        self.settled = np.full((len(sides), labels.shape[1], 3), np.nan)
        """Slope, intercept and threshold on raw scores, [fold, column, 3]."""

    def add(self, fold: int, raw: np.ndarray) -> None:
        """Take in raw scores [row, column] of a fold; those of its training rows are ignored."""
        tested = self.sides[fold] == 2
        for column in range(raw.shape[1]):
            chooser = (self.sides[fold] == 1) & self.use[:, column]
            reference = raw[chooser, column]
            found = settle(self.labels[chooser, column], reference)
            if found is None:
                continue
            platt, threshold = found.platt, found.threshold
            self.settled[fold, column] = platt.slope, platt.intercept, threshold
            given = raw[tested, column].astype(np.float64)
            self.scores[tested, column] = quantile_log_odds(given, reference)
            self.validated[chooser, column] = quantile_log_odds(reference, reference)
            self.log_odds[tested, column] = platt.slope * given + platt.intercept
            self.called[tested, column] = given >= threshold

    def close(self) -> None:
        """Clear the columns that a fold could not settle."""
        lost = np.isnan(self.settled).any(axis=(0, 2))
        for array in (self.scores, self.validated, self.log_odds, self.called):
            array[:, lost] = 0
        self.settled[:, lost] = (0.0, 0.0, np.inf)


def quantile_log_odds(scores: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Log of how many reference scores lie below over how many lie above, between them in line.

    It rises with the score, also beyond the references. Scores of models that agree but for a
    monotone curve come out alike.

    Args:
        scores: Raw scores [row].
        reference: Raw scores by the same model on rows of the same kind, at least one.

    Returns:
        Float64 [row], about 0 for the median.
    """
    known, counts = np.unique(np.asarray(reference, dtype=np.float64), return_counts=True)
    given, spread = np.asarray(scores, dtype=np.float64), float(np.std(reference)) or 1.0
    # equal references share the middle of their ranks, which run from 1
    ranks = np.cumsum(counts) - (counts - 1) / 2
    below = np.interp(given, known, ranks)
    above = len(reference) + 1 - below
    below *= spread / (spread + np.maximum(known[0] - given, 0))
    above *= spread / (spread + np.maximum(given - known[-1], 0))
    return np.asarray(np.log(below) - np.log(above))
