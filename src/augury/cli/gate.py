"""`augury gate`: are these runs sound?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["command"]


def command(
    names: Annotated[
        list[str], typer.Argument(metavar="RUN...", help="Runs by name or path, or sweeps by path.")
    ],
    runs: Annotated[Path, typer.Option("--runs", help="Folder of all runs.")] = Path("runs"),
) -> None:
    """Check runs of any study, and list every fault: OK, or NOT OK and exit code 4."""
    from augury.errors import CheckFailed
    from augury.runs.progress import printable
    from augury.studies.gate import examine_run, gate_lines
    from augury.studies.named_runs import named_runs

    meant = named_runs(names, runs)
    faults = [fault for run in meant for fault in examine_run(run)]
    for line in gate_lines(meant, faults):
        print(printable(line))
    if faults:
        raise CheckFailed("gate", found=f"{len(faults)} faults", expected="none")
