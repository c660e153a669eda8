"""Judge a run again whose scores are judged within groups."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydantic import TypeAdapter

from augury.evaluate.group_scores import GroupResult
from augury.evaluate.intervals import Interval
from augury.report.tables import CellValue, write_csv
from augury.report.text_table import text_table
from augury.runs.atomic import write_bytes

__all__ = ["report_group_results"]

_COLUMNS = (
    "target",
    "predictor",
    "metric",
    "score",
    "95 %",
    "groups",
    "best baseline",
    "lead",
    "sure lead",
    "p",
    "verdict",
)
_RESULTS = TypeAdapter(list[GroupResult])


def report_group_results(
    results: Sequence[GroupResult], source: Path, out: Path | None
) -> list[str]:
    """Lines for a terminal; with a folder, `results.csv` and `cells.json` are written too.

    Args:
        results: That were judged again, and agree with the stored ones.
        source: Folder of the run.
        out: Where to write; None writes nothing.
    """
    rows = [_row(result) for result in results]
    lines = text_table(_COLUMNS, rows)
    lines.append(f"{source}: {len(results)} cells agree with the stored results")
    if out is not None:
        write_csv(out / "results.csv", _COLUMNS, rows)
        write_bytes(out / "cells.json", _RESULTS.dump_json(list(results), indent=1))
        lines += [str(out / "results.csv"), str(out / "cells.json")]
    return lines


def _row(result: GroupResult) -> tuple[CellValue, ...]:
    best = result.best_baseline
    lead = result.baselines[best] if best else None
    return (
        result.target,
        result.predictor,
        result.metric,
        result.score.value,
        _range(result.interval),
        result.groups,
        best,
        lead.difference if lead else None,
        lead.difference_low_simultaneous if lead else None,
        result.p_corrected,
        result.verdict,
    )


def _range(held: Interval | None) -> str | None:
    return f"{held.low:.3f} to {held.high:.3f}" if held else None
