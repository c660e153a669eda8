"""The studies by name."""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path
from typing import Any

from augury.errors import UsageError
from augury.runs.folder import Run, list_runs, stored_facts
from augury.studies.study import Study

__all__ = ["STUDIES", "find_study", "study_of"]

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


def study_of(root: Path, name: str) -> str:
    """Which study a run is of; the first one where nothing of that name is there.

    Args:
        root: Folder of all runs.
        name: A run's name, `latest` (the one created last of all studies), or a path.

    Raises:
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
            fix="say which with --study",
        )
    return found[0] if found else next(iter(STUDIES))
