"""What the steps found, read once from what they stored."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from augury.runs.folder import Run
from augury.studies.state_transition.config import StateTransitionConfig
from augury.studies.state_transition.events import SUMMARY

__all__ = ["STEPS", "Facts", "keep", "read_facts", "read_table"]

STEPS = (
    "prepare-data",
    "generate",
    "detect-events",
    "logit-lens",
    "ablation-scan",
    "compare-conditions",
    "formatting-sweep",
    "steering",
)
"""Steps whose facts the report is made of."""


@dataclass(frozen=True, slots=True)
class Facts:
    """Facts of every step."""

    run: Run
    config: StateTransitionConfig
    by_step: dict[str, dict[str, Any]]
    summary: dict[str, Any]

    def __getitem__(self, step: str) -> dict[str, Any]:
        return self.by_step[step]


def keep(step: str) -> str:
    """Where a step's facts are kept, below the run."""
    return f"analysis/facts/{step}.json"


def read_facts(run: Run, config: StateTransitionConfig) -> Facts:
    """All that the report needs."""
    return Facts(
        run,
        config,
        {step: _json(run.path / keep(step)) for step in STEPS},
        _json(run.path / SUMMARY),
    )


def read_table(path: Path) -> list[dict[str, str]]:
    """Rows of a CSV file."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _json(path: Path) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return value
