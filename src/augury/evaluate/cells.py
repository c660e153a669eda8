"""Checks that a grid of cells can be judged, and the rows of one split of a cell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from augury.errors import DataError
from augury.evaluate.ranking import check_rows
from augury.evaluate.records import CellScores, ControlScores, FoldScores
from augury.shapes import Labels, RowGroups, RowScores

__all__ = ["TEST", "TRAIN", "VALIDATION", "SplitRows", "check_cells", "split_rows"]

TRAIN, VALIDATION, TEST = 0, 1, 2


@dataclass(frozen=True, slots=True, eq=False)
class SplitRows:
    """The rows of one split of one cell."""

    labels: Labels
    """True where the row is positive."""

    scores: RowScores
    """The probe's score."""

    groups: RowGroups
    """Number of the group."""

    traces: RowGroups
    """Number of the trace."""


def split_rows(cell: CellScores, split: int) -> SplitRows:
    """The rows of `cell` in split 0 (train), 1 (validation) or 2 (test), in their order."""
    at = np.flatnonzero(cell.split == split)
    return SplitRows(cell.labels[at], cell.scores[at], cell.groups[at], cell.traces[at])


def check_cells(cells: Sequence[CellScores]) -> None:
    """Refuse a grid that cannot be judged.

    Raises:
        DataError: There is no cell; two cells have the same coordinates; arrays of a cell differ in
            length; a score is not finite; a number is negative or a split is not 0, 1 or 2; a group
            is in two splits or a trace in two groups; a cell has no baseline; a control task was
            tested on other than test rows, or folds leave a row that is no test row.
    """
    if not cells:
        raise DataError("grid", found="no cell", expected="at least one")
    seen: set[str] = set()
    for cell in cells:
        if cell.name in seen:
            raise DataError(cell.name, found="given twice", expected="one cell per coordinate")
        seen.add(cell.name)
        _check_cell(cell)


def _check_cell(cell: CellScores) -> None:
    check_rows(cell.labels, cell.scores, where=cell.name)
    for name, values in (("groups", cell.groups), ("traces", cell.traces), ("split", cell.split)):
        if values.shape != cell.labels.shape or not np.issubdtype(values.dtype, np.integer):
            found = f"{name} of type {values.dtype}, shape {values.shape}"
            expected = f"whole numbers of shape {cell.labels.shape}"
            raise DataError(cell.name, found=found, expected=expected)
        if values.min(initial=0) < 0:
            raise DataError(cell.name, found=f"negative {name}", expected="numbers from 0")
    if cell.split.max(initial=0) > TEST:
        found = f"split {int(cell.split.max())}"
        raise DataError(cell.name, found=found, expected="0 train, 1 validation or 2 test")
    _check_nested(cell.groups, cell.split, f"{cell.name}: group", "split")
    _check_nested(cell.traces, cell.groups, f"{cell.name}: trace", "group")
    if not cell.baselines:
        fix = "score at least one predictor that never sees activations"
        raise DataError(cell.name, found="no baseline", expected="at least one", fix=fix)
    for name, scores in cell.baselines.items():
        check_rows(cell.labels, scores, where=f"{cell.name}: baseline {name}")
    if cell.control is not None:
        _check_control(cell, cell.control)
    if cell.folds is not None:
        _check_folds(cell, cell.folds)


def _check_control(cell: CellScores, control: ControlScores) -> None:
    where = f"{cell.name}: control task"
    check_rows(control.labels, control.scores, where=where)
    rows = control.rows
    if rows.shape != control.labels.shape or (len(np.unique(rows)) < len(rows)):
        raise DataError(where, found=f"rows of shape {rows.shape}", expected="each row once")
    outside = len(rows) and not 0 <= rows.min() <= rows.max() < len(cell.split)
    if outside or (cell.split[rows] != TEST).any():
        raise DataError(where, found="a row that is no test row", expected="test rows of the cell")


def _check_folds(cell: CellScores, folds: FoldScores) -> None:
    where = f"{cell.name}: folds"
    check_rows(folds.called, folds.validated, where=where)
    check_rows(folds.called, folds.log_odds, where=where)
    if folds.called.shape != cell.labels.shape or (cell.split != TEST).any():
        found = f"{len(folds.called)} rows beside {len(cell.labels)}, {np.unique(cell.split)} split"
        raise DataError(where, found=found, expected="the rows of the cell, all of them test rows")


def _check_nested(inner: RowGroups, outer: RowGroups, where: str, what: str) -> None:
    if not len(inner):
        return
    number = inner
    if int(inner.max()) > 8 * len(inner) + 1024:
        number = np.unique(inner, return_inverse=True)[1]
    owner = np.zeros(int(number.max()) + 1, dtype=outer.dtype)
    owner[number] = outer
    wrong = np.flatnonzero(owner[number] != outer)
    if len(wrong):
        row = int(wrong[0])
        found = f"in {what} {int(outer[row])} and in {what} {int(owner[number[row]])}"
        raise DataError(f"{where} {int(inner[row])}", found=found, expected=f"one {what}")
