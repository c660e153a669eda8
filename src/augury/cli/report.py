"""`augury report` and `augury matrix`: many runs, told in one place."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["matrix", "report"]

Names = Annotated[
    list[str], typer.Argument(metavar="RUN...", help="Runs by name or path, or sweeps by path.")
]
Runs = Annotated[Path, typer.Option("--runs", help="Folder of all runs.")]


def report(
    names: Names,
    into: Annotated[Path, typer.Option("--into", help="Markdown file with marked sections.")],
    runs: Runs = Path("runs"),
) -> None:
    """Write what runs found into the marked sections of a file; the same runs, the same bytes."""
    from augury.report.sections import fill_file
    from augury.studies.named_runs import named_runs
    from augury.sweeps.write_into import SECTIONS, section_text

    meant = named_runs(names, runs)
    filled = fill_file(into, lambda name: section_text(name, meant), SECTIONS)
    print(f"{into}: {', '.join(filled)} of {len(meant)} runs")


def matrix(
    names: Names,
    csv: Annotated[Path | None, typer.Option("--csv", help="Write the whole table here.")] = None,
    runs: Runs = Path("runs"),
) -> None:
    """Models x settings: the primary metric of each target, interval, lead and storage."""
    from augury.report.tables import write_csv
    from augury.report.text_table import text_table
    from augury.runs.progress import printable
    from augury.studies.named_runs import named_runs
    from augury.sweeps.matrix import COLUMNS, matrix_rows

    rows = matrix_rows(named_runs(names, runs))
    if csv is not None:
        write_csv(csv, COLUMNS, [[row[name] for name in COLUMNS] for row in rows])
    shown = [name for name in COLUMNS if name not in ("study", "sees", "validation", "run")]
    for line in text_table(shown, [[row[name] for name in shown] for row in rows]):
        print(printable(line))
