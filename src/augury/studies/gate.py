"""The gate: is everything sound that a run says about itself? Every fault is listed, none hidden.

| check | a fault is |
|---|---|
| provenance | no versions; a commit with changes beside it; a config that is not the recorded one |
| stages | a stage that never ran, did not finish, or whose inputs or outputs are others now |
| tripwires | one that was touched |
| failures | what a run left out |
| spans | a span whose tokens, or whose place, read back as another text |
| finiteness | a number in a result that is not finite |
| checksums | a store, a probe or a journal whose bytes are not those that were written |

A check that cannot be made is a fault of its own, and the others are made all the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from augury.activations.inventory import find_stores
from augury.activations.store import Store
from augury.errors import AuguryError, UsageError
from augury.models.load import load_tokenizer
from augury.models.named import models_in
from augury.plain import fingerprint
from augury.probes.bundle import CARD, read_bundle
from augury.runs.folder import Run, stored_facts
from augury.runs.journal import read_journal
from augury.runs.stages import Ledger, stages_until
from augury.studies.finiteness import not_finite
from augury.studies.registry import find_study
from augury.studies.study import Study
from augury.traces.align import place_spans
from augury.traces.table import read_traces
from augury.traces.tokens import read_tokenised

__all__ = ["CHECKS", "UNTIL", "Fault", "examine_run", "gate_lines"]

UNTIL = "until"
"""In `run.json`: the last stage that was asked of the run, where that is not all of them."""

_VERSIONS = ("python", "augury", "numpy", "torch")


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that is not sound."""

    run: str
    """Study and name."""

    check: str
    what: str


@dataclass(frozen=True)
class _Case:
    """What the checks look at."""

    run: Run
    study: Study[Any]
    config: Any


def examine_run(run: Run) -> list[Fault]:
    """Make every check on one run; the faults, in the order of the checks."""
    name = f"{run.path.parent.name}/{run.name}"
    try:
        study = find_study(str(stored_facts(run).get("study")))
        case = _Case(run, study, study.open(run.path.parent, str(run.path))[1])
    except AuguryError as error:
        return [Fault(name, "provenance", f"cannot be read: {error}")]
    faults = []
    for check, made in CHECKS.items():
        try:
            faults += [Fault(name, check, what) for what in made(case)]
        except AuguryError as error:
            faults.append(Fault(name, check, str(error)))
        except Exception as error:
            # a file that holds what no version of ours writes can end a reader in any way
            faults.append(Fault(name, check, f"cannot be made: {type(error).__name__}: {error}"))
    return faults


def gate_lines(runs: Sequence[Run], faults: Sequence[Fault]) -> list[str]:
    """The verdict on every run and on all of them."""
    lines = []
    for run in runs:
        name = f"{run.path.parent.name}/{run.name}"
        own = [fault for fault in faults if fault.run == name]
        lines.append(f"{'NOT OK' if own else 'OK    '}  {name}")
        lines += [f"        {fault.check}: {fault.what}" for fault in own]
    unsound = len({fault.run for fault in faults})
    told = f"{len(faults)} faults in {unsound} of {len(runs)} runs"
    return [*lines, f"NOT OK: {told}" if faults else f"OK: {len(CHECKS)} checks, {len(runs)} runs"]


def _provenance(case: _Case) -> Iterator[str]:
    facts = stored_facts(case.run)
    made_by = facts.get("provenance") or {}
    versions = made_by.get("versions") or {}
    for name in _VERSIONS:
        if not versions.get(name):
            yield f"run.json: no version of {name}"
    git = made_by.get("git")
    if isinstance(git, dict) and git.get("dirty"):
        yield f"made by code that differs from its commit {git.get('commit')}"
    if facts.get("config_fingerprint") != fingerprint(case.config):
        yield "config.yaml is not the config that run.json records"


def _stages(case: _Case) -> Iterator[str]:
    until = stored_facts(case.run).get(UNTIL)
    stages = case.study.stages
    if until is not None:
        begun = {line["stage"] for line in read_journal(case.run.path / "stages.jsonl")}
        asked = {stage.name for stage in stages_until(stages, str(until))} | begun
        stages = tuple(stage for stage in stages if stage.name in asked)
    ledger = Ledger(case.run)
    for stage in stages:
        for why in ledger.reasons(stage, case.config):
            yield f"stage {stage.name}: {why}"


def _tripwires(case: _Case) -> Iterator[str]:
    for wire in case.study.tripwires(case.run):
        if not wire.passed:
            yield f"{wire.name}: {wire.detail}"


def _failures(case: _Case) -> Iterator[str]:
    if case.study.failures is not None:
        yield from case.study.failures(case.run)


def _spans(case: _Case) -> Iterator[str]:
    if case.study.misplaced is not None:
        yield from case.study.misplaced(case.run, case.config)
    traces_path, tokens_path = (
        case.run.path / "data" / f"{n}.parquet" for n in ("traces", "tokens")
    )
    if not (traces_path.is_file() and tokens_path.is_file()):
        return
    traces = {trace.id: trace for trace in read_traces(traces_path)}
    if not any(trace.spans for trace in traces.values()):
        return
    model = next(models_in(case.config), None)
    if model is None:
        raise UsageError("spans", found="no model in the config", expected="the one that read them")
    tokenizer = load_tokenizer(model)
    for part in read_tokenised(tokens_path):
        try:
            place_spans(traces[part.trace_id], part, tokenizer)
        except AuguryError as error:
            yield str(error)


def _finiteness(case: _Case) -> Iterator[str]:
    for path in sorted((case.run.path / "results").rglob("*")):
        for place in not_finite(path):
            yield f"{path.relative_to(case.run.path)}: {place}"


def _checksums(case: _Case) -> Iterator[str]:
    """Journals, stores and probes, each by itself."""
    root = case.run.path
    checks: list[Callable[[], object]] = [
        *(lambda path=path: read_journal(path) for path in sorted(root.glob("*.jsonl"))),
        *(lambda path=path: Store.open(path).verify() for path in find_stores(root)),
        *(lambda path=path: read_bundle(path.parent) for path in sorted(root.rglob(CARD))),
    ]
    for check in checks:
        try:
            check()
        except AuguryError as error:
            yield str(error)


CHECKS: dict[str, Callable[[_Case], Iterator[str]]] = {
    "provenance": _provenance,
    "stages": _stages,
    "tripwires": _tripwires,
    "failures": _failures,
    "spans": _spans,
    "finiteness": _finiteness,
    "checksums": _checksums,
}
"""Every check by its name; each gives its faults."""
