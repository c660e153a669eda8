"""A CellResult as one flat row of a table, for CSV, JSON and leaderboards."""

from __future__ import annotations

from augury.evaluate.intervals import Interval
from augury.evaluate.records import BaselineResult, CellResult, SplitScores
from augury.evaluate.selectivity import Selectivity

__all__ = ["CellValue", "result_row"]

CellValue = str | int | float | bool | None

_METRICS = (
    "average_precision",
    "auroc",
    "f1",
    "accuracy",
    "balanced_accuracy",
    "recall_at_1pct_fpr",
    "group_average_precision",
)


def result_row(result: CellResult) -> dict[str, CellValue]:
    """Flat columns in a fixed order; None where a value does not exist.

    Columns are prefixed by split (`train_`, `val_`, `test_`) and baseline
    (`baseline_position_...`). Undefined metrics are None, never 0 or nan.
    """
    row: dict[str, CellValue] = {
        "site": result.site,
        "horizon": result.horizon,
        "lag": result.lag,
        "label": result.label,
        "kind": result.kind,
        "verdict": result.verdict,
        "why": result.why,
    }
    for prefix, split in (
        ("train", result.train),
        ("val", result.validation),
        ("test", result.test),
    ):
        row |= _split_columns(prefix, split)
    row |= _interval_columns("test_average_precision", result.interval)
    row |= _interval_columns("test_auroc", result.auroc_interval)
    row |= _interval_columns("test_f1", result.f1_interval)
    row |= {
        "interval_caution": result.interval.caution if result.interval else None,
        "threshold": result.threshold.value,
        "test_brier": result.brier.value,
        "test_calibration_error": result.calibration_error.value,
        "p": result.p,
        "p_corrected": result.p_corrected,
        "null_low": result.null_low,
        "null_high": result.null_high,
        "best_baseline": result.best_baseline,
        "difference_low_simultaneous": result.difference_low_simultaneous,
    }
    if result.selectivity is not None:
        row |= _selectivity_columns(result.selectivity)
    for name, baseline in result.baselines.items():
        row |= _baseline_columns(f"baseline_{name}", baseline)
    return row


def _split_columns(prefix: str, split: SplitScores) -> dict[str, CellValue]:
    columns: dict[str, CellValue] = {
        f"{prefix}_rows": split.rows,
        f"{prefix}_groups": split.groups,
        f"{prefix}_positive_groups": split.positive_groups,
        f"{prefix}_positives": split.positives,
        f"{prefix}_prevalence": split.prevalence,
    }
    return columns | {f"{prefix}_{name}": getattr(split, name).value for name in _METRICS}


def _selectivity_columns(found: Selectivity) -> dict[str, CellValue]:
    columns: dict[str, CellValue] = {
        "control_task_auroc": found.control.value,
        "selectivity": found.difference.value,
    }
    return columns | _interval_columns("selectivity", found.interval)


def _interval_columns(prefix: str, found: Interval | None) -> dict[str, CellValue]:
    return {
        f"{prefix}_low": found.low if found else None,
        f"{prefix}_high": found.high if found else None,
    }


def _baseline_columns(prefix: str, baseline: BaselineResult) -> dict[str, CellValue]:
    columns: dict[str, CellValue] = {
        f"{prefix}_ap": baseline.ap.value,
        f"{prefix}_auroc": baseline.auroc.value,
        f"{prefix}_difference": baseline.difference,
    }
    columns |= _interval_columns(f"{prefix}_difference", baseline.interval)
    columns[f"{prefix}_difference_low_simultaneous"] = baseline.difference_low_simultaneous
    return columns
