"""Plan deferrals from a file of saved predictions."""

from __future__ import annotations

from pathlib import Path

from augury.evaluate.deferral import Objective
from augury.evaluate.deferral_plan import DeferralPlan, plan_deferrals, plan_facts
from augury.evaluate.predictions import Columns, read_predictions
from augury.report.tables import CellValue
from augury.report.text_table import text_table
from augury.runs.atomic import write_json

__all__ = ["plan_file"]

_COLUMNS = (
    "kind",
    "no at <=",
    "yes at >=",
    "met",
    "val deferral",
    "val error",
    "test deferral",
    "test error",
    "95 %",
    "test rows",
)


def plan_file(
    path: Path,
    columns: Columns,
    objective: Objective,
    *,
    grid_size: int | None = None,
    seed: int = 0,
    out: Path | None = None,
) -> list[str]:
    """Plan for the one score of `columns`; with `out`, the plan is written there as JSON.

    Raises:
        DataError: As `read_predictions` and `plan_deferrals`.
        MissingInput: There is no such file.
    """
    rows = read_predictions(path, columns, seed=seed)
    plan = plan_deferrals(rows, columns.scores[0], objective, grid_size=grid_size, seed=seed)
    lines = text_table(_COLUMNS, _rows(plan))
    if not all(each.thresholds.meets_objective for each in plan.groups):
        lines.append("not met: no pair of thresholds does; those given have the lowest error")
    if out is not None:
        write_json(out, plan_facts(plan))
        lines.append(str(out))
    return lines


def _rows(plan: DeferralPlan) -> list[tuple[CellValue, ...]]:
    rows: list[tuple[CellValue, ...]] = []
    for each in plan.groups:
        held = each.test.error_interval
        rows.append(
            (
                each.name,
                each.thresholds.negative_to,
                each.thresholds.positive_from,
                each.thresholds.meets_objective,
                each.validation.deferral.value,
                each.validation.error.value,
                each.test.deferral.value,
                each.test.error.value,
                f"{held.low:.3f} to {held.high:.3f}" if held else None,
                each.test.rows,
            )
        )
    if len(plan.groups) > 1:
        val, test = plan.validation, plan.test
        shares = (val.deferral.value, val.error.value, test.deferral.value, test.error.value)
        rows.append(("together", None, None, None, *shares, None, test.rows))
    return rows
