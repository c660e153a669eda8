"""The studies by name."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from augury.errors import UsageError
from augury.studies.study import Study

__all__ = ["STUDIES", "find_study"]

STUDIES = {
    "backtracking-lag": "augury.studies.backtracking_lag.study",
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
