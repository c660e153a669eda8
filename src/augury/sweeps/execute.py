"""Run what a sweep has not yet done: in waves whose configs share no unfinished work."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
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
from augury.sweeps.materials import Needed, left_runs, needed_materials
from augury.sweeps.work import Host, Outcome, Task, config_json, make_material, run_member

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
    made: dict[str, int] = field(default_factory=dict)
    """Tries by key of a material; 0 for one that is there."""

    running: list[str] = field(default_factory=list)
    done: int = 0
    of: int = 0

    def begins(self, name: str) -> None:
        """Note what is worked on; a worker that died has its work begun again by another."""
        if name not in self.running:
            self.running.append(name)

    def sign(self) -> dict[str, object]:
        """For the heartbeat."""
        return {"running": list(self.running), "done": self.done, "of": self.of}


def execute(folder: SweepFolder, resolver: Resolver, engine: Engine, orders: Orders) -> Campaign:
    """Run every config that is not done, stage after stage; what is done never runs again.

    What configs read and their study makes outside of runs is made first, so that every run is
    known by the content of what it reads.

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
                candidates = _candidates(campaign, call, orders)
                if missing := _missing(campaign, candidates, call):
                    _make_all(campaign, missing, engine, call, orders)
                    resolver.forget_content()
                    continue
                wave = next_wave(campaign, candidates)
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


def _missing(campaign: Campaign, candidates: Sequence[PlannedRun], call: _Call) -> list[Needed]:
    """What the candidates read and is not made, with all runs that read it."""
    wanted = {need.material.key for need in needed_materials(campaign, candidates)}
    unknown = wanted - {key for key, tries in call.made.items() if tries == 0}
    if not unknown:
        return []
    found = []
    for need in needed_materials(campaign, left_runs(campaign)):
        if need.material.key not in unknown:
            continue
        if need.material.is_made():
            call.made[need.material.key] = 0
        else:
            found.append(need)
    return found


def _make_all(
    campaign: Campaign, missing: Sequence[Needed], engine: Engine, call: _Call, orders: Orders
) -> None:
    names = [need.material.name for need in missing]

    def task(number: int) -> Task:
        need = missing[number]
        call.made[need.material.key] = call.made.get(need.material.key, 0) + 1
        call.begins(names[number])
        say(f"making {names[number]}, read by {len(need.runs)} runs")
        return _task(campaign, need.runs[0], need.material.key)

    for number, outcome in _outcomes(engine, make_material, task, len(missing)):
        need, name = missing[number], names[number]
        call.running.remove(name)
        if outcome.error is None:
            call.made[need.material.key] = 0
            say(f"made {name} in {sum(outcome.stages.values()):.0f} s")
            continue
        if outcome.again and call.made[need.material.key] <= orders.retries:
            say(f"{name} failed, and is tried again: {outcome.error}")
            continue
        say(f"{name} failed, and with it {len(need.runs)} runs: {outcome.error}")
        error = _named(outcome.error, name)
        for run in need.runs:
            campaign.folder.ended(Outcome(run.id, error=error), run)
            call.given_up.add(run.id)
        if not orders.go_on:
            raise error


def _run_wave(
    campaign: Campaign, wave: Sequence[PlannedRun], engine: Engine, call: _Call, orders: Orders
) -> None:
    folder = campaign.folder

    def task(number: int) -> Task:
        run = wave[number]
        call.tries[run.id] = call.tries.get(run.id, 0) + 1
        call.begins(run.id)
        folder.started(run.id, call.tries[run.id])
        return _task(campaign, run, run.id)

    for number, outcome in _outcomes(engine, run_member, task, len(wave)):
        run = wave[number]
        call.running.remove(run.id)
        folder.ended(outcome, run)
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
    engine: Engine,
    function: Callable[[Host, Task], Outcome],
    task: Callable[[int], Task],
    count: int,
) -> Iterator[tuple[int, Outcome]]:
    """What became of each of `count` tasks, in the order in which they end."""
    begun: dict[int, Task] = {}

    def arguments(number: int) -> tuple[Task]:
        begun[number] = task(number)
        return (begun[number],)

    ended: set[int] = set()
    try:
        for number, outcome in engine(Work(function, arguments, keys=range(count), unit="run")):
            ended.add(number)
            yield number, outcome
    except PartialFailure as error:
        # workers that died with a task, as often as the engine allows
        for number, of in begun.items():
            if number not in ended:
                yield number, Outcome(of.id, error=error)


def _task(campaign: Campaign, run: PlannedRun, name: str) -> Task:
    donors = _donors(campaign)
    shared = {stage: donors.get(run.keys[stage], run.id) for stage in _shared(campaign)}
    return Task(
        id=name,
        study=campaign.resolver.study.name,
        config=config_json(run.config),
        runs=campaign.folder.runs.resolve(),
        donors={stage: name for stage, name in shared.items() if name != run.id},
    )


def _donors(campaign: Campaign) -> dict[str, str]:
    """By key of a shared stage, a run that ended with it; one that is done, before one that failed.

    Runs of an older version of the file give what they have, too.
    """
    found: dict[str, str] = {}
    for ended in sorted(campaign.endings.values(), key=lambda each: not each.error):
        keys = ended.keys
        found |= {keys[stage]: ended.id for stage in _shared(campaign) if stage in keys}
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
