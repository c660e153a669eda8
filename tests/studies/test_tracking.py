from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from augury.errors import MissingInput
from augury.runs.folder import Run
from augury.studies.tracking import TrackingConfig, track_run

ROWS = ({"site": "embed", "balanced_accuracy": 0.71, "p": None}, {"site": "resid.0", "p": 0.5})


def logged(run: Run, config: TrackingConfig) -> str | None:
    return track_run(run, config, study="next-token", settings={"a": {"b": 1}}, rows=ROWS)


def test_nothing_is_logged_and_nothing_is_needed_unless_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)
    assert logged(Run(tmp_path), TrackingConfig()) is None
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(MissingInput, match=r"augury\[wandb\]"):
        logged(Run(tmp_path), TrackingConfig(project="p"))


@pytest.mark.filterwarnings("ignore")
def test_an_offline_run_holds_every_number_its_group_and_its_config(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("WANDB_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    run = Run(tmp_path / "small")
    run.path.mkdir()
    found = logged(run, TrackingConfig(project="p", group="sweep"))
    (folder,) = (run.path / "wandb").glob("offline-run-*")
    (record,) = folder.glob("*.wandb")
    assert found and record.name == f"run-{found}.wandb"
    said = read_records(record)
    assert {"sweep", "p", "next-token", "small"} <= said["run"]
    assert said["config"]["a"] == {"b": 1}
    steps = [row for row in said["history"] if "p" in row or "balanced_accuracy" in row]
    assert [row.get("balanced_accuracy") for row in steps] == [0.71, None]
    assert [row.get("p") for row in steps] == [None, 0.5]
    (table,) = (folder / "files/media/table").glob("sites*.json")
    stored = json.loads(table.read_text())
    assert stored["columns"] == ["site", "balanced_accuracy", "p"]
    assert stored["data"] == [["embed", 0.71, None], ["resid.0", None, 0.5]]


def read_records(path: Path) -> dict[str, Any]:
    """What stands in the tracker's own file, by its own messages."""
    from wandb.proto import wandb_internal_pb2

    run: set[str] = set()
    config: dict[str, Any] = {}
    history = []
    for message in log_records(path.read_bytes()):
        record = wandb_internal_pb2.Record()
        record.ParseFromString(message)
        if record.HasField("run"):
            seen = record.run
            run = {seen.project, seen.run_group, seen.job_type, seen.display_name}
            config = {each.key: json.loads(each.value_json) for each in seen.config.update}
        elif record.HasField("history"):
            items = record.history.item
            row = {(i.key or "/".join(i.nested_key)): json.loads(i.value_json) for i in items}
            history.append(row)
    return {"run": run, "config": config, "history": history}


def log_records(data: bytes) -> Iterator[bytes]:
    """Records of a LevelDB log: blocks of 32 KiB, pieces with a header of seven bytes."""
    at, record = 7, b""
    while at + 7 < len(data):
        if 32768 - at % 32768 < 7:
            at += 32768 - at % 32768
        size, kind = int.from_bytes(data[at + 4 : at + 6], "little"), data[at + 6]
        record += data[at + 7 : at + 7 + size]
        at += 7 + size
        if kind in (1, 4):
            yield record
            record = b""
