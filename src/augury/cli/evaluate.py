"""`augury evaluate`: judge saved scores again, or anybody's, without a model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["command"]


def command(
    what: Annotated[
        str,
        typer.Argument(
            help="Parquet file of predictions; or a run: a name, a path, 'latest', STUDY/NAME."
        ),
    ] = "latest",
    group: Annotated[str, typer.Option("--group", help="Column: what is never split.")] = "",
    label: Annotated[
        str, typer.Option("--label", help="Column: 0 or 1, false or true; or numbers.")
    ] = "",
    score: Annotated[
        list[str] | None, typer.Option("--score", help="Column of a score; may be repeated.")
    ] = None,
    override: Annotated[
        list[str] | None,
        typer.Option(
            "--override",
            "-o",
            help="key=value. Columns: baselines=[A, B], split, trace. Settings: continuous=true, "
            "residual, headline, calibration, validation_share, draws, permutations, alpha, seed.",
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Folder for CSV, JSON, report.")] = None,
    runs: Annotated[Path, typer.Option("--runs", help="Folder of all runs.")] = Path("runs"),
) -> None:
    """Judge saved scores: intervals, baselines, permutation p, calibration, verdict."""
    from augury.studies.judge_named import judge_named

    for line in judge_named(what, (group, label, score or ()), override or (), out=out, runs=runs):
        print(line)
