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
    override: Annotated[
        list[str] | None,
        typer.Option(
            "--override",
            "-o",
            help="key=value: objective=budget or error, deferral_budget, target_accepted_error, "
            "grid_size, seed; columns: split, by (kinds of row with thresholds of their own).",
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="JSON file to write.")] = None,
) -> None:
    """Choose two thresholds on validation, and say what they do on test."""
    from augury.config import load_config
    from augury.studies.deferring import DeferralConfig, plan_file

    config = load_config(DeferralConfig, None, override or [])
    for line in plan_file(file, (group, label, score), config, out=out):
        print(line)
