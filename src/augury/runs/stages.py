"""Stages of a study: each runs when what it depends on changed, says why, and survives a kill.

The ledger `stages.jsonl` is a journal with two lines per execution: `start` before the work, and
`done` (inputs, upstream, checksums of the outputs) after the outputs are durable. A stage whose
last line is not `done` did not finish.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Generic, Literal, TypeVar

from augury.config import Config, dump_yaml
from augury.errors import CheckFailed, UsageError
from augury.plain import difference_table, fingerprint, plain, shown
from augury.runs.atomic import remove_temporaries, write_text
from augury.runs.folder import Run, record, stored_config_text, stored_facts
from augury.runs.journal import Journal, read_journal
from augury.runs.lock import exclusive
from augury.runs.outputs import Signature, difference, signature, sync_tree
from augury.runs.progress import say
from augury.runs.provenance import package_version

__all__ = [
    "Ledger",
    "PlannedStage",
    "Stage",
    "StageResult",
    "plan_stages",
    "run_stages",
    "stage_inputs",
    "stages_until",
]

C = TypeVar("C", bound=Config)


@dataclass(frozen=True)
class Stage(Generic[C]):
    """One step of a study: a function of the run folder and the config."""

    name: str
    """Unique in the study."""

    work: Callable[[Run, C], Mapping[str, object] | None]
    """Does the work, and may return facts for the report (plain values). It is called again
    after an interruption, on what the interrupted call left."""

    inputs: Callable[[C], Mapping[str, object]]
    """The part of the config that can change a value of this stage."""

    after: tuple[str, ...] = ()
    """Names of earlier stages whose outputs it reads."""

    outputs: tuple[str, ...] = ()
    """Files and folders, relative to the run, that exist when it is done."""


@dataclass(frozen=True, slots=True)
class PlannedStage:
    """What would happen to a stage now."""

    name: str
    status: Literal["done", "to run"]
    why: str
    """Why it would run; for a stage that is done, `up to date`."""


@dataclass(frozen=True, slots=True)
class StageResult:
    """What happened to a stage."""

    name: str
    seconds: float
    """Wall time of the work; of the earlier execution where it was skipped."""

    skipped: bool
    """Whether the stored outputs were kept."""

    facts: Mapping[str, Any] = field(default_factory=dict)
    """What the work returned, now or then."""


def plan_stages(
    run: Run, config: C, stages: Sequence[Stage[C]], *, only: str | None = None
) -> list[PlannedStage]:
    """What `run_stages` would do now, and why; nothing is written.

    Raises:
        UsageError: `only` is no stage, or an upstream stage of it is not done; or the stages
            themselves are not in order.
    """
    _check_order(stages)
    ledger = Ledger(run)
    plan: dict[str, PlannedStage] = {}
    for stage in stages:
        waiting = [name for name in stage.after if plan[name].status == "to run"]
        why = ledger.reason(stage, config)
        if not why and waiting:
            why = f"input stage {shown(waiting[0])} will run again"
        plan[stage.name] = PlannedStage(
            stage.name, "to run" if why else "done", why or "up to date"
        )
    if only is None:
        return list(plan.values())
    _check_only(stages, plan, only)
    why = plan[only].why if plan[only].status == "to run" else "asked for by name"
    return [PlannedStage(only, "to run", why)]


def run_stages(
    run: Run, config: C, stages: Sequence[Stage[C]], *, only: str | None = None
) -> list[StageResult]:
    """Bring all stages up to date (or run `only` that one), holding the lock of the run.

    A stage is skipped when its inputs are unchanged, no stage that it reads ran since, and its
    outputs are intact. An error in a stage ends the call; finished stages stay done.

    Raises:
        Busy: Another process works on this run.
        CheckFailed: A stage ended without one of its outputs.
        UsageError: As `plan_stages`.
    """
    with exclusive(run.path / ".lock"):
        plan = {planned.name: planned for planned in plan_stages(run, config, stages, only=only)}
        _remove_leftovers(run)
        if dump_yaml(config) != stored_config_text(run):
            write_text(run.config_path, dump_yaml(config))
            record(run, config_fingerprint=fingerprint(config))
        ledger = Ledger(run)
        return [
            ledger.result(stage, skipped=True)
            if plan[stage.name].status == "done"
            else _execute(run, config, stage, ledger, plan[stage.name].why)
            for stage in stages
            if stage.name in plan
        ]


def stage_inputs(stage: Stage[C], config: C) -> dict[str, Any]:
    """What the stage's values depend on by itself, in plain form."""
    return {**_mapping(stage.inputs(config)), "augury version": package_version("augury")}


def stages_until(stages: Sequence[Stage[C]], last: str) -> list[Stage[C]]:
    """The stages that `last` is made of, itself included, in their order.

    Raises:
        UsageError: There is no such stage.
    """
    if last not in {stage.name for stage in stages}:
        expected = f"one of: {', '.join(stage.name for stage in stages)}"
        raise UsageError("stage", found=shown(last), expected=expected)
    wanted = {last}
    for stage in reversed(stages):
        if stage.name in wanted:
            wanted.update(stage.after)
    return [stage for stage in stages if stage.name in wanted]


class Ledger:
    """The journal of a run's stages, and what follows from it."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.journal = Journal(run.path / "stages.jsonl")
        self.last: dict[str, dict[str, Any]] = {}
        self.serial: dict[str, int] = {}
        for line in read_journal(self.journal.path):
            self._take_in(line)

    def add(self, line: dict[str, Any]) -> None:
        """Write a line, durably, and take it in."""
        self.journal.append(line)
        self._take_in(line)

    def reason(self, stage: Stage[C], config: C) -> str:
        """Why the stage must run by its own record; empty when it is up to date."""
        return next(self.reasons(stage, config), "")

    def reasons(self, stage: Stage[C], config: C) -> Iterator[str]:
        """All reasons why it must run: none of them hides another that is a fault by itself."""
        last = self.last.get(stage.name)
        if last is None:
            yield "never ran"
            return
        if last["event"] != "done":
            yield "did not finish the last time"
            return
        if table := difference_table(last["inputs"], stage_inputs(stage, config)):
            yield "config changed: " + ", ".join(line.strip() for line in table.splitlines())
        for name, serial in self.upstream(stage).items():
            if last["upstream"].get(name) != serial:
                yield f"input stage {shown(name)} ran again since"
        for output in stage.outputs:
            stored = last["outputs"].get(output)
            if stored is None:
                yield f"output {output} is new"
            elif change := difference(stored, signature(self.run.path / output)):
                yield f"output {output} {change}"

    def upstream(self, stage: Stage[C]) -> dict[str, int]:
        """How often each stage that it reads has run, which changes whenever one runs again."""
        return {name: self.serial.get(name, 0) for name in stage.after}

    def result(self, stage: Stage[C], *, skipped: bool) -> StageResult:
        """The last finished execution of the stage."""
        last = self.last[stage.name]
        return StageResult(stage.name, float(last["seconds"]), skipped, last["facts"])

    def _take_in(self, line: dict[str, Any]) -> None:
        self.last[line["stage"]] = line
        if line["event"] == "start":
            self.serial[line["stage"]] = self.serial.get(line["stage"], 0) + 1


def _execute(run: Run, config: C, stage: Stage[C], ledger: Ledger, why: str) -> StageResult:
    say(f"{stage.name}: {why}")
    inputs, upstream = stage_inputs(stage, config), ledger.upstream(stage)
    identity = fingerprint([stage.name, inputs, upstream])
    ledger.add({"stage": stage.name, "event": "start", "fingerprint": identity})
    start = time.perf_counter()
    facts = stage.work(run, config)
    seconds = round(time.perf_counter() - start, 3)
    outputs = {output: _finished(run, stage, output) for output in stage.outputs}
    ledger.add(
        {
            "stage": stage.name,
            "event": "done",
            "fingerprint": identity,
            "inputs": inputs,
            "upstream": upstream,
            "seconds": seconds,
            "outputs": outputs,
            "facts": _mapping(facts or {}),
        }
    )
    record(run, timings={**stored_facts(run).get("timings", {}), stage.name: seconds})
    return ledger.result(stage, skipped=False)


def _finished(run: Run, stage: Stage[C], output: str) -> Signature:
    path = run.path / output
    if not path.exists():
        raise CheckFailed(
            f"stage {stage.name}",
            found=f"it ended without its output {output}",
            expected=str(path),
        )
    sync_tree(path)
    return signature(path) or {}


def _remove_leftovers(run: Run) -> None:
    inside = (path for path in run.path.rglob("*") if path.is_dir() and not path.is_symlink())
    for folder in (run.path, *inside):
        remove_temporaries(folder)


def _mapping(value: Mapping[str, object]) -> dict[str, Any]:
    result = plain(value)
    return result if isinstance(result, dict) else {}


def _check_order(stages: Sequence[Stage[C]]) -> None:
    seen: set[str] = set()
    for stage in stages:
        if stage.name in seen:
            raise UsageError(f"stage {stage.name}", found="listed twice", expected="unique names")
        if missing := [name for name in stage.after if name not in seen]:
            raise UsageError(
                f"stage {stage.name}",
                found=f"it reads {shown(missing[0])}, which is not listed before it",
                expected="stages in the order in which they run",
            )
        for output in stage.outputs:
            parts = PurePosixPath(output).parts
            if not parts or Path(output).is_absolute() or ".." in parts:
                raise UsageError(
                    f"stage {stage.name}",
                    found=f"the output {shown(output)}",
                    expected="a path inside the run folder",
                )
        seen.add(stage.name)


def _check_only(stages: Sequence[Stage[C]], plan: Mapping[str, PlannedStage], only: str) -> None:
    by_name = {stage.name: stage for stage in stages}
    if only not in by_name:
        expected = f"one of: {', '.join(by_name)}"
        raise UsageError("stage", found=shown(only), expected=expected)
    for name in by_name[only].after:
        if plan[name].status == "to run":
            raise UsageError(
                f"stage {only}",
                found=f"its input stage {shown(name)} is not done ({plan[name].why})",
                expected="all stages that it reads to be done",
                fix=f"run {name} first, or all stages",
            )
