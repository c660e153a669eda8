"""Run what a sweep has not yet done: in waves whose configs share no unfinished work."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from augury.activations.engine import Engine, Work
from augury.errors import AuguryError, PartialFailure
from augury.runs.lock import exclusive
from augury.runs.progress import say
from augury.sweeps.campaign import Campaign, plan_campaign
from augury.sweeps.configs import PlannedRun, Resolver
from augury.sweeps.cost import left_minutes
from augury.sweeps.folder import SweepFolder
from augury.sweeps.heartbeat import beating
from augury.sweeps.work import Outcome, Task, config_json, run_member

__all__ = ["Orders", "execute", "next_wave"]


@dataclass(frozen=True, slots=True)
class Orders:
    """How to go about it."""

    retries: int = 1
    """How often a config is tried again in one call, where the machine failed and not the config
    (disk, memory, network)."""

    most: int | None = None
    """End after so many configs; None for all."""

    go_on: bool = False
    """Whether the others run on when one has failed."""


@dataclass
class _Call:
    """What happened in this call."""

    tries: dict[str, int] = field(default_factory=dict)
    given_up: set[str] = field(default_factory=set)
    running: list[str] = field(default_factory=list)
    done: int = 0
    of: int = 0

    def sign(self) -> dict[str, object]:
        """For the heartbeat."""
        return {"running": list(self.running), "done": self.done, "of": self.of}


def execute(folder: SweepFolder, resolver: Resolver, engine: Engine, orders: Orders) -> Campaign:
    """Run every config that is not done, stage after stage; what is done never runs again.

    Raises:
        Busy: Another process works on this sweep.
        AuguryError: A config failed, and the others were not to go on.
    """
    call = _Call()
    with exclusive(folder.lock):
        folder.keep(resolver)
        with beating(folder.heartbeat, call.sign):
            while True:
                campaign = plan_campaign(folder, resolver)
                folder.write_manifest([phase.all.members for phase in campaign.phases])
                call.done = sum(map(campaign.is_done, campaign.runs))
                call.of = len(campaign.runs)
                wave = next_wave(campaign, _candidates(campaign, call, orders))
                if not wave:
                    return campaign
                _run_wave(campaign, wave, engine, call, orders)


def next_wave(campaign: Campaign, candidates: Sequence[PlannedRun]) -> list[PlannedRun]:
    """Candidates, in their order, of which no two would do the same work at the same time."""
    finished = set(_donors(campaign))
    claimed: set[str] = set()
    wave = []
    for run in candidates:
        own = {run.keys[stage] for stage in _shared(campaign)} - finished
        if not own & claimed:
            wave.append(run)
        claimed |= own
    return wave


def _candidates(campaign: Campaign, call: _Call, orders: Orders) -> list[PlannedRun]:
    waiting = [
        run for run in campaign.runs if not campaign.is_done(run) and run.id not in call.given_up
    ]
    again = [run for run in waiting if run.id in call.tries]
    fresh = [run for run in waiting if run.id not in call.tries]
    room = len(fresh) if orders.most is None else max(0, orders.most - len(call.tries))
    allowed = {run.id for run in (*again, *fresh[:room])}
    return [run for run in waiting if run.id in allowed]


def _run_wave(
    campaign: Campaign, wave: Sequence[PlannedRun], engine: Engine, call: _Call, orders: Orders
) -> None:
    folder = campaign.folder
    for number, outcome in _outcomes(campaign, wave, engine, call):
        run = wave[number]
        call.running.remove(run.id)
        folder.ended(outcome, run.key)
        if outcome.error is None:
            call.done += 1
            seconds = sum(outcome.stages.values())
            left = left_minutes(replace(campaign, endings=folder.endings()))
            say(f"{call.done} of {call.of}: {campaign.told(run)} in {seconds:.1f} s; {left}")
            continue
        tries = call.tries[run.id]
        if outcome.again and tries <= orders.retries:
            say(f"{campaign.told(run)} failed, and is tried again: {outcome.error}")
            continue
        call.given_up.add(run.id)
        say(f"{campaign.told(run)} failed: {outcome.error}")
        if not orders.go_on:
            raise _named(outcome.error, campaign.told(run))


def _outcomes(
    campaign: Campaign, wave: Sequence[PlannedRun], engine: Engine, call: _Call
) -> Iterator[tuple[int, Outcome]]:
    """What became of each config, in the order in which they end."""

    def arguments(number: int) -> tuple[Task]:
        run = wave[number]
        call.tries[run.id] = call.tries.get(run.id, 0) + 1
        call.running.append(run.id)
        campaign.folder.started(run.id, call.tries[run.id])
        return (_task(campaign, run),)

    ended: set[int] = set()
    try:
        work = Work(run_member, arguments, keys=range(len(wave)), unit="run")
        for number, outcome in engine(work):
            ended.add(number)
            yield number, outcome
    except PartialFailure as error:
        # workers that died with a config, as often as the engine allows
        for number in range(len(wave)):
            if number not in ended:
                yield number, Outcome(wave[number].id, error=error)


def _task(campaign: Campaign, run: PlannedRun) -> Task:
    donors = _donors(campaign)
    shared = {stage: donors.get(run.keys[stage], run.id) for stage in _shared(campaign)}
    return Task(
        id=run.id,
        study=campaign.resolver.study.name,
        config=config_json(run.config),
        runs=campaign.folder.runs.resolve(),
        donors={stage: name for stage, name in shared.items() if name != run.id},
    )


def _donors(campaign: Campaign) -> dict[str, str]:
    """By key of a shared stage, a run that ended with it, before those one that is done."""
    found: dict[str, str] = {}
    ended = [run for run in campaign.runs if run.id in campaign.endings]
    for run in sorted(ended, key=campaign.is_done):
        found |= {run.keys[stage]: run.id for stage in _shared(campaign)}
    return found


def _shared(campaign: Campaign) -> tuple[str, ...]:
    part = campaign.resolver.study.sweep
    return part.shared if part is not None else ()


def _named(error: AuguryError, told: str) -> AuguryError:
    return type(error)(
        f"{told}: {error.where}",
        found=error.found,
        expected=error.expected,
        fix=error.fix or "see the message, or let the others run on with --continue-on-error",
    )
