from __future__ import annotations

import datetime
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from augury.config import Config, load_config
from augury.errors import CannotCreate, DataError, MissingInput, StorageError, UsageError
from augury.runs import folder as module
from augury.runs.folder import (
    Run,
    create_run,
    list_runs,
    open_run,
    record,
    stored_config_text,
    stored_facts,
)


class Settings(Config):
    l2: float = 1.0
    note: str = "é: #1"


def test_a_new_run_holds_its_config_and_facts_and_makes_folders_on_demand(tmp_path: Path) -> None:
    run = create_run(tmp_path / "runs", "study", Settings(l2=2), name="first")
    assert run.path == tmp_path / "runs" / "study" / "first"
    assert load_config(Settings, run.config_path) == Settings(l2=2)
    assert stored_config_text(run) == run.config_path.read_text()
    facts = stored_facts(run)
    assert (facts["study"], facts["name"], facts["number"]) == ("study", "first", 1)
    assert facts["provenance"]["machine"]["cpus"] >= 1
    assert {path.name for path in run.path.iterdir()} == {"config.yaml", "run.json"}
    for made in (run.data, run.probes, run.results, run.figures):
        assert made.is_dir()
        assert made.parent == run.path


class Stopped(datetime.datetime):
    @classmethod
    def now(cls, tz: datetime.tzinfo | None = None) -> datetime.datetime:  # type: ignore[override]
        return datetime.datetime(2031, 5, 6, 7, 8, 9, tzinfo=tz)


def test_many_runs_in_one_second_have_different_names_and_keep_their_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(datetime, "datetime", Stopped)
    runs = [create_run(tmp_path, "study", Settings()) for _ in range(12)]
    assert len({run.name for run in runs}) == 12
    assert runs[0].name.startswith("20310506-070809-")
    assert runs[1].name == f"{runs[0].name}-2"
    assert list_runs(tmp_path, "study") == runs


def test_latest_is_the_run_created_last_whatever_the_clock_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(datetime, "datetime", Stopped)
        create_run(tmp_path, "study", Settings())
    monkeypatch.setattr(module, "fingerprint", lambda _: "0" * 32)
    last = create_run(tmp_path, "study", Settings())
    assert open_run(tmp_path, "study", "latest") == last
    assert last.name < list_runs(tmp_path, "study")[0].name


def test_a_number_is_not_given_out_again_after_the_newest_run_is_deleted(tmp_path: Path) -> None:
    create_run(tmp_path, "study", Settings(), name="a")
    shutil.rmtree(create_run(tmp_path, "study", Settings(), name="b").path)
    assert stored_facts(create_run(tmp_path, "study", Settings(), name="c"))["number"] == 3


def test_numbers_go_on_in_a_copy_that_lost_its_hidden_files(tmp_path: Path) -> None:
    create_run(tmp_path, "study", Settings(), name="a")
    create_run(tmp_path, "study", Settings(), name="b")
    (tmp_path / "study" / ".counter").unlink()
    assert stored_facts(create_run(tmp_path, "study", Settings(), name="c"))["number"] == 3


def test_processes_that_create_runs_together_never_share_one(tmp_path: Path) -> None:
    children = []
    for _ in range(4):
        child = os.fork()
        if child == 0:
            for _ in range(5):
                create_run(tmp_path, "study", Settings())
            os._exit(0)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * 4
    numbers = [stored_facts(run)["number"] for run in list_runs(tmp_path, "study")]
    assert numbers == list(range(1, 21))


def test_a_death_at_any_moment_leaves_no_half_run(tmp_path: Path, die_at: Any) -> None:
    for k in range(1, 200, 2):
        died = die_at(lambda: create_run(tmp_path, "study", Settings()), k)
        for run in list_runs(tmp_path, "study"):
            assert load_config(Settings, run.config_path) == Settings()
        if not died:
            break
    else:
        pytest.fail("the job never ended")
    create_run(tmp_path, "study", Settings())
    hidden = {path.name for path in (tmp_path / "study").iterdir() if path.name.startswith(".")}
    assert hidden == {".lock", ".counter"}


def test_a_taken_name_is_refused_and_the_old_run_untouched(tmp_path: Path) -> None:
    run = create_run(tmp_path, "study", Settings(l2=2), name="a")
    with pytest.raises(CannotCreate, match="a run of that name exists"):
        create_run(tmp_path, "study", Settings(l2=3), name="a")
    assert load_config(Settings, run.config_path) == Settings(l2=2)


HOSTILE = ["", ".", "..", "../x", "/etc", "a/b", "a\\b", "-rf", ".hidden", "a\nb", "a\x00b", "é",
           "x" * 65, "latest", "CON:", " a"]  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_is_never_a_path_or_an_option(tmp_path: Path, name: str) -> None:
    root = tmp_path / "root"
    with pytest.raises(UsageError):
        create_run(root, "study", Settings(), name=name)
    with pytest.raises(UsageError):
        create_run(root, name, Settings())
    assert not root.exists() or list(root.iterdir()) == []


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=8))
def test_opening_by_any_text_never_leaves_the_study(
    tmp_path_factory: pytest.TempPathFactory, name: str
) -> None:
    root = tmp_path_factory.getbasetemp() / "any"
    with pytest.raises((MissingInput, UsageError)):
        open_run(root, "study", name)


def test_a_missing_run_is_told_with_the_available_names_newest_first(tmp_path: Path) -> None:
    with pytest.raises(MissingInput, match="there is none yet"):
        open_run(tmp_path, "study", "latest")
    create_run(tmp_path, "study", Settings(), name="a")
    create_run(tmp_path, "study", Settings(), name="b")
    (tmp_path / "study" / "not-a-run").mkdir()
    with pytest.raises(MissingInput, match=r"run 'c' of study: .* one of: b, a;"):
        open_run(tmp_path, "study", "c")


def test_a_run_opens_by_name_by_path_and_as_latest(tmp_path: Path) -> None:
    run = create_run(tmp_path, "study", Settings(), name="a")
    assert open_run(tmp_path, "study", "a") == run
    assert open_run(tmp_path, "study", "latest") == run
    assert open_run(tmp_path / "elsewhere", "study", str(run.path)).path == run.path.resolve()
    with pytest.raises(UsageError, match="a run of 'study'; expected a run of other"):
        open_run(tmp_path, "other", str(run.path))
    with pytest.raises(MissingInput, match=r"no run\.json inside"):
        open_run(tmp_path, "study", str(tmp_path))


def test_recording_merges_facts_and_refuses_what_json_lacks(tmp_path: Path) -> None:
    run = create_run(tmp_path, "study", Settings(), name="a")
    before = stored_facts(run)
    record(run, seed=3, number_of_traces=5)
    record(run, seed=4)
    assert stored_facts(run) == {**before, "seed": 4, "number_of_traces": 5}
    with pytest.raises(DataError, match="score"):
        record(run, score=float("nan"))
    assert stored_facts(run)["seed"] == 4


@pytest.mark.parametrize("content", [b"{", b"[]", b"\xff", b""])
def test_damaged_facts_are_a_storage_error(tmp_path: Path, content: bytes) -> None:
    run = create_run(tmp_path, "study", Settings(), name="a")
    run.facts_path.write_bytes(content)
    with pytest.raises(StorageError, match=r"run\.json: damaged"):
        stored_facts(run)


def test_nothing_in_a_run_names_the_machine_or_its_folders(tmp_path: Path) -> None:
    run = create_run(tmp_path, "study", Settings(), name="a")
    text = run.facts_path.read_text() + stored_config_text(run)
    assert str(tmp_path) not in text
    assert os.uname().nodename not in json.dumps(stored_facts(run))


def test_a_run_is_a_value() -> None:
    assert Run(Path("a")) == Run(Path("a"))
    assert Run(Path("x") / "a").name == "a"
