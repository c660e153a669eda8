from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from augury.errors import DataError, MissingInput
from augury.traces.sources.gutenberg import body_of, stream_gutenberg

FRAMED = """The Project Gutenberg EBook of Emma, by Jane Austen
Title: Emma
*** START OF THIS PROJECT GUTENBERG EBOOK EMMA ***

Emma Woodhouse, handsome, clever, and rich.

*** END OF THE PROJECT GUTENBERG EBOOK EMMA ***
Updated editions will replace the previous one.
"""


def test_the_lines_around_a_book_are_taken_off() -> None:
    assert body_of(FRAMED) == "Emma Woodhouse, handsome, clever, and rich."
    assert body_of("no frame\n at all ") == "no frame\n at all"


def dataset(folder: Path, rows: dict[str, list[object]]) -> str:
    """A data set as the hub lays it out, on disk: a card that names its splits, and a table."""
    folder.mkdir()
    pl.DataFrame(rows).write_parquet(folder / "en.parquet")
    card = "configs:\n- config_name: default\n  data_files:\n  - split: en\n    path: en.parquet\n"
    (folder / "README.md").write_text(f"---\n{card}---\n")
    return str(folder)


def test_books_are_streamed_in_order_and_short_ones_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("datasets")
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    name = dataset(tmp_path / "d", {"id": ["1", "2", "3"], "text": [FRAMED, "short", "y" * 99]})
    found = list(stream_gutenberg(name, "en", revision=None, least=20))
    assert found == [("1", body_of(FRAMED)), ("3", "y" * 99)]


def test_other_columns_and_an_absent_data_set_are_named(tmp_path: Path) -> None:
    pytest.importorskip("datasets")
    name = dataset(tmp_path / "d", {"name": ["1"], "text": ["x" * 99]})
    with pytest.raises(DataError, match=r"columns \['name', 'text'\]"):
        list(stream_gutenberg(name, "en", revision=None, least=20))
    with pytest.raises(MissingInput, match="split fr"):
        list(stream_gutenberg(name, "fr", revision=None, least=20))
    with pytest.raises(MissingInput, match="the hub gave"):
        list(stream_gutenberg("nobody/nothing", "en", revision=None, least=20))
