"""What each column of a grid predicts, and from which rows: labels and weights, block by block.

Dense arrays [row, column] are the general case. Horizons x strengths x folds x class weights need
far less: a column is a target, a mask of rows and one weight per class, and many columns share
targets and masks. Then memory grows with targets and masks, not with columns.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from augury.errors import DataError, UsageError

__all__ = ["Columns", "DenseColumns", "JoinedColumns", "Mass", "Rows", "SharedColumns", "mass"]

Rows = slice | np.ndarray
"""Rows of a block: a slice or row numbers."""

_CHUNK = 1 << 20


@dataclass(frozen=True)
class Mass:
    """What the columns weigh."""

    positive: np.ndarray
    """Sum of the weights of positive rows, float64 [column]."""

    negative: np.ndarray
    """Sum of the weights of the others, float64 [column]."""

    used: np.ndarray
    """Rows with a positive weight in some column, bool [row]."""

    @property
    def total(self) -> np.ndarray:
        """Sum of the weights, float64 [column]."""
        return np.asarray(self.positive + self.negative)

    @property
    def sound(self) -> np.ndarray:
        """Whether there are rows of both classes, bool [column]."""
        return np.asarray((self.positive > 0) & (self.negative > 0))

    @property
    def share(self) -> np.ndarray:
        """Weight of the positives over that of all, 1/2 where not sound; float64 [column]."""
        return np.where(self.sound, self.positive / np.where(self.sound, self.total, 1), 0.5)


class Columns(Protocol):
    """Labels and weights of many columns over the same rows."""

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""

    def read(self, rows: Rows, live: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Labels (bool) and weights (float32, 0 = unused) of some columns, both [live, row]."""


def mass(columns: Columns) -> Mass:
    """Sum the weights, some rows at a time.

    Raises:
        UsageError: A weight is negative or not finite.
    """
    rows, count = columns.shape
    everyone = np.arange(count)
    sums = np.zeros((2, count))
    used = np.zeros(rows, dtype=bool)
    step = max(1, _CHUNK // max(1, count))
    for first in range(0, rows, step):
        chunk = slice(first, first + step)
        labels, weights = columns.read(chunk, everyone)
        if not np.isfinite(weights).all() or (weights < 0).any():
            raise UsageError(
                "weights",
                found="a value that is negative or not finite",
                expected="values of 0 or more",
            )
        for side, member in enumerate((labels, ~labels)):
            sums[side] += np.where(member, weights, 0).sum(axis=1, dtype=np.float64)
        used[chunk] = (weights > 0).any(axis=0)
    return Mass(sums[0], sums[1], used)


@dataclass(frozen=True)
class DenseColumns:
    """A label and a weight for every row and column."""

    labels: np.ndarray
    """Bool [row, column]."""

    weights: np.ndarray
    """Float32 [row, column]; not negative, 0 = the column does not use the row."""

    @property
    def shape(self) -> tuple[int, int]:
        return int(self.labels.shape[0]), int(self.labels.shape[1])

    def read(self, rows: Rows, live: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        labels, weights = self.labels[rows], self.weights[rows]
        if len(live) < self.labels.shape[1]:
            labels, weights = labels[:, live], weights[:, live]
        # copies are contiguous along the rows, and writable even where the caller's are not
        return np.array(labels.T, order="C"), np.array(weights.T, np.float32, order="C")


@dataclass(frozen=True)
class SharedColumns:
    """Columns that share targets and masks of rows.

    Five folds of seven horizons at ten strengths are 350 columns of 7 targets and 5 masks: 12
    bytes per row instead of 1750.
    """

    labels: np.ndarray
    """Bool [row, target]."""

    use: np.ndarray
    """Which rows may be used, bool [row, mask]."""

    target: np.ndarray
    """Target of each column, from 0; int [column]."""

    mask: np.ndarray
    """Mask of each column, from 0; int [column]."""

    positive: np.ndarray
    """Weight of a positive row, float [column]."""

    negative: np.ndarray
    """Weight of a negative row, float [column]."""

    @property
    def shape(self) -> tuple[int, int]:
        return int(self.labels.shape[0]), len(self.target)

    def read(self, rows: Rows, live: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        labels = np.ascontiguousarray(self.labels[rows].T)[self.target[live]]
        use = np.ascontiguousarray(self.use[rows].T)[self.mask[live]]
        classes = np.stack([self.positive, self.negative]).astype(np.float32)[:, live, None]
        return labels, np.where(labels, *classes) * use

    def __post_init__(self) -> None:
        columns = (self.mask, self.positive, self.negative)
        if len(self.use) != len(self.labels) or any(len(c) != len(self.target) for c in columns):
            raise DataError(
                "columns",
                found=f"{len(self.labels)} and {len(self.use)} rows, "
                f"{[len(self.target), *map(len, columns)]} columns",
                expected="labels and use over the same rows; one entry of each kind per column",
            )


@dataclass(frozen=True)
class JoinedColumns:
    """Columns of several kinds over the same rows, those of one part after those of another."""

    parts: tuple[Columns, ...]

    @property
    def shape(self) -> tuple[int, int]:
        return self.parts[0].shape[0], sum(part.shape[1] for part in self.parts)

    def read(self, rows: Rows, live: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        found, first = [], 0
        for part in self.parts:
            stop = first + part.shape[1]
            found.append(part.read(rows, live[(live >= first) & (live < stop)] - first))
            first = stop
        labels, weights = (np.concatenate(arrays) for arrays in zip(*found, strict=True))
        return labels, weights

    def __post_init__(self) -> None:
        rows = {part.shape[0] for part in self.parts}
        if len(rows) != 1:
            raise DataError("columns", found=f"parts of {sorted(rows)} rows", expected="one number")
