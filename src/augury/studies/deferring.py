"""Plan deferrals from a file of saved predictions."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from augury.config import Config
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


class DeferralConfig(Config):
    """What two thresholds are chosen for."""

    objective: Literal["budget", "error"] = "budget"
    """`budget`: the least error with at most so much deferred; `error`: the reverse."""

    deferral_budget: float = Field(0.2, ge=0, le=1)
    """With `budget`: largest share of rows to defer."""

    target_accepted_error: float = Field(0.05, ge=0, le=1)
    """With `error`: largest share of accepted rows to get wrong."""

    grid_size: int | None = Field(None, ge=2)
    """Try this many quantiles of the scores; every score where not given."""

    seed: int = Field(0, ge=0)
    """Of the deal of groups and of the intervals."""

    split: str | None = None
    """Column: `validation` or `test`; groups are dealt where not given."""

    by: str | None = None
    """Column: kinds of row with thresholds of their own."""


def plan_file(
    path: Path, named: tuple[str, str, str], config: DeferralConfig, *, out: Path | None = None
) -> list[str]:
    """Plan for one score; with `out`, the plan is written there as JSON.

    Args:
        path: A Parquet file.
        named: Columns of group, label and score.
        config: What is asked for.
        out: JSON file to write.

    Raises:
        DataError: As `read_predictions` and `plan_deferrals`.
        MissingInput: There is no such file.
    """
    group, label, score = named
    limit = config.deferral_budget if config.objective == "budget" else config.target_accepted_error
    columns = Columns(group, label, (score,), config.split, by=config.by)
    rows = read_predictions(path, columns, seed=config.seed)
    wanted = Objective(config.objective, limit)
    plan = plan_deferrals(rows, score, wanted, grid_size=config.grid_size, seed=config.seed)
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
