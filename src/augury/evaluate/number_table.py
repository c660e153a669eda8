"""A NumberResult as one flat row of a table, as `table.py` does for binary targets."""

from __future__ import annotations

from augury.evaluate.intervals import Interval
from augury.evaluate.number_records import NumberResult
from augury.evaluate.table import CellValue

__all__ = ["number_row"]

_METRICS = ("spearman", "group_spearman", "r2", "top_recall")


def number_row(result: NumberResult) -> dict[str, CellValue]:
    """Flat columns in a fixed order; None where a value does not exist.

    Columns are prefixed by split (`train_`, `val_`, `test_`) and baseline; `headline_` is the
    metric that the column `headline` names.
    """
    row: dict[str, CellValue] = {
        "site": result.site,
        "horizon": result.horizon,
        "label": result.label,
        "headline": result.headline,
        "verdict": result.verdict,
        "why": result.why,
    }
    splits = (("train", result.train), ("val", result.validation), ("test", result.test))
    for prefix, split in splits:
        row |= {f"{prefix}_rows": split.rows, f"{prefix}_groups": split.groups}
        row |= {f"{prefix}_{name}": getattr(split, name).value for name in _METRICS}
    row |= _ends("headline", result.interval)
    row |= {
        "slope": result.slope,
        "intercept": result.intercept,
        "p": result.p,
        "p_corrected": result.p_corrected,
        "null_low": result.null_low,
        "null_high": result.null_high,
        "best_baseline": result.best_baseline,
        "difference_low_simultaneous": result.difference_low_simultaneous,
    }
    for name, base in result.baselines.items():
        prefix = f"baseline_{name}"
        row |= {f"{prefix}_headline": base.headline.value, f"{prefix}_difference": base.difference}
        row |= _ends(f"{prefix}_difference", base.interval)
        row[f"{prefix}_difference_low_simultaneous"] = base.difference_low_simultaneous
    return row


def _ends(prefix: str, found: Interval | None) -> dict[str, CellValue]:
    return {
        f"{prefix}_low": found.low if found else None,
        f"{prefix}_high": found.high if found else None,
    }
