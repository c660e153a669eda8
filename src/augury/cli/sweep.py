"""`augury sweep`: many configs of one study."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from augury.sweeps.configs import Resolver
    from augury.sweeps.folder import SweepFolder

__all__ = ["app"]

app = typer.Typer(help="Many configs of one study.", no_args_is_help=True)

File = Annotated[
    Path,
    typer.Argument(help="YAML file of a sweep, a shipped one by its name, or the folder of one."),
]
Folder = Annotated[Path, typer.Argument(help="Folder of the sweep.")]


@app.command("plan")
def plan(
    file: File,
    estimate: Annotated[
        bool, typer.Option(help="Let the model read a few texts to see how fast it is.")
    ] = True,
) -> None:
    """Say how many distinct configs there are, what they share, and what they will cost."""
    _plan(file, _folder(file), estimate=estimate)


@app.command("run")
def run(
    file: File,
    retries: Annotated[
        int, typer.Option(min=0, help="Tries after a failure of the machine, not of the config.")
    ] = 1,
    max_configs: Annotated[
        int | None, typer.Option("--max-configs", min=1, help="End after so many configs.")
    ] = None,
    continue_on_error: Annotated[
        bool, typer.Option("--continue-on-error", help="Let the others run when one fails.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="As `plan`; nothing is run.")] = False,
    engine: Annotated[
        Literal["local", "ray"],
        typer.Option("--engine", help="This process, or the workers of a Ray cluster."),
    ] = "local",
    workers: Annotated[
        int | None,
        typer.Option("--workers", min=1, help="With ray: how many. Default: one per GPU or node."),
    ] = None,
) -> None:
    """Run every config that is not done, and write the leaderboard; go on where it stopped."""
    from augury.activations.engines import chosen_engine
    from augury.cli.run import will_resume
    from augury.sweeps.configs import Resolver
    from augury.sweeps.execute import Orders, execute
    from augury.sweeps.spec import read_spec, sweep_file
    from augury.sweeps.work import here
    from augury.sweeps.write_up import leaderboard_lines, raise_if_left, status_lines, write_tables

    folder = _folder(file)
    if dry_run:
        _plan(file, folder, estimate=True)
        return
    will_resume(f"augury sweep run {file}")
    file = sweep_file(file)
    resolver = Resolver(read_spec(file), file.parent)
    orders = Orders(retries, max_configs, continue_on_error)
    with chosen_engine(engine, here, workers=workers, use_gpus=True) as running:
        campaign = execute(folder, resolver, running, orders)
    lines = leaderboard_lines(campaign, write_tables(campaign))
    for line in (*lines, *status_lines(campaign)):
        print(line)
    raise_if_left(campaign)


@app.command("status")
def status(folder: Folder) -> None:
    """Say what is done, what runs now, and what failed."""
    from augury.sweeps.campaign import plan_campaign
    from augury.sweeps.write_up import plan_lines, status_lines

    campaign = plan_campaign(*_opened(folder))
    for line in (*plan_lines(campaign, estimate=False), *status_lines(campaign)):
        print(line)


@app.command("leaderboard")
def leaderboard(folder: Folder) -> None:
    """Rank what is done: a table per question, ordered by validation, scored on test."""
    from augury.sweeps.campaign import plan_campaign
    from augury.sweeps.write_up import leaderboard_lines, write_tables

    campaign = plan_campaign(*_opened(folder))
    for line in leaderboard_lines(campaign, write_tables(campaign)):
        print(line)


def _opened(path: Path) -> tuple[SweepFolder, Resolver]:
    from augury.sweeps.folder import SweepFolder

    folder = SweepFolder(path)
    return folder, folder.resolver()


def _folder(file: Path) -> SweepFolder:
    """Where the sweep of a file is; the folder of a sweep stands for its own file."""
    from augury.sweeps.folder import SweepFolder

    return SweepFolder(file if file.is_dir() else Path("sweeps") / file.stem)


def _plan(file: Path, folder: SweepFolder, *, estimate: bool) -> None:
    from augury.sweeps.campaign import plan_campaign
    from augury.sweeps.configs import Resolver
    from augury.sweeps.spec import read_spec, sweep_file
    from augury.sweeps.write_up import plan_lines

    file = sweep_file(file)
    campaign = plan_campaign(folder, Resolver(read_spec(file), file.parent))
    for line in plan_lines(campaign, estimate=estimate):
        print(line)
