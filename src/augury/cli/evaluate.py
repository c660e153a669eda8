"""`augury evaluate`: judge saved scores again, or anybody's, without a model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["command"]


def command(
    what: Annotated[
        str, typer.Argument(help="Parquet file of predictions; or a run: a name, path or 'latest'.")
    ] = "latest",
    group: Annotated[str, typer.Option("--group", help="Column: what is never split.")] = "",
    label: Annotated[str, typer.Option("--label", help="Column: 0 or 1, false or true.")] = "",
    score: Annotated[
        list[str] | None, typer.Option("--score", help="Column of a score; may be repeated.")
    ] = None,
    split: Annotated[
        str | None, typer.Option("--split", help="Column: train, validation or test.")
    ] = None,
    validation_share: Annotated[
        float | None, typer.Option(help="Without --split: share of traces that choose thresholds.")
    ] = None,
    trace: Annotated[
        str | None, typer.Option("--trace", help="Column: the text of the row, rows in order.")
    ] = None,
    baseline: Annotated[
        list[str] | None,
        typer.Option("--baseline", help="Column of a score that saw no states; may be repeated."),
    ] = None,
    continuous: Annotated[
        bool, typer.Option("--continuous", help="The label is a number: judge rank correlation.")
    ] = False,
    out: Annotated[Path | None, typer.Option("--out", help="Folder for CSV, JSON, report.")] = None,
    override: Annotated[
        list[str] | None,
        typer.Option(
            "--override", "-o", help="key=value: draws, alpha, seed, calibration, headline."
        ),
    ] = None,
    study: Annotated[str, typer.Option("--study", help="Study of the run.")] = "backtracking-lag",
    runs: Annotated[Path, typer.Option("--runs", help="Folder of all runs.")] = Path("runs"),
) -> None:
    """Judge saved scores: intervals, baselines, permutation p, calibration, verdict."""
    from augury.config import load_config
    from augury.evaluate.predictions import Columns
    from augury.studies.judging import JudgingConfig, judge_file, judge_run, report_judgement
    from augury.studies.judging_numbers import judge_number_file

    if what.endswith(".parquet") or Path(what).is_file():
        named = tuple(score or ()), split, trace, tuple(baseline or ())
        columns = Columns(group, label, *named, continuous=continuous)
        share = [] if validation_share is None else [f"validation_share={validation_share}"]
        config = load_config(JudgingConfig, None, [*(override or []), *share])
        if continuous:
            lines = judge_number_file(Path(what), columns, config, out)
        else:
            lines = report_judgement(judge_file(Path(what), columns, config), out)
    else:
        lines = report_judgement(judge_run(study, runs, what), out)
    for line in lines:
        print(line)
