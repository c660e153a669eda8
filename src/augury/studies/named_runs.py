"""Runs that a command line names: by name, by path, or all those of a sweep."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from augury.errors import MissingInput
from augury.runs.folder import Run, list_runs, open_run
from augury.studies.registry import STUDIES, study_of

__all__ = ["SWEEP_FILE", "named_runs"]

SWEEP_FILE = "sweep.yaml"
"""Stands in the folder of a sweep, beside its `runs`."""


def named_runs(names: Sequence[str], root: Path) -> list[Run]:
    """The runs meant, each once, in an order that does not depend on how they were named.

    Args:
        names: Names of runs below `root` (`latest` too), paths of run folders, or of sweeps.
        root: Folder of all runs.

    Raises:
        MissingInput: There is no such run, or the sweep has none.
        UsageError: A name stands for runs of several studies.
    """
    found: dict[Path, Run] = {}
    for name in names:
        for run in _meant(name, root):
            found[run.path.resolve()] = run
    return [found[path] for path in sorted(found, key=lambda path: (path.parent.name, path.name))]


def _meant(name: str, root: Path) -> list[Run]:
    if (Path(name) / SWEEP_FILE).is_file():
        runs = [run for study in STUDIES for run in list_runs(Path(name) / "runs", study)]
        if not runs:
            raise MissingInput(name, found="a sweep without a run", fix="augury sweep run")
        return runs
    if os.sep not in name and Run(Path(name)).facts_path.is_file():
        name = os.path.join(".", name)
    return [open_run(root, study_of(root, name), name)]
