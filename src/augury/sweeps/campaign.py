"""Campaign: all configs of a sweep that can be planned by now, and how each of them ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from augury.sweeps.configs import Distinct, Member, PlannedRun, Resolver
from augury.sweeps.entries import Entry, entries_of
from augury.sweeps.folder import Ended, SweepFolder
from augury.sweeps.joint_sites import JointSites
from augury.sweeps.shortlist import shortlist
from augury.sweeps.spec import Setting, cross

__all__ = ["Campaign", "Phase", "plan_campaign"]


@dataclass(frozen=True)
class Phase:
    """One stage of the sweep."""

    all: Distinct
    runs: tuple[PlannedRun, ...]
    """Those that no stage before had."""


@dataclass(frozen=True)
class Campaign:
    """The sweep as far as it can be planned."""

    folder: SweepFolder
    resolver: Resolver
    phases: tuple[Phase, ...]
    endings: Mapping[str, Ended]

    @property
    def runs(self) -> list[PlannedRun]:
        """Every run once, in the order in which they are to start."""
        return [run for phase in self.phases for run in phase.runs]

    @property
    def members(self) -> list[Member]:
        """Every config once, with the setting of the last stage that has it, which says most."""
        every = (member for phase in self.phases for member in phase.all.members)
        return list({member.id: member for member in every}.values())

    @property
    def waiting(self) -> int:
        """Stages that wait for all results of the one before."""
        return len(self.resolver.spec.stages) - len(self.phases)

    def is_done(self, run: PlannedRun) -> bool:
        """Whether its results are there, and are those that it would give now."""
        ended = self.endings.get(run.id)
        return ended is not None and not ended.error and ended.key == run.key

    def failure(self, run: PlannedRun) -> str:
        """Why its last try failed; empty where it did not."""
        ended = self.endings.get(run.id)
        return ended.error if ended is not None else ""

    def told(self, run: PlannedRun) -> str:
        """A run for messages: its name, and what its configs agree in."""
        settings = [member.setting for member in self.members if member.run.id == run.id]
        common = [item for item in settings[0].items() if all(item in s.items() for s in settings)]
        return " ".join([f"run {run.id}", *(f"{name}={label}" for name, label in common)])

    def entries(self, members: Sequence[Member] | None = None) -> list[Entry]:
        """How the configs that are done did; of all, where none is named."""
        wanted = self.members if members is None else members
        done = [member for member in wanted if self.is_done(member.run)]
        runs = {member.run.id for member in done}
        return entries_of(
            done,
            {run: self.folder.standings(run) for run in runs},
            replicates=self.resolver.spec.replicates,
            tripped={run: self.endings[run].tripped for run in runs},
        )


def plan_campaign(folder: SweepFolder, resolver: Resolver) -> Campaign:
    """What there is to run by now.

    A stage behind the first is planned once every config of the one before has ended: its configs
    are chosen among them.
    """
    spec, endings = resolver.spec, folder.endings()
    seen: set[str] = set()
    sites = JointSites()
    phases: list[Phase] = []
    onto: list[Setting] = [{}]
    for number, axes in enumerate(spec.stages):
        if number:
            so_far = Campaign(folder, resolver, tuple(phases), endings)
            before = phases[-1].all.members
            if not all(so_far.is_done(m.run) or so_far.failure(m.run) for m in before):
                break
            chosen = shortlist(so_far.entries(before), spec.then[number - 1].keep)
            onto = [member.setting for member in before if member.id in chosen]
        found = resolver.distinct(cross(axes, onto), sites)
        fresh = tuple(run for run in found.runs if run.id not in seen)
        seen |= {run.id for run in fresh}
        phases.append(Phase(found, fresh))
    return Campaign(folder, resolver, tuple(phases), endings)
