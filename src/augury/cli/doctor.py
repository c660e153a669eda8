"""`augury doctor`: is what we read what the model computed?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["command"]


def command(
    config: Annotated[
        Path | None, typer.Option("--config", "-c", help="Study config whose job is examined.")
    ] = None,
    study: Annotated[
        str | None,
        typer.Option("--study", help="Study that the config is of; the one that takes it."),
    ] = None,
    override: Annotated[
        list[str] | None, typer.Option("--override", "-o", help="key=value on top of the config.")
    ] = None,
) -> None:
    """Compare our states with the model's own, one text at a time; exit 4 when they differ."""
    from augury.studies.registry import find_study, study_reading

    if study is None and config is not None:
        study = study_reading(config, override or [])
    recipe = find_study(study or "backtracking-lag")
    for line in recipe.examine(recipe.read_config(config, override or [])):
        print(line)
