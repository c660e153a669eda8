"""`augury plan-deferrals`: two thresholds, and what lies between them goes to somebody else."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["command"]


def command(
    file: Annotated[Path, typer.Argument(help="Parquet file of predictions.")],
    group: Annotated[str, typer.Option("--group", help="Column: what is never split.")],
    label: Annotated[str, typer.Option("--label", help="Column: 0 or 1, false or true.")],
    score: Annotated[str, typer.Option("--score", help="Column of the score.")],
    split: Annotated[
        str | None, typer.Option("--split", help="Column: validation or test; dealt if absent.")
    ] = None,
    by: Annotated[
        str | None, typer.Option("--by", help="Column: kinds of row with thresholds of their own.")
    ] = None,
    objective: Annotated[
        str, typer.Option(help="budget: least error within a deferral; error: the reverse.")
    ] = "budget",
    deferral_budget: Annotated[
        float, typer.Option(help="With budget: largest share of rows to defer.")
    ] = 0.2,
    target_accepted_error: Annotated[
        float, typer.Option(help="With error: largest share of accepted rows to get wrong.")
    ] = 0.05,
    grid_size: Annotated[
        int | None, typer.Option(help="Try this many quantiles instead of every score.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the deal and the intervals.")] = 0,
    out: Annotated[Path | None, typer.Option("--out", help="JSON file to write.")] = None,
) -> None:
    """Choose two thresholds on validation, and say what they do on test."""
    from augury.errors import UsageError
    from augury.evaluate.deferral import Objective
    from augury.evaluate.predictions import Columns
    from augury.studies.deferring import plan_file

    if objective not in ("budget", "error"):
        raise UsageError("--objective", found=objective, expected="budget or error")
    limit = deferral_budget if objective == "budget" else target_accepted_error
    columns = Columns(group, label, (score,), split, by=by)
    wanted = Objective(objective, limit)  # type: ignore[arg-type]
    for line in plan_file(file, columns, wanted, grid_size=grid_size, seed=seed, out=out):
        print(line)
