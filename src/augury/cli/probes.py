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


@app.command("push")
def push(
    what: Annotated[str, typer.Argument(help="Run (a name, a path, 'latest') or folder.")],
    repo: Annotated[str, typer.Argument(help="Repository of the hub: owner/name.")],
    public: Annotated[
        bool, typer.Option("--public", help="A repository that is made now can be seen by all.")
    ] = False,
    study: Annotated[str, typer.Option("--study", help="Study of the run.")] = "backtracking-lag",
    runs: Annotated[Path, typer.Option("--runs", help="Folder of all runs.")] = Path("runs"),
) -> None:
    """Commit the probes of a run or a folder to a model hub."""
    from augury.studies.sharing import push as push_probes

    for line in push_probes(what, repo, study=study, runs=runs, public=public):
        print(line)


@app.command("pull")
def pull(
    repo: Annotated[str, typer.Argument(help="Repository of the hub: owner/name.")],
    to: Annotated[
        Path | None, typer.Option("--to", help="Folder; the name of the repository by default.")
    ] = None,
    revision: Annotated[
        str | None, typer.Option("--revision", help="Branch, tag or commit; main by default.")
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", help="Refuse probes of any other model than this.")
    ] = None,
) -> None:
    """Fetch probes from a model hub and check every byte."""
    from augury.studies.sharing import pull as pull_probes

    folder = to or Path(repo.rpartition("/")[2])
    for line in pull_probes(repo, folder, revision=revision, model=model):
        print(line)
