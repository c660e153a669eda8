"""A table is read whole and as it was written, or not at all; other readers read it too."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from tests.faults.damage import versions

from augury.errors import DataError, StorageError
from augury.traces.sealed import read_sealed, write_sealed

FRAME = pl.DataFrame({"ids": [[3, 4], [5], []], "name": ["a", "ä", ""]})


def test_what_was_written_is_read_by_us_and_by_any_reader_of_parquet(tmp_path: Path) -> None:
    write_sealed(tmp_path / "t", FRAME)
    assert read_sealed(tmp_path / "t", what="things").equals(FRAME)
    assert pl.read_parquet(tmp_path / "t").equals(FRAME)
    assert pl.scan_parquet(tmp_path / "t").select("ids").collect()["ids"].to_list()[0] == [3, 4]


def test_every_flipped_bit_and_every_cut_is_refused_before_anything_is_parsed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "t"
    write_sealed(path, FRAME)
    # Parsing damaged bytes can end the process, so it must not even be tried.
    with monkeypatch.context() as patch:
        patch.setattr(pl, "read_parquet", lambda _: pytest.fail("parsed damaged bytes"))
        for _ in versions(path):
            with pytest.raises((StorageError, DataError), match="checksum"):
                read_sealed(path, what="things")
    assert read_sealed(path, what="things").equals(FRAME)


def test_a_table_of_another_writer_is_refused_and_told_what_to_do(tmp_path: Path) -> None:
    FRAME.write_parquet(tmp_path / "t")
    with pytest.raises(DataError, match=r"no checksum.*convert other things to JSON lines"):
        read_sealed(tmp_path / "t", what="things")
