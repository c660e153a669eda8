from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from augury.errors import DataError, StorageError
from augury.runs.journal import Journal, read_journal

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)  # fmt: skip
quickly = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def _filled(path: Path, count: int) -> Path:
    path.unlink(missing_ok=True)
    journal = Journal(path)
    for i in range(count):
        journal.append({"i": i, "text": "line\nbreak ✓"})
    return path


@quickly
@given(st.lists(st.dictionaries(st.text(max_size=5), values, max_size=3), max_size=4))
def test_records_round_trip_in_order(tmp_path: Path, records: list[dict[str, Any]]) -> None:
    path = tmp_path / "j"
    path.unlink(missing_ok=True)
    for record in records:
        Journal(path).append(record)
    assert list(read_journal(path)) == records
    assert read_journal(path).torn is False


def test_a_missing_journal_has_no_records(tmp_path: Path) -> None:
    assert list(read_journal(tmp_path / "absent")) == []


def test_a_journal_cut_at_any_byte_keeps_every_line_before_the_cut(tmp_path: Path) -> None:
    whole = _filled(tmp_path / "j", 3).read_bytes()
    for length in range(len(whole) + 1):
        (tmp_path / "j").write_bytes(whole[:length])
        records = read_journal(tmp_path / "j")
        assert [record["i"] for record in records] == list(range(whole[:length].count(b"\n")))
        assert records.torn == (length > 0 and whole[length - 1 : length] != b"\n")


def test_a_torn_line_is_cut_off_by_the_next_append(tmp_path: Path) -> None:
    whole = _filled(tmp_path / "j", 3).read_bytes()
    for length in range(len(whole) + 1):
        (tmp_path / "j").write_bytes(whole[:length])
        Journal(tmp_path / "j").append({"i": "new"})
        kept = whole[:length].count(b"\n")
        assert [record["i"] for record in read_journal(tmp_path / "j")] == [*range(kept), "new"]


def test_every_flipped_bit_before_the_last_line_is_an_error_that_names_the_line(
    tmp_path: Path,
) -> None:
    journal = Journal(tmp_path / "j")
    for i in range(3):
        journal.append({"i": i})
    whole = (tmp_path / "j").read_bytes()
    last_line = whole[:-1].rindex(b"\n") + 1
    for position in range(last_line):
        for bit in range(8):
            damaged = bytearray(whole)
            damaged[position] ^= 1 << bit
            (tmp_path / "j").write_bytes(damaged)
            with pytest.raises(StorageError, match=r"j:[12]: a damaged line"):
                read_journal(tmp_path / "j")


def test_every_flipped_bit_of_the_last_line_loses_that_line_or_is_an_error(tmp_path: Path) -> None:
    whole = _filled(tmp_path / "j", 2).read_bytes()
    for position in range(whole[:-1].rindex(b"\n") + 1, len(whole)):
        for bit in range(8):
            damaged = bytearray(whole)
            damaged[position] ^= 1 << bit
            (tmp_path / "j").write_bytes(damaged)
            try:
                records = read_journal(tmp_path / "j")
            except StorageError:
                continue
            assert [record["i"] for record in records] == [0]
            assert records.torn


def test_a_death_at_any_moment_loses_no_acknowledged_record(tmp_path: Path, die_at: Any) -> None:
    path, acknowledged = tmp_path / "j", tmp_path / "acknowledged"

    def job() -> None:
        journal = Journal(path)
        for i in range(3):
            journal.append({"i": i})
            acknowledged.write_text(str(i + 1))

    for k in range(1, 100):
        path.unlink(missing_ok=True)
        acknowledged.write_text("0")
        died = die_at(job, k)
        records = [record["i"] for record in read_journal(path)]
        assert records == list(range(len(records)))
        assert len(records) >= int(acknowledged.read_text())
        if not died:
            return
    pytest.fail("the job never ended")


def test_a_short_or_failed_write_is_an_error_and_the_next_append_repairs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(_filled(tmp_path / "j", 1))
    real, calls = os.write, []

    def half_then_full(descriptor: int, data: bytes) -> int:
        calls.append(1)
        if len(calls) == 1:
            return real(descriptor, bytes(data)[:5])
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", half_then_full)
        with pytest.raises(StorageError, match="No space left"):
            journal.append({"i": "lost"})
    assert read_journal(tmp_path / "j").torn
    journal.append({"i": 1})
    assert [record["i"] for record in read_journal(tmp_path / "j")] == [0, 1]


def test_short_writes_are_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: real(descriptor, bytes(data)[:3]))
    Journal(tmp_path / "j").append({"i": "all of it"})
    assert list(read_journal(tmp_path / "j")) == [{"i": "all of it"}]


def test_a_number_that_is_not_finite_is_refused_and_writes_nothing(tmp_path: Path) -> None:
    path = _filled(tmp_path / "j", 1)
    with pytest.raises(DataError, match=r"value\.loss"):
        Journal(path).append({"loss": float("nan")})
    assert len(read_journal(path)) == 1


def test_a_record_is_synced_after_it_is_written_and_before_append_returns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "j"
    synced: list[bytes] = []
    monkeypatch.setattr(os, "fsync", lambda _: synced.append(path.read_bytes()))
    Journal(path).append({"i": 1})
    assert synced[-1] == path.read_bytes() != b""
