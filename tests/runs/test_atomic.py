from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from augury.errors import CannotCreate, DataError, StorageError
from augury.runs import atomic

quickly = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@quickly
@given(st.binary(max_size=300))
def test_bytes_round_trip(tmp_path: Path, data: bytes) -> None:
    atomic.write_bytes(tmp_path / "a", data)
    assert (tmp_path / "a").read_bytes() == data
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


@quickly
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=50))
def test_text_round_trips_with_its_newlines(tmp_path: Path, text: str) -> None:
    atomic.write_text(tmp_path / "a", text)
    assert (tmp_path / "a").read_bytes().decode("utf-8") == text


def test_missing_parents_are_created(tmp_path: Path) -> None:
    atomic.write_text(tmp_path / "x" / "y" / "z.txt", "hello")
    assert (tmp_path / "x" / "y" / "z.txt").read_text() == "hello"


def test_json_keeps_order_and_surrogates(tmp_path: Path) -> None:
    value = {"b": [1, 2.5, None, True], "a": "\ud800 ✓"}
    atomic.write_json(tmp_path / "a.json", value)
    loaded = json.loads((tmp_path / "a.json").read_text())
    assert loaded == value
    assert list(loaded) == ["b", "a"]


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
def test_json_refuses_numbers_that_json_lacks_and_leaves_the_old_file(
    tmp_path: Path, number: float
) -> None:
    atomic.write_json(tmp_path / "a.json", {"x": 1})
    with pytest.raises(DataError, match=r"a\.json: value\.y\[1\]"):
        atomic.write_json(tmp_path / "a.json", {"y": [0, number]})
    assert json.loads((tmp_path / "a.json").read_text()) == {"x": 1}


def test_text_that_utf8_cannot_carry_is_a_data_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="code point 2"):
        atomic.write_text(tmp_path / "a", "ab\ud800")


def test_a_death_at_any_moment_leaves_the_old_file_or_the_new_one(
    tmp_path: Path, die_at: Any
) -> None:
    path = tmp_path / "a"
    seen = set()
    for k in range(1, 100):
        path.write_bytes(b"old")
        if not die_at(lambda: atomic.write_bytes(path, b"new" * 1000), k):
            break
        seen.add(path.read_bytes())
        atomic.remove_temporaries(tmp_path)
        assert [left.name for left in tmp_path.iterdir()] == ["a"]
    else:
        pytest.fail("the job never ended")
    assert seen == {b"old", b"new" * 1000}


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
@pytest.mark.parametrize("name", ["fsync", "replace"])
def test_a_failing_disk_is_a_storage_error_that_names_path_and_space(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, code: int
) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"old")

    def fail(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, name, fail)
    with pytest.raises(StorageError, match=r"a: .* \(\d+ bytes free\)") as caught:
        atomic.write_bytes(path, b"new")
    assert caught.value.code == 74
    assert path.read_bytes() == b"old"
    assert [left.name for left in tmp_path.iterdir()] == ["a"]


def test_a_failed_sync_of_the_file_is_never_taken_for_success(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = os.fsync, []

    def fail_once(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) == 1:
            raise OSError(errno.EIO, "broken")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fail_once)
    with pytest.raises(StorageError):
        atomic.write_bytes(tmp_path / "a", b"new")
    assert not (tmp_path / "a").exists()


def test_a_place_that_cannot_hold_the_file_is_cannot_create(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "inside").write_text("")
    for bad in (tmp_path / "file" / "a", tmp_path / "folder"):
        with pytest.raises(CannotCreate):
            atomic.write_bytes(bad, b"x")
    assert {path.name for path in tmp_path.iterdir()} == {"file", "folder"}


def test_an_error_of_the_block_passes_through_and_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"old")
    with pytest.raises(FileNotFoundError), atomic.replacing(path) as temporary:
        temporary.write_bytes(b"half")
        raise FileNotFoundError("another file")
    assert path.read_bytes() == b"old"
    assert [left.name for left in tmp_path.iterdir()] == ["a"]


def test_temporaries_are_recognised_and_removed_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "keep").write_text("")
    (tmp_path / ".hidden").write_text("")
    with atomic.replacing(tmp_path / "a") as temporary:
        assert atomic.is_temporary(temporary)
        assert temporary.parent == tmp_path
    assert not atomic.is_temporary(tmp_path / "a")
    atomic.temporary_beside(tmp_path / "b").mkdir()
    atomic.temporary_beside(tmp_path / "b").write_text("")
    assert atomic.remove_temporaries(tmp_path) == 2
    assert {path.name for path in tmp_path.iterdir()} == {"keep", ".hidden", "a"}
    assert atomic.remove_temporaries(tmp_path / "absent") == 0


def test_a_leftover_that_the_disk_does_not_let_go_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leftover = atomic.temporary_beside(tmp_path / "b")
    leftover.write_text("")

    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "unlink", fail)
    with pytest.raises(StorageError, match="Input/output error") as caught:
        atomic.remove_temporaries(tmp_path)
    assert caught.value.where == str(leftover)
    monkeypatch.setattr(os, "scandir", fail)
    monkeypatch.setattr(os, "listdir", fail)
    with pytest.raises(StorageError, match="Input/output error") as caught:
        atomic.remove_temporaries(tmp_path)
    assert caught.value.where == str(tmp_path)


def test_permissions_follow_the_umask_and_not_the_temporary_file(tmp_path: Path) -> None:
    atomic.write_bytes(tmp_path / "a", b"")
    (tmp_path / "plain").write_bytes(b"")
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_the_content_is_durable_before_its_name_and_the_name_before_the_return(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    replace = os.replace

    def note_sync(descriptor: int) -> None:
        order.append("folder" if os.path.isdir(f"/proc/self/fd/{descriptor}") else "file")

    def note_replace(source: Path, target: Path) -> None:
        order.append("replace")
        replace(source, target)

    if not os.path.isdir("/proc/self/fd"):
        pytest.skip("this system does not tell what a descriptor points to")
    monkeypatch.setattr(os, "fsync", note_sync)
    monkeypatch.setattr(os, "replace", note_replace)
    atomic.write_bytes(tmp_path / "a", b"x")
    assert order == ["file", "replace", "folder"]
