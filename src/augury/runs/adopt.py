"""Work that two runs share: a stage that another run finished is taken over, not done again.

What a stage gives depends on its own inputs and on those of every stage that it reads. Two runs in
which all of these are equal have equal outputs, whichever of them did the work.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from augury.config import Config
from augury.errors import AuguryError
from augury.plain import fingerprint
from augury.runs.atomic import ensure_folder, is_temporary, temporary_beside
from augury.runs.folder import Run
from augury.runs.lock import exclusive
from augury.runs.outputs import difference, signature, sync_tree
from augury.runs.stages import Ledger, Stage, plan_stages, stage_inputs

__all__ = ["adopt_stages", "stage_keys"]

C = TypeVar("C", bound=Config)

_LINKED_BYTES = 1 << 20
"""Files from this size on are linked and cost no disk. Every writer replaces whole files, so a
stage that runs again in one run leaves the other's as it was."""


def stage_keys(config: C, stages: Sequence[Stage[C]]) -> dict[str, str]:
    """What decides the outputs of each stage, as 32 hex digits: equal keys, equal outputs.

    Args:
        config: Of a run.
        stages: In order; all that they read among them.
    """
    keys: dict[str, str] = {}
    for stage in stages:
        above = {name: keys[name] for name in stage.after}
        keys[stage.name] = fingerprint([stage.name, stage_inputs(stage, config), above])
    return keys


def adopt_stages(
    run: Run, config: C, stages: Sequence[Stage[C]], donors: Mapping[str, Run]
) -> list[str]:
    """Take over stages that other runs have finished; their names, in order.

    A stage of a donor that is not intact, or not up to date, is left to be run.

    Args:
        run: Who takes.
        config: Of `run`; its files may differ from the donor's in what the stage does not read.
        stages: In order.
        donors: By stage, a run whose key of that stage is the same (`stage_keys`).

    Raises:
        Busy: Another process works on `run`.
        StorageError: The disk is full or failed.
    """
    taken: list[str] = []
    with exclusive(run.path / ".lock"):
        have = {one.name for one in plan_stages(run, config, stages) if one.status == "done"}
        for stage in stages:
            donor = donors.get(stage.name)
            if stage.name in have or donor is None or not have.issuperset(stage.after):
                continue
            if _is_done(donor, config, stages, stage) and _take(run, config, stage, donor):
                have.add(stage.name)
                taken.append(stage.name)
    return taken


def _is_done(donor: Run, config: C, stages: Sequence[Stage[C]], stage: Stage[C]) -> bool:
    try:
        plan = {one.name: one for one in plan_stages(donor, config, stages)}
    except AuguryError:
        # a damaged ledger is the donor's own affair
        return False
    return plan[stage.name].status == "done"


def _take(run: Run, config: C, stage: Stage[C], donor: Run) -> bool:
    last = Ledger(donor).last[stage.name]
    ledger = Ledger(run)
    ledger.add({"stage": stage.name, "event": "start", "fingerprint": last["fingerprint"]})
    for output in stage.outputs:
        _place(donor.path / output, run.path / output)
        sync_tree(run.path / output)
        if difference(last["outputs"][output], signature(run.path / output)):
            return False
    ledger.add(
        {
            **last,
            "inputs": stage_inputs(stage, config),
            "upstream": ledger.upstream(stage),
            "adopted": donor.name,
        }
    )
    return True


def _place(source: Path, target: Path) -> None:
    """Put what is at `source` to `target`, whole; what an interrupted stage left there goes."""
    ensure_folder(target.parent)
    hidden = temporary_beside(target)
    if source.is_dir():
        ensure_folder(hidden)
        for file in sorted(source.rglob("*")):
            kept = not (is_temporary(file) or file.name.endswith(".lock"))
            if file.is_file() and kept:
                _link(file, hidden / file.relative_to(source))
        shutil.rmtree(target, ignore_errors=True)
    else:
        _link(source, hidden)
    os.replace(hidden, target)


def _link(source: Path, target: Path) -> None:
    ensure_folder(target.parent)
    if source.stat().st_size >= _LINKED_BYTES:
        try:
            os.link(source, target)
            return
        except OSError:
            # another file system, or one without links
            pass
    shutil.copyfile(source, target)
