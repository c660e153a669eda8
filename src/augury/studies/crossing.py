"""Scores of many columns put together fold by fold, each row by the fold that tested its group."""

from __future__ import annotations

import numpy as np

from augury.evaluate.cross_fit import settle

__all__ = ["Crossed", "log_odds"]


class Crossed:
    """Log-odds of every row from outside of its group, comparable between folds.

    In each fold, validation groups choose calibration and threshold of every column; the tested
    groups have no say. A column that some fold cannot settle, because its validation rows are of
    one class, ends as zeros: no score of it may be judged.
    """

    def __init__(self, labels: np.ndarray, use: np.ndarray, sides: np.ndarray) -> None:
        """Begin with no fold.

        Args:
            labels: Bool [row, column].
            use: Which rows a column may use, bool [row, column].
            sides: 0 train, 1 validation, 2 test; int [fold, row].
        """
        self.labels, self.use, self.sides = labels, use, sides
        self.log_odds = np.zeros(labels.shape, dtype=np.float32)
        self.validated = np.zeros(labels.shape, dtype=np.float32)
        self.called = np.zeros(labels.shape, dtype=bool)
        self.settled = np.full((len(sides), labels.shape[1], 3), np.nan)
        """Slope, intercept and threshold on raw scores, [fold, column, 3]."""

    def add(self, fold: int, raw: np.ndarray) -> None:
        """Take in raw scores [row, column] of a fold; those of its training rows are ignored."""
        side = self.sides[fold]
        for column in range(raw.shape[1]):
            chooser = (side == 1) & self.use[:, column]
            found = settle(self.labels[chooser, column], raw[chooser, column])
            if found is None:
                continue
            facts = found.platt.slope, found.platt.intercept, found.threshold
            self.settled[fold, column] = facts
            for rows, into in ((side == 1, self.validated), (side == 2, self.log_odds)):
                into[rows, column] = log_odds(raw[rows, column], facts)
            tested = side == 2
            self.called[tested, column] = raw[tested, column] >= found.threshold

    def close(self) -> None:
        """Clear the columns that a fold could not settle."""
        lost = np.isnan(self.settled).any(axis=(0, 2))
        for array in (self.log_odds, self.validated, self.called):
            array[:, lost] = 0
        self.settled[:, lost] = (0.0, 0.0, np.inf)


def log_odds(raw: np.ndarray, settled: tuple[float, float, float] | np.ndarray) -> np.ndarray:
    """Raw scores as log-odds, float32: slope times score plus intercept."""
    return np.asarray(settled[0] * raw.astype(np.float64) + settled[1], dtype=np.float32)
