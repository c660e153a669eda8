from __future__ import annotations

from pathlib import Path

import pytest

from augury.errors import StorageError
from augury.runs import outputs
from augury.runs.atomic import temporary_beside
from augury.runs.outputs import difference, signature, sync_tree


def _change(path: Path, before: dict[str, int | str] | None) -> str:
    assert before is not None
    return difference(before, signature(path))


def test_every_changed_byte_of_a_small_file_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(bytes(range(64)))
    before = signature(path)
    assert _change(path, before) == ""
    for position in range(64):
        data = bytearray(range(64))
        data[position] ^= 1
        path.write_bytes(data)
        assert _change(path, before) == "changed since (checksum)"
    path.write_bytes(bytes(range(63)))
    assert _change(path, before) == "changed since (bytes: stored 64 / now 63)"
    path.unlink()
    assert _change(path, before) == "is missing"


def test_a_large_file_counts_by_its_length_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outputs, "_HASHED_BYTES", 10)
    (tmp_path / "a").write_bytes(b"x" * 11)
    assert signature(tmp_path / "a") == {"bytes": 11}


def test_a_folder_counts_its_files_and_bytes_but_no_locks_or_temporaries(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    (folder / "inner").mkdir(parents=True)
    (folder / "a").write_bytes(b"123")
    (folder / "inner" / "b").write_bytes(b"45")
    before = signature(folder)
    assert before is not None and (before["files"], before["bytes"]) == (2, 5)
    (folder / ".lock").write_text("held")
    (folder / "store.lock").write_text("held")
    temporary_beside(folder / "a").write_text("half")
    assert _change(folder, before) == ""
    (folder / "inner" / "b").write_bytes(b"46")
    assert _change(folder, before) == "changed since (checksum)"
    assert _change(folder, {"files": 2, "bytes": 5}) == ""
    (folder / "inner" / "b").write_bytes(b"45")
    assert _change(folder, before) == ""
    (folder / "inner" / "b").rename(folder / "inner" / "c")
    assert _change(folder, before) == "changed since (checksum)"
    (folder / "inner" / "c").unlink()
    assert _change(folder, before) == "changed since (files: stored 2 / now 1)"


def test_a_file_that_became_a_folder_is_a_change(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"")
    before = signature(tmp_path / "a")
    (tmp_path / "a").unlink()
    (tmp_path / "a").mkdir()
    assert "changed since" in _change(tmp_path / "a", before)


def test_syncing_what_is_not_there_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"")
    sync_tree(tmp_path)
    sync_tree(tmp_path / "a")
    with pytest.raises(StorageError, match="absent"):
        sync_tree(tmp_path / "absent")
