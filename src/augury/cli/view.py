"""`augury view`: the texts of a run, token by token."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["command"]


def command(
    run: Annotated[str, typer.Argument(help="Run: a name, a path, or 'latest'.")] = "latest",
    trace: Annotated[
        list[str] | None, typer.Option("--trace", help="Id of a trace to show; may be repeated.")
    ] = None,
    to: Annotated[
        Path | None, typer.Option("--to", help="HTML file; `view.html` in the run by default.")
    ] = None,
    study: Annotated[
        str | None, typer.Option("--study", help="Study of the run, where its name is not enough.")
    ] = None,
    runs: Annotated[Path, typer.Option("--runs", help="Folder of all runs.")] = Path("runs"),
) -> None:
    """Write one HTML file with the tokens of some traces coloured by what the probes say."""
    from augury.studies.registry import find_study, study_of

    recipe = find_study(study or study_of(runs, run))
    folder, config = recipe.open(runs, run)
    path = recipe.view(folder, config, trace or []).save(to or folder.path / "view.html")
    print(f"{path}  {path.stat().st_size / 1e6:.2f} MB")
