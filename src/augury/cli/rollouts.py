"""`augury rollouts`: sentences of any model's solutions, written anew many times."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["command"]


def command(
    to: Annotated[Path, typer.Argument(help="Folder; <model>/<split>/ are made in it.")],
    config: Annotated[
        Path | None, typer.Option("--config", "-c", help="YAML file; the organism's by default.")
    ] = None,
    override: Annotated[
        list[str] | None,
        typer.Option("--override", "-o", help="key=value on top of the config; may be repeated."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what it would cost; write nothing.")
    ] = False,
) -> None:
    """Write every sentence anew and go on to the answer; say which sentences mattered.

    An interrupted job goes on where it stopped.
    """
    from augury.config import load_config
    from augury.errors import PartialFailure
    from augury.rollouts.config import RolloutsConfig
    from augury.rollouts.job import make_rollouts, plan_rollouts
    from augury.rollouts.planted import judge_planted, planted_lines
    from augury.studies.shipped import configs_folder, named_file
    from augury.traces.sources.math_rollouts import read_problem
    from augury.traces.sources.rollout_files import FolderRollouts

    path = named_file(config, "rollouts") if config else configs_folder() / "rollouts/organism.yaml"
    settings = load_config(RolloutsConfig, path, override or [])
    if dry_run:
        estimate, told = plan_rollouts(settings, to)
        for line in [*told, *estimate.lines()]:
            print(line)
        return
    made = make_rollouts(settings, to)
    print(f"folder   {made.folder}")
    print(f"labels   {made.sentences} sentences of {len(made.labelled)} problems")
    print(f"meaning  {made.encoder}, threshold {made.threshold:g}")
    if settings.questions.source in ("organism", "planted"):
        files = FolderRollouts(to, settings.setting)
        problems = [read_problem(files, number) for number in made.labelled]
        for line in planted_lines(judge_planted(problems)):
            print(line)
    if made.left_out:
        told_why = "; ".join(f"problem {n}: {why}" for n, why in made.left_out.items())
        raise PartialFailure(str(made.folder), found=f"left out: {told_why}")
