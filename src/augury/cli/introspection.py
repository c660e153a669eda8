"""`augury introspection`: the study's steps with the flags of its first version."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

__all__ = ["app"]

app = typer.Typer(help="Steps of the study introspection, one by one.", no_args_is_help=True)

ConfigOption = Annotated[
    Path | None, typer.Option("--config", "-c", help="YAML file; the organism's by default.")
]
RunOption = Annotated[
    str | None, typer.Option("--run", help="A run; the last one ('latest') by default.")
]
RunsOption = Annotated[Path, typer.Option("--runs", help="Folder of all runs.")]
OverrideOption = Annotated[
    list[str] | None, typer.Option("--override", "-o", help="key=value; may be repeated.")
]
_RUNS = Path("runs")
_FEWEST_TOKENS = 64
