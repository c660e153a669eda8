"""`augury run`: execute a study, or continue one."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from augury.runs.folder import Run
    from augury.studies.study import Study

__all__ = ["command", "resume_hint", "will_resume"]

_NEW = Path("a run that is still to be made")
_started: list[str] = []


def resume_hint() -> str:
    """How to go on after an interruption."""
    return f"to go on: {_started[-1]}" if _started else "nothing was started"


def will_resume(command: str) -> None:
    """Name the command that goes on with what is begun now."""
    _started.append(command)


def command(
    study: Annotated[str, typer.Argument(help="Name of the study, e.g. backtracking-lag.")],
    config: Annotated[
        Path | None,
        typer.Option("--config", "-c", help="YAML file, or a shipped config by its name."),
    ] = None,
    override: Annotated[
        list[str] | None,
        typer.Option("--override", "-o", help="key=value on top of the config; may be repeated."),
    ] = None,
    run: Annotated[
        str | None, typer.Option("--run", help="Continue this run ('latest'), or name a new one.")
    ] = None,
    stage: Annotated[str | None, typer.Option("--stage", help="Execute only this stage.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what would be executed, and why.")
    ] = False,
    runs: Annotated[Path, typer.Option("--runs", help="Folder of all runs.")] = Path("runs"),
) -> None:
    """Execute a study, or continue one: stages that are done and unchanged are skipped."""
    from augury.errors import PartialFailure
    from augury.evaluate.tripwires import raise_if_tripped
    from augury.runs.folder import record
    from augury.runs.progress import say
    from augury.runs.provenance import provenance
    from augury.studies.registry import find_study

    recipe = find_study(study)
    folder = _existing(recipe, runs, run)
    base = config or (folder.config_path if folder else None)
    settings = recipe.read_config(base, override or [])
    if dry_run:
        _print_plan(recipe, folder, settings, stage)
        return
    if folder is None:
        folder = recipe.start(runs, settings, run)
    will_resume(f"augury run {study} --run {folder.name} --runs {shlex.quote(str(runs))}")
    say(f"run {folder.path}")
    record(folder, provenance=provenance())
    recipe.execute(folder, settings, only=stage)
    if stage is None:
        for line in recipe.conclude(folder):
            print(line)
        raise_if_tripped(recipe.tripwires(folder))
        left_out = recipe.failures(folder) if recipe.failures else ()
        if left_out:
            raise PartialFailure(f"run {folder.name}", found="left out: " + "; ".join(left_out))
    elif stage in recipe.tell:
        for line in recipe.tell[stage](folder):
            print(line)


def _existing(recipe: Study[Any], runs: Path, name: str | None) -> Run | None:
    """The run that is meant; None for one that is still to be made."""
    if name is None:
        return None
    if name == "latest" or "/" in name or (runs / recipe.name / name).is_dir():
        return recipe.open(runs, name)[0]
    return None


def _print_plan(recipe: Study[Any], folder: Run | None, settings: Any, stage: str | None) -> None:
    from augury.runs.folder import Run

    for planned in recipe.plan(folder or Run(_NEW), settings, only=stage):
        print(f"{planned.name:12} {planned.status:8} {planned.why}")
