"""What configs read and their study makes outside of runs: each once, before the runs that read it.

Until it is made, the stages that read it are told apart by settings; then, by its content.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from augury.studies.study import Material
from augury.sweeps.campaign import Campaign
from augury.sweeps.configs import PlannedRun

__all__ = ["Needed", "left_runs", "needed_materials", "unmade_materials"]


@dataclass(frozen=True)
class Needed:
    """A material, and who reads it."""

    material: Material
    runs: tuple[PlannedRun, ...]


def left_runs(campaign: Campaign) -> list[PlannedRun]:
    """Runs that are not done."""
    return [run for run in campaign.runs if not campaign.is_done(run)]


def unmade_materials(campaign: Campaign) -> list[Needed]:
    """What has to be made before the runs that are not done."""
    needed = needed_materials(campaign, left_runs(campaign))
    return [need for need in needed if not need.material.is_made()]


def needed_materials(campaign: Campaign, runs: Sequence[PlannedRun]) -> list[Needed]:
    """What some runs read, each once, in the order in which it first comes."""
    part = campaign.resolver.study.sweep
    if part is None or part.material is None:
        return []
    found: dict[str, tuple[Material, list[PlannedRun]]] = {}
    for run in runs:
        material = part.material(run.config)
        if material is not None:
            found.setdefault(material.key, (material, []))[1].append(run)
    return [Needed(material, tuple(readers)) for material, readers in found.values()]
