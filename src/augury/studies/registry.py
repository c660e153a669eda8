"""The studies by name."""

from __future__ import annotations

import os
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from augury.errors import ConfigError, MissingInput, UsageError
from augury.plain import shown
from augury.runs.folder import Run, list_runs, stored_facts
from augury.studies.study import Study

__all__ = ["STUDIES", "find_study", "study_of", "study_reading"]

STUDIES = {
    "backtracking-lag": "augury.studies.backtracking_lag.study",
    "introspection": "augury.studies.introspection.study",
    "next-token": "augury.studies.next_token.study",
    "state-transition": "augury.studies.state_transition.study",
    "thought-anchors": "augury.studies.thought_anchors.study",
}


def find_study(name: str) -> Study[Any]:
    """Load the study called `name`.

    Raises:
        UsageError: There is none.
    """
    if name not in STUDIES:
        raise UsageError(
            f"study {name!r}", found="no study of this name", expected=", ".join(sorted(STUDIES))
        )
    study: Study[Any] = import_module(STUDIES[name]).STUDY
    return study


def study_reading(path: Path, overrides: Sequence[str]) -> str:
    """The study that a config is of: the first that takes it, else the one with fewest faults.

    Args:
        path: As of `Study.read_config`: a file, or the name of a shipped config.
        overrides: On top of it.

    Raises:
        MissingInput: There is no such config of any study.
    """
    faults: dict[str, int] = {}
    missing: list[MissingInput] = []
    for name in STUDIES:
        try:
            find_study(name).read_config(path, overrides)
        except ConfigError as error:
            faults[name] = str(error).count("\n")
        except MissingInput as error:
            missing.append(error)
        else:
            return name
    if not faults:
        raise missing[0]
    return min(faults, key=lambda name: faults[name])


def study_of(root: Path, name: str) -> str:
    """Which study a run is of; the first one where a path leads to none, for it to complain.

    Args:
        root: Folder of all runs.
        name: A run's name, `latest` (the one created last of all studies), or a path.

    Raises:
        MissingInput: No run of any study has that name; the last ones are listed.
        UsageError: Runs of several studies have that name.
    """
    if os.sep in name or name in {".", ".."}:
        run = Run(Path(name))
        found = [str(stored_facts(run)["study"])] if run.facts_path.is_file() else []
    elif name == "latest":
        last = {study: runs[-1] for study in STUDIES if (runs := list_runs(root, study))}
        order = sorted(last, key=lambda study: str(stored_facts(last[study])["created"]))
        found = order[-1:]
    else:
        found = [study for study in STUDIES if Run(root / study / name).facts_path.is_file()]
    if len(found) > 1:
        raise UsageError(
            f"run {name!r}",
            found=f"one in each of {', '.join(found)}",
            expected="one run of that name",
            fix=f"name its folder: {root / found[0] / name}",
        )
    if not found and os.sep not in name:
        every = [f"{study}/{run.name}" for study in STUDIES for run in list_runs(root, study)[-3:]]
        raise MissingInput(
            f"run {shown(name)}",
            found=f"not in {root}",
            expected=f"one of: {', '.join(every)}" if every else "a run, and there is none yet",
            fix="name one of these" if every else "start one: augury run STUDY",
        )
    return found[0] if found else next(iter(STUDIES))
