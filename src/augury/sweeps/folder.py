"""The folder of a sweep, and its journal: what was started, what is done, what failed.

sweep.yaml          the sweep, complete; config.yaml what is below its axes
manifest.jsonl      one line per distinct config: stage, id, run, setting; written before it starts
journal.jsonl       one durable line per start, end and failure
standings/RUN.json  what the leaderboard is made of
runs/STUDY/RUN/     the runs; one serves all configs that differ in nothing but their sites
heartbeat.json      what is being worked on, renewed every few seconds
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from augury.config import dump_yaml
from augury.errors import MissingInput
from augury.evaluate.standing import Standing, read_standings, write_standings
from augury.plain import json_text
from augury.runs.atomic import write_text
from augury.runs.journal import Journal, read_journal
from augury.sweeps.configs import Member, PlannedRun, Resolver
from augury.sweeps.spec import SweepSpec, read_spec
from augury.sweeps.work import Outcome

__all__ = ["Ended", "SweepFolder"]


@dataclass(frozen=True, slots=True)
class Ended:
    """How the last try of a run ended."""

    id: str
    key: str
    """What its results are determined by; another one now means that it has to run again."""

    keys: Mapping[str, str]
    """The same of every stage."""

    error: str = ""
    """Why it failed; empty where it is done."""

    stages: Mapping[str, float] | None = None
    tripped: Sequence[str] = ()
    left_out: Sequence[str] = ()
    bytes: int = 0


@dataclass(frozen=True)
class SweepFolder:
    """Where a sweep is."""

    path: Path

    @property
    def runs(self) -> Path:
        """Folder of all runs of the sweep."""
        return self.path / "runs"

    @property
    def lock(self) -> Path:
        """Held by the one process that works on the sweep."""
        return self.path / ".lock"

    @property
    def heartbeat(self) -> Path:
        """What is being worked on."""
        return self.path / "heartbeat.json"

    def keep(self, resolver: Resolver) -> None:
        """Write the sweep and its config, so that the folder needs no other file."""
        text = resolver.base.read_text(encoding="utf-8")
        write_text(self.path / "config.yaml", text)
        spec = resolver.spec.model_copy(update={"config": "config.yaml"})
        write_text(self.path / "sweep.yaml", dump_yaml(spec))

    def spec(self) -> SweepSpec:
        """The sweep that is worked on here.

        Raises:
            MissingInput: There is none.
        """
        if not (self.path / "sweep.yaml").is_file():
            raise MissingInput(
                str(self.path), found="no sweep.yaml", expected="the folder of a sweep"
            )
        return read_spec(self.path / "sweep.yaml")

    def resolver(self) -> Resolver:
        """Builds the configs of the sweep that is worked on here; raises as `spec`."""
        return Resolver(self.spec(), self.path)

    def write_manifest(self, stages: Sequence[Sequence[Member]]) -> None:
        """Write one line per config, stage after stage."""
        lines = [
            json_text(
                {
                    "stage": number,
                    "id": member.id,
                    "run": member.run.id,
                    "setting": member.setting,
                }
            )
            for number, members in enumerate(stages, start=1)
            for member in members
        ]
        write_text(self.path / "manifest.jsonl", "".join(f"{line}\n" for line in lines))

    def started(self, identity: str, attempt: int) -> None:
        """Note that a run is being worked on."""
        self._journal.append({"event": "start", "run": identity, "attempt": attempt})

    def ended(self, outcome: Outcome, run: PlannedRun) -> Ended:
        """Keep what became of a run."""
        line: dict[str, Any] = {
            "event": "done",
            "run": run.id,
            "key": run.key,
            "keys": dict(run.keys),
        }
        if outcome.error is not None:
            line |= {"event": "failed", "error": str(outcome.error)}
        else:
            write_standings(self.path / "standings" / f"{run.id}.json", outcome.standings)
            line |= {
                "stages": dict(outcome.stages),
                "tripped": list(outcome.tripped),
                "left_out": list(outcome.left_out),
                "bytes": outcome.bytes,
            }
        self._journal.append(line)
        return _ended(line)

    def endings(self) -> dict[str, Ended]:
        """How each run that ever ended did so the last time."""
        records = read_journal(self._journal.path)
        return {line["run"]: _ended(line) for line in records if line["event"] != "start"}

    def standings(self, identity: str) -> list[Standing]:
        """Of a run that is done."""
        return read_standings(self.path / "standings" / f"{identity}.json")

    def sign_of_life(self) -> dict[str, Any]:
        """The last heartbeat; empty where there was none."""
        try:
            found = json.loads(self.heartbeat.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    @property
    def _journal(self) -> Journal:
        return Journal(self.path / "journal.jsonl")


def _ended(line: Mapping[str, Any]) -> Ended:
    return Ended(
        id=line["run"],
        key=line["key"],
        keys=line.get("keys", {}),
        error=line.get("error", ""),
        stages=line.get("stages"),
        tripped=line.get("tripped", ()),
        left_out=line.get("left_out", ()),
        bytes=line.get("bytes", 0),
    )
