"""Run one config of a sweep: what every engine computes, and nothing else."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from augury.config import Config
from augury.errors import AuguryError, StorageError
from augury.evaluate.standing import Standing
from augury.runs.adopt import adopt_stages
from augury.runs.folder import Run, record
from augury.runs.progress import quiet
from augury.runs.provenance import package_version, provenance
from augury.runs.stages import Stage, run_stages, stages_until
from augury.studies.gate import UNTIL
from augury.studies.registry import find_study
from augury.studies.study import Study

__all__ = [
    "Host",
    "Outcome",
    "Task",
    "config_json",
    "here",
    "make_material",
    "run_member",
    "stages_of",
]


@dataclass(frozen=True, slots=True)
class Task:
    """What a worker is told."""

    id: str
    """Of the config, and name of its run; of a material, its key."""

    study: str
    config: str
    """Complete, as JSON."""

    runs: Path
    """Folder of all runs of the sweep, seen by every worker."""

    donors: Mapping[str, str] = field(default_factory=dict)
    """By stage, the run that has its outputs already."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a config."""

    id: str
    standings: Sequence[Standing] = ()
    stages: Mapping[str, float] = field(default_factory=dict)
    """Seconds of each stage that was worked on now."""

    tripped: Sequence[str] = ()
    """Tripwires that were touched, with what they measured."""

    left_out: Sequence[str] = ()
    """What the run left out, and why."""

    bytes: int = 0
    """Of its folder; what it shares with another run is counted there."""

    error: AuguryError | None = None
    """Why there is no result."""

    again: bool = False
    """Whether another try may do better: what failed was the machine, and not the config."""


@dataclass(frozen=True, slots=True)
class Host:
    """A worker of a sweep, as far as the engine has to know it."""

    identity: dict[str, str]
    """Equal on all workers, or they would not compute the same."""

    device: torch.device


def here() -> Host:
    """This process as a worker."""
    kind = "cuda" if torch.cuda.is_available() else "cpu"
    names = ("augury", "torch", "transformers", "scikit-learn", "numpy")
    return Host({name: package_version(name) for name in names}, torch.device(kind))


def stages_of(study: Study[Any]) -> list[Stage[Any]]:
    """The stages that a sweep runs."""
    return stages_until(study.stages, study.sweep.judged) if study.sweep else list(study.stages)


def run_member(_: Host, task: Task) -> Outcome:
    """Bring the run of a config up to date; what fails is told, never raised."""
    return _told(task, _run)


def make_material(_: Host, task: Task) -> Outcome:
    """Make what the config of a task reads; what fails is told, never raised."""
    return _told(task, _make)


def _told(task: Task, work: Callable[[Study[Any], Any, Task], Outcome]) -> Outcome:
    study = find_study(task.study)
    try:
        config = study.config.model_validate_json(task.config, strict=True)
        return work(study, config, task)
    except AuguryError as error:
        return Outcome(task.id, error=error, again=isinstance(error, StorageError))
    except Exception as error:
        told = StorageError(f"config {task.id}", found=f"{type(error).__name__}: {error}")
        return Outcome(task.id, error=told, again=True)


def _make(study: Study[Any], config: Config, task: Task) -> Outcome:
    wanted = study.sweep.material if study.sweep else None
    material = wanted(config) if wanted else None
    start = time.perf_counter()
    if material is not None:
        material.make()
    return Outcome(task.id, stages={"made": time.perf_counter() - start})


def _run(study: Study[Any], config: Config, task: Task) -> Outcome:
    run = Run(task.runs / study.name / task.id)
    if not run.facts_path.is_file():
        run = study.start(task.runs, config, task.id)
    stages, part = stages_of(study), study.sweep
    record(run, provenance=provenance(), **({UNTIL: part.judged} if part else {}))
    if part is not None:
        donors = {stage: Run(run.path.parent / name) for stage, name in task.donors.items()}
        adopt_stages(run, config, stages, donors)
    with nullcontext() if _reads(study, run, config) else quiet():
        done = run_stages(run, config, stages)
    wires = study.tripwires(run)
    return Outcome(
        id=task.id,
        standings=part.standings(run, config) if part else (),
        stages={each.name: each.seconds for each in done if not each.skipped},
        tripped=[f"{wire.name}: {wire.detail}" for wire in wires if not wire.passed],
        left_out=study.failures(run) if study.failures else (),
        bytes=sum(_own_bytes(file) for file in run.path.rglob("*")),
    )


def _reads(study: Study[Any], run: Run, config: Config) -> bool:
    """Whether the model will run over the texts, which takes long enough to be told."""
    part = study.sweep
    plan = {planned.name: planned.status for planned in study.plan(run, config)}
    return part is not None and part.reads is not None and plan[part.reads] == "to run"


def _own_bytes(file: Path) -> int:
    about = file.lstat()
    return about.st_size if file.is_file() and about.st_nlink == 1 else 0


def config_json(config: Config) -> str:
    """A config as a task carries it."""
    return json.dumps(config.model_dump(mode="json"))
