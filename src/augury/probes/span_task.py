"""What is to be learned of spans: a target, and which spans serve to fit and to choose.

| target       | values                                | fitted by                           |
|--------------|---------------------------------------|-------------------------------------|
| `binary`     | 0 or 1                                | logistic loss                       |
| `continuous` | any number                            | squared or Huber loss               |
| `rank`       | any number; only its order in a group | logistic loss of pairs of one group |
| `classes`    | 0, 1, ... without order               | softmax                             |
| `ordinal`    | 0, 1, ... in order                    | proportional odds                   |
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from augury.errors import DataError
from augury.probes.spans import Spans

__all__ = ["SpanTask", "TargetKind", "balanced_weights"]

TargetKind = Literal["binary", "continuous", "rank", "classes", "ordinal"]


@dataclass(frozen=True, eq=False)
class SpanTask:
    """Spans, their targets and groups, and the split; checked once, when it is made."""

    spans: Spans
    """All spans; those neither in `train` nor in `validation` are never looked at."""

    target: TargetKind
    """What the values mean."""

    values: np.ndarray
    """Numbers [span]; classes and levels count from 0."""

    groups: np.ndarray
    """[span], what is never split (the problem, the book)."""

    train: np.ndarray
    """Bool [span], to fit on."""

    validation: np.ndarray
    """Bool [span], to choose strengths and to stop early on; never what is reported."""

    weights: np.ndarray | None = None
    """Of the training loss, [span], not negative; None = 1 each. See `balanced_weights`."""

    def __post_init__(self) -> None:
        """Refuse what no probe can be fitted on, by name."""
        _check_shapes(self)
        for side in ("train", "validation"):
            _check_values(self, side)
        _check_groups(self)
        if self.target in ("classes", "ordinal"):
            _check_levels(self)

    @property
    def used(self) -> np.ndarray:
        """Bool [span], train or validation."""
        return np.asarray(self.train | self.validation)

    @property
    def train_weights(self) -> np.ndarray:
        """Float64 [span], 0 outside train."""
        weights = np.ones(len(self.spans)) if self.weights is None else self.weights
        return np.where(self.train, weights, 0.0)


def balanced_weights(values: np.ndarray, train: np.ndarray) -> np.ndarray:
    """Weights under which every class of the training spans weighs the same.

    Returns:
        Float64 [span], mean 1 over the training spans, 0 elsewhere.
    """
    classes, place = np.unique(values[train], return_inverse=True)
    counts = np.bincount(place)
    weights = np.zeros(len(values))
    weights[train] = len(place) / (len(classes) * counts[place])
    return weights


def _check_shapes(task: SpanTask) -> None:
    arrays = {"values": task.values, "groups": task.groups}
    arrays |= {"train": task.train, "validation": task.validation}
    if task.weights is not None:
        arrays["weights"] = task.weights
    wrong = {
        name: array.shape for name, array in arrays.items() if array.shape != (len(task.spans),)
    }
    if wrong:
        raise DataError(
            "span task", found=f"shapes {wrong}", expected=f"({len(task.spans)},), one per span"
        )
    for name in ("train", "validation"):
        if arrays[name].dtype != np.bool_:
            raise DataError(name, found=f"type {arrays[name].dtype}", expected="bool")
    if task.weights is not None and not (np.isfinite(task.weights) & (task.weights >= 0)).all():
        raise DataError("weights", found="a negative or infinite weight", expected="0 or more")


def _check_values(task: SpanTask, side: Literal["train", "validation"]) -> None:
    rows = task.train & (task.train_weights > 0) if side == "train" else task.validation
    if not rows.any():
        raise DataError(side, found="no span", expected="at least one", fix="check the split")
    values = np.asarray(task.values[rows], dtype=np.float64)
    if not np.isfinite(values).all():
        at = np.flatnonzero(rows)[np.argmin(np.isfinite(values))]
        raise DataError(
            f"values: span {at}",
            found="a value that is not finite",
            expected="numbers",
            fix="leave the span out of train and validation",
        )
    if task.target == "binary" and not np.isin(values, (0, 1)).all():
        raise DataError("values", found="numbers besides 0 and 1", expected="a binary target")
    if not _varies(task, rows, values):
        raise DataError(
            f"values of {side}",
            found=f"only {values[0]:g} in {len(values)} spans"
            if len(np.unique(values)) == 1
            else "no group with two unlike values",
            expected="unlike values within a group"
            if task.target == "rank"
            else "at least two unlike values",
            fix="take more groups, or another target",
        )


def _varies(task: SpanTask, rows: np.ndarray, values: np.ndarray) -> bool:
    if task.target != "rank":
        return len(np.unique(values)) > 1
    groups = task.groups[rows]
    return any(len(np.unique(values[groups == group])) > 1 for group in np.unique(groups))


def _check_groups(task: SpanTask) -> None:
    both = np.intersect1d(task.groups[task.train], task.groups[task.validation])
    if len(both):
        raise DataError(
            "groups",
            found=f"{len(both)} both in train and in validation, the first of them {both[0]}",
            expected="every group on one side",
            fix="split by group; one group alone cannot be split",
        )


def _check_levels(task: SpanTask) -> None:
    values = task.values[task.used]
    whole = np.asarray(values, dtype=np.float64)
    levels = np.unique(task.values[task.train & (task.train_weights > 0)])
    counted = np.array_equal(levels, np.arange(len(levels)))
    if not counted or (whole != whole.astype(np.int64)).any() or whole.max() >= len(levels):
        raise DataError(
            "values",
            found=f"training levels {levels.tolist()}, {len(np.unique(values))} levels in all",
            expected="0, 1, ... without gaps, each in train",
            fix="number the levels that occur in train, and leave the others out",
        )
    absent = np.setdiff1d(levels, task.values[task.validation])
    if task.target == "classes" and len(absent):
        raise DataError(
            "values of validation",
            found=f"no span of class {absent[0]}",
            expected="every class in train and in validation",
            fix="take more groups for validation, or join rare classes",
        )
