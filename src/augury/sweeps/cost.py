"""What a sweep costs: how often each stage really runs, and how long that takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from augury.errors import UsageError
from augury.studies.reading import estimate_job
from augury.studies.study import Cost as StudyCost
from augury.sweeps.campaign import Campaign
from augury.sweeps.configs import PlannedRun
from augury.sweeps.materials import left_runs, unmade_materials

__all__ = ["Cost", "Readings", "cost_of", "estimate_readings", "left_minutes"]


@dataclass(frozen=True)
class Cost:
    """Of the runs that are not done."""

    times: Mapping[str, int]
    """By stage: how often it runs. Runs that agree in all that it depends on share it."""

    runs: int
    seconds: Mapping[str, float | None]
    """By stage: mean over the times that it ran in this sweep; None where it never did."""

    bytes: float | None
    """Mean bytes of a run that is done; None where none is."""

    @property
    def minutes(self) -> float | None:
        """Of all of it on one machine; None while a stage was never measured."""
        parts = [self.seconds[stage] for stage, times in self.times.items() if times]
        if any(each is None for each in parts):
            return None
        each = [times * (self.seconds[stage] or 0.0) for stage, times in self.times.items()]
        return sum(each) / 60


@dataclass(frozen=True)
class Readings:
    """What running the model over the texts will cost, each distinct reading once."""

    count: int
    bytes: int
    """On disk."""

    minutes: float
    """On this machine."""


def cost_of(campaign: Campaign) -> Cost:
    """What is still to be done, counted in stages, with the times that were measured so far."""
    part = campaign.resolver.study.sweep
    shared = part.shared if part is not None else ()
    done = [run for run in campaign.runs if campaign.is_done(run)]
    left = left_runs(campaign)
    have = {run.keys[stage] for run in done for stage in shared}
    stages = list(campaign.runs[0].keys) if campaign.runs else []
    times = {
        stage: len({run.keys[stage] for run in left} - have) if stage in shared else len(left)
        for stage in stages
    }
    spent: dict[str, list[float]] = {stage: [] for stage in stages}
    for run in done:
        for stage, seconds in (campaign.endings[run.id].stages or {}).items():
            spent[stage].append(seconds)
    return Cost(
        times=times,
        runs=len(left),
        seconds={stage: fmean(each) if each else None for stage, each in spent.items()},
        bytes=fmean(campaign.endings[run.id].bytes for run in done) if done else None,
    )


def left_minutes(campaign: Campaign) -> str:
    """How long the rest takes, in words."""
    minutes = cost_of(campaign).minutes
    return "time left not known yet" if minutes is None else f"about {minutes:.1f} min left"


def estimate_readings(campaign: Campaign) -> Readings:
    """Estimate each distinct reading that is still to be done: the model reads a few texts.

    Not of texts that have to be made first.
    """
    study = campaign.resolver.study
    unmade = {run.id for need in unmade_materials(campaign) for run in need.runs}
    wanted = [run for run in _unread(campaign) if run.id not in unmade]
    estimate = study.estimate or (lambda config: estimate_job(config.job))
    found = [cost for run in wanted if (cost := _of_reading(estimate, run.config)) is not None]
    return Readings(
        len(found), sum(each.bytes for each in found), sum(each.seconds for each in found) / 60
    )


def _of_reading(estimate: Callable[[Any], StudyCost], config: Any) -> StudyCost | None:
    """What the reading of a config costs; None where it reads nothing."""
    try:
        return estimate(config)
    except UsageError:
        return None


def _unread(campaign: Campaign) -> list[PlannedRun]:
    """One run for each distinct reading that is still to be done."""
    part = campaign.resolver.study.sweep
    if part is None or part.reads is None:
        return []
    have = {run.keys[part.reads] for run in campaign.runs if campaign.is_done(run)}
    first: dict[str, PlannedRun] = {}
    for run in campaign.runs:
        first.setdefault(run.keys[part.reads], run)
    return [run for key, run in first.items() if key not in have]
