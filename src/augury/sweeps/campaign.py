"""Campaign: all configs of a sweep that can be planned by now, and how each of them ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from augury.sweeps.configs import Distinct, Member, Resolver, distinct
from augury.sweeps.entries import Entry, entries_of
from augury.sweeps.folder import Ended, SweepFolder
from augury.sweeps.shortlist import shortlist
from augury.sweeps.spec import Setting, cross

__all__ = ["Campaign", "Phase", "plan_campaign"]


@dataclass(frozen=True)
class Phase:
    """One stage of the sweep."""

    all: Distinct
    fresh: tuple[Member, ...]
    """Those that no stage before had."""


@dataclass(frozen=True)
class Campaign:
    """The sweep as far as it can be planned."""

    folder: SweepFolder
    resolver: Resolver
    phases: tuple[Phase, ...]
    endings: Mapping[str, Ended]

    @property
    def members(self) -> list[Member]:
        """Every config once, in the order in which they are to run."""
        return [member for phase in self.phases for member in phase.fresh]

    @property
    def waiting(self) -> int:
        """Stages that wait for all results of the one before."""
        return len(self.resolver.spec.stages) - len(self.phases)

    def is_done(self, member: Member) -> bool:
        """Whether its results are there, and are those that it would give now."""
        ended = self.endings.get(member.id)
        return ended is not None and not ended.error and ended.key == member.key

    def failure(self, member: Member) -> str:
        """Why its last try failed; empty where it did not."""
        ended = self.endings.get(member.id)
        return ended.error if ended is not None else ""

    def entries(self, members: Sequence[Member] | None = None) -> list[Entry]:
        """How the configs that are done did; of all, where none is named."""
        done = [m for m in (self.members if members is None else members) if self.is_done(m)]
        return entries_of(
            done,
            {member.id: self.folder.standings(member.id) for member in done},
            replicates=self.resolver.spec.replicates,
            tripped={member.id: self.endings[member.id].tripped for member in done},
        )


def plan_campaign(folder: SweepFolder, resolver: Resolver) -> Campaign:
    """What there is to run by now.

    A stage behind the first is planned once every config of the one before has ended: its configs
    are chosen among them.
    """
    spec, endings = resolver.spec, folder.endings()
    seen: set[str] = set()
    phases: list[Phase] = []
    onto: list[Setting] = [{}]
    for number, axes in enumerate(spec.stages):
        if number:
            so_far = Campaign(folder, resolver, tuple(phases), endings)
            before = phases[-1].all.members
            if not all(so_far.is_done(m) or so_far.failure(m) for m in before):
                break
            chosen = shortlist(so_far.entries(before), spec.then[number - 1].keep)
            onto = [member.setting for member in before if member.id in chosen]
        found = distinct(resolver, cross(axes, onto))
        fresh = tuple(member for member in found.members if member.id not in seen)
        seen |= {member.id for member in fresh}
        phases.append(Phase(found, fresh))
    return Campaign(folder, resolver, tuple(phases), endings)
