"""OpenedCell: what one cell shows by itself, before it is compared with anything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from augury.evaluate.calibrate import Platt, fit_platt
from augury.evaluate.cells import TEST, TRAIN, VALIDATION, SplitRows, split_rows
from augury.evaluate.isotonic import CalibrationKind, Isotonic, fit_calibration
from augury.evaluate.metrics import (
    accuracy,
    auroc_of,
    average_precision_of,
    balanced_accuracy,
    best_f1_threshold,
    brier,
    expected_calibration_error,
    f1,
    group_average_precision,
    recall_at_fpr_of,
)
from augury.evaluate.ranking import rank_rows
from augury.evaluate.records import CellScores, SplitScores
from augury.evaluate.reliability import ReliabilityBin, reliability
from augury.evaluate.score import Score
from augury.evaluate.verdict import insufficiency
from augury.shapes import Labels, RowScores

__all__ = ["OpenedCell", "open_cell"]


@dataclass(frozen=True, slots=True, eq=False)
class OpenedCell:
    """A cell with its splits scored. Threshold and calibration come from validation alone."""

    cell: CellScores
    """The cell as it was given."""

    rows: SplitRows
    """Its test rows."""

    train: SplitScores
    """Scores on train rows."""

    validation: SplitScores
    """Scores on validation rows."""

    test: SplitScores
    """Scores on test rows."""

    threshold: Score
    """Best F1 on validation."""

    called: Labels | None
    """True where a test row is called positive; None where there is no threshold."""

    calibration: Platt | Isotonic | None
    """Score to probability, fitted on validation."""

    brier: Score
    """Of the calibrated probabilities on test."""

    calibration_error: Score
    """Of the calibrated probabilities on test."""

    reliability: tuple[ReliabilityBin, ...]
    """The bins behind it."""

    lack: str
    """Why the rows cannot carry a verdict; empty where they can."""

    baselines: Mapping[str, SplitRows]
    """The same test rows with a baseline's scores instead of the probe's, by baseline."""


def open_cell(cell: CellScores, calibration_kind: CalibrationKind = "platt") -> OpenedCell:
    """Score every split of a cell, with threshold and calibration chosen on validation."""
    parts = [split_rows(cell, split) for split in (TRAIN, VALIDATION, TEST)]
    calibration: Platt | Isotonic | None
    called: list[Labels | None]
    if cell.folds is None:
        chooser = parts[1]
        threshold = best_f1_threshold(chooser.labels, chooser.scores)
        calibration = fit_calibration(calibration_kind, chooser.labels, chooser.scores)
        least = threshold.value
        called = [None if least is None else part.scores >= least for part in parts]
    else:
        threshold = Score.undefined("one per fold")
        parts[1] = replace(parts[2], scores=cell.folds.validated)
        # scores without spread are of a column that a fold could not settle
        spread = np.ptp(parts[2].scores) > 0
        calibration = fit_platt(parts[1].labels, parts[1].scores) if spread else None
        called = [None, None, cell.folds.called]
    rows = parts[2]
    train, validation, test = map(_known, parts, map(_split_scores, parts, called))
    stated = _stated(cell, rows, calibration)
    error, gap, bins = _calibrated(rows, stated)
    return OpenedCell(
        cell,
        rows,
        train,
        validation,
        test,
        threshold,
        called[2],
        calibration,
        error,
        gap,
        bins,
        insufficiency(train, validation, test) or test.average_precision.reason,
        _baseline_rows(cell, rows),
    )


def _split_scores(rows: SplitRows, called: Labels | None) -> SplitScores:
    """Metrics of one split, whose rows are called positive or not."""
    ranking = rank_rows(rows.labels, rows.scores)
    no_threshold = Score.undefined("no threshold: validation has no positive row")
    at_threshold = [no_threshold] * 3
    if called is not None:
        at_threshold = [
            metric(rows.labels, called.astype(np.float64), threshold=1.0)
            for metric in (f1, accuracy, balanced_accuracy)
        ]
    return SplitScores(
        rows=len(rows.labels),
        groups=len(np.unique(rows.groups)),
        positive_groups=len(np.unique(rows.groups[rows.labels])),
        positives=int(np.count_nonzero(rows.labels)),
        average_precision=average_precision_of(ranking),
        auroc=auroc_of(ranking),
        f1=at_threshold[0],
        accuracy=at_threshold[1],
        balanced_accuracy=at_threshold[2],
        recall_at_1pct_fpr=recall_at_fpr_of(ranking, rate=0.01),
        group_average_precision=group_average_precision(rows.labels, rows.scores, rows.groups),
    )


def _known(rows: SplitRows, found: SplitScores) -> SplitScores:
    """What was measured: rows of one class, or of one score, give 1, 0.5 or 0 whatever the probe.

    Where all rows have one score, no metric is left; without a negative row, average precision
    goes too.
    """
    changes: dict[str, Any] = {}
    if found.rows and found.positives == found.rows:
        changes = {"average_precision": Score.undefined("no negative row")}
    elif found.positives and np.ptp(rows.scores) == 0:
        none = Score.undefined("every row has the same score")
        metrics = (f.name for f in fields(found) if isinstance(getattr(found, f.name), Score))
        changes = dict.fromkeys(metrics, none)
    return replace(found, **changes)


def _baseline_rows(cell: CellScores, rows: SplitRows) -> dict[str, SplitRows]:
    at = np.flatnonzero(cell.split == TEST)
    return {name: replace(rows, scores=given[at]) for name, given in cell.baselines.items()}


def _stated(
    cell: CellScores, rows: SplitRows, calibration: Platt | Isotonic | None
) -> RowScores | None:
    """Probabilities of the test rows, which no label of their groups went into."""
    if calibration is None:
        return None
    if cell.folds is not None:
        return Platt(1.0, 0.0).probability(cell.folds.log_odds)
    return calibration.probability(rows.scores)


def _calibrated(
    rows: SplitRows, probability: RowScores | None
) -> tuple[Score, Score, tuple[ReliabilityBin, ...]]:
    if probability is None:
        none = Score.undefined("no calibration: validation has one class only")
        return none, none, ()
    return (
        brier(rows.labels, probability),
        expected_calibration_error(rows.labels, probability),
        reliability(rows.labels, probability),
    )
