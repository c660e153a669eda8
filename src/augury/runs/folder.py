"""The run folder: one execution of a study, with all that it read, made and concluded.

`root/<study>/<run>/` holds `config.yaml`, `run.json`, the ledger of stages, `data/`, `probes/`,
`results/` and `figures/`. It appears under its name only when it is complete.
"""

from __future__ import annotations

import datetime
import json
import os
import re
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from augury.config import Config, dump_yaml
from augury.errors import CannotCreate, MissingInput, StorageError, UsageError
from augury.plain import fingerprint, shown
from augury.runs.atomic import (
    ensure_folder,
    is_temporary,
    remove_temporaries,
    storage_error,
    sync_folder,
    temporary_beside,
    write_json,
    write_text,
)
from augury.runs.lock import exclusive
from augury.runs.provenance import provenance

__all__ = [
    "Run",
    "create_run",
    "list_runs",
    "open_run",
    "pin_run",
    "pinned_run",
    "record",
    "stored_config_text",
    "stored_facts",
]

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,63}")
_COUNTER = ".counter"
_PINNED = ".pinned"
_SECONDS_TO_CREATE = 10.0


@dataclass(frozen=True, slots=True)
class Run:
    """One run, by its folder."""

    path: Path
    """The folder of the run."""

    @property
    def name(self) -> str:
        """Name of the run, unique in its study."""
        return self.path.name

    @property
    def config_path(self) -> Path:
        """The config that the run was last started with, complete."""
        return self.path / "config.yaml"

    @property
    def facts_path(self) -> Path:
        """`run.json`: study, number, time, provenance and what `record` added."""
        return self.path / "run.json"

    @property
    def data(self) -> Path:
        """Folder of traces and activations; created on demand."""
        return ensure_folder(self.path / "data")

    @property
    def probes(self) -> Path:
        """Folder of probe bundles; created on demand."""
        return ensure_folder(self.path / "probes")

    @property
    def results(self) -> Path:
        """Folder of tables; created on demand."""
        return ensure_folder(self.path / "results")

    @property
    def figures(self) -> Path:
        """Folder of figures and the data behind them; created on demand."""
        return ensure_folder(self.path / "figures")


def create_run(root: Path, study: str, config: Config, name: str | None = None) -> Run:
    """Create `root/<study>/<run>` with `config.yaml` and `run.json`, durably and all at once.

    Args:
        root: Folder of all runs; created where missing.
        study: Name of the study.
        config: Written in full.
        name: Name of the run; by default the time in UTC, a short fingerprint of the config, and
            a counter where that is taken.

    Raises:
        UsageError: `name` or `study` is not 1-64 characters from `A-Z a-z 0-9 . _ -`, begins
            with `.` or `-`, or is `latest`.
        CannotCreate: A run of that name exists, or the folder cannot be written to.
    """
    _check_name("study", study)
    if name is not None:
        _check_name("run name", name)
    folder = ensure_folder(root / study)
    with exclusive(folder / ".lock", patience=_SECONDS_TO_CREATE):
        remove_temporaries(folder)
        number = _next_number(folder)
        now = datetime.datetime.now(datetime.UTC)
        path = folder / (name or _free_name(folder, now, config))
        if path.exists():
            raise CannotCreate(
                str(path),
                found="a run of that name exists",
                expected="a new name",
                fix="choose another name, or continue that run",
            )
        facts = {
            "study": study,
            "name": path.name,
            "number": number,
            "created": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "config_fingerprint": fingerprint(config),
            "provenance": provenance(),
        }
        # The counter goes first: a crash then skips a number, and never gives one out twice.
        write_text(folder / _COUNTER, f"{number}\n")
        _appear(path, config, facts)
    return Run(path)


def open_run(root: Path, study: str, name: str) -> Run:
    """The run `name` of a study.

    Args:
        root: Folder of all runs.
        study: Name of the study.
        name: A run's name, `latest` (the one created last, whatever the clock said), or a path to
            a run folder.

    Raises:
        MissingInput: There is no such run; the available names are listed.
        UsageError: The path is a run of another study.
    """
    _check_name("study", study)
    if name == "latest":
        runs = list_runs(root, study)
        if runs:
            return runs[-1]
    elif os.sep in name or name in {".", ".."}:
        return _open_path(Path(name), study)
    elif _NAME.fullmatch(name) and Run(root / study / name).facts_path.is_file():
        return Run(root / study / name)
    names = [run.name for run in reversed(list_runs(root, study))]
    raise MissingInput(
        f"run {shown(name)} of {study}",
        found=f"not in {root / study}",
        expected=f"one of: {', '.join(names[:10])}" if names else "a run, and there is none yet",
        fix="name one of these" if names else "start a run first",
    )


def list_runs(root: Path, study: str) -> list[Run]:
    """All complete runs of a study in the order of their creation; empty where there is none."""
    _check_name("study", study)
    folder = root / study
    if not folder.is_dir():
        return []
    runs = [Run(path) for path in folder.iterdir() if not is_temporary(path)]
    complete = [run for run in runs if run.facts_path.is_file()]
    return sorted(complete, key=lambda run: (int(stored_facts(run).get("number", 0)), run.name))


def pin_run(root: Path, study: str, run: Run) -> None:
    """Make `run` the one that steps of its study work on where no other is named."""
    write_text(root / study / _PINNED, f"{run.name}\n")


def pinned_run(root: Path, study: str) -> str:
    """Name of the pinned run.

    Raises:
        MissingInput: None is pinned.
    """
    path = root / study / _PINNED
    if not path.is_file():
        raise MissingInput(
            f"pinned run of {study}",
            found=f"none in {root / study}",
            expected="a run that init-run created",
            fix="run init-run first, or name a run with --run",
        )
    return _read(path).strip()


def stored_config_text(run: Run) -> str:
    """The YAML of the run's config.

    Raises:
        StorageError: The file cannot be read.
    """
    return _read(run.config_path)


def stored_facts(run: Run) -> dict[str, Any]:
    """The content of `run.json`.

    Raises:
        StorageError: The file cannot be read or is damaged.
    """
    text = _read(run.facts_path)
    try:
        facts = json.loads(text)
    except ValueError as error:
        raise _damaged(run.facts_path) from error
    if not isinstance(facts, dict):
        raise _damaged(run.facts_path)
    return facts


def record(run: Run, **facts: object) -> None:
    """Add facts to `run.json`, or replace them, in one atomic write.

    Raises:
        DataError: A number is not finite; nothing is written.
        StorageError: The file cannot be read or written.
    """
    with exclusive(run.path / ".facts.lock", patience=_SECONDS_TO_CREATE):
        write_json(run.facts_path, {**stored_facts(run), **facts})


def _appear(path: Path, config: Config, facts: dict[str, object]) -> None:
    hidden = ensure_folder(temporary_beside(path))
    try:
        write_text(hidden / "config.yaml", dump_yaml(config))
        write_json(hidden / "run.json", facts)
        try:
            hidden.rename(path)
        except OSError as error:
            found = f"cannot be created: {error.strerror}"
            raise CannotCreate(str(path), found=found) from error
    finally:
        shutil.rmtree(hidden, ignore_errors=True)
    sync_folder(path.parent)


def _next_number(folder: Path) -> int:
    last = 0
    with suppress(OSError, ValueError):
        last = int((folder / _COUNTER).read_text())
    if last < 1:
        # A folder that was copied without its hidden files still has its runs.
        runs = list_runs(folder.parent, folder.name)
        last = max((int(stored_facts(run).get("number", 0)) for run in runs), default=0)
    return last + 1


def _free_name(folder: Path, now: datetime.datetime, config: Config) -> str:
    base = f"{now.strftime('%Y%m%d-%H%M%S')}-{fingerprint(config)[:8]}"
    name, count = base, 1
    while (folder / name).exists():
        count += 1
        name = f"{base}-{count}"
    return name


def _open_path(path: Path, study: str) -> Run:
    run = Run(path.resolve())
    if not run.facts_path.is_file():
        raise MissingInput(str(path), found="no run.json inside", expected="a run folder")
    found = stored_facts(run).get("study")
    if found != study:
        raise UsageError(str(path), found=f"a run of {shown(found)}", expected=f"a run of {study}")
    return run


def _check_name(what: str, name: str) -> None:
    if not _NAME.fullmatch(name) or name == "latest":
        raise UsageError(
            what,
            found=shown(name),
            expected="1-64 letters, digits, '.', '_' or '-', not beginning with '.' or '-',"
            " and not 'latest'",
        )


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise storage_error(path, error) from error
    except UnicodeDecodeError as error:
        raise _damaged(path) from error


def _damaged(path: Path) -> StorageError:
    return StorageError(str(path), found="damaged", fix="restore it, or start a new run")
