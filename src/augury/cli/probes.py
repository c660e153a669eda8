"""`augury probes`: saved probes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["app"]

app = typer.Typer(help="Saved probes.", no_args_is_help=True)


@app.command("verify")
def verify(
    run: Annotated[str, typer.Argument(help="Run: a name, a path, or 'latest'.")] = "latest",
    study: Annotated[
        str | None, typer.Option("--study", help="Study of the run, where its name is not enough.")
    ] = None,
    runs: Annotated[Path, typer.Option("--runs", help="Folder of all runs.")] = Path("runs"),
) -> None:
    """Load every probe of a run from disk and reproduce its stored test score bit for bit."""
    from augury.studies.registry import find_study, study_of

    recipe = find_study(study or study_of(runs, run))
    folder, config = recipe.open(runs, run)
    for line in recipe.verify(folder, config):
        print(line)
