"""The header: what was written is read back, and nothing else is believed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from augury.activations.layout import FORMAT, Header, read_header, refuse_other, write_header
from augury.errors import ConfigError, StorageError

HEADER = Header(
    fields={"format": FORMAT, "plan": {"sites": ["embed"]}, "facts": {}},
    dtype="bfloat16",
    traces=["a", "b"],
    counts=[5, 0],
    lengths=[5, 3],
    shards=[[1, 0]],
)


def test_a_header_survives_the_disk(tmp_path: Path) -> None:
    assert read_header(tmp_path) is None
    write_header(tmp_path, HEADER)
    assert read_header(tmp_path) == HEADER


def test_every_flipped_byte_of_a_header_is_noticed(tmp_path: Path) -> None:
    write_header(tmp_path, HEADER)
    path = tmp_path / "store.json"
    sound = path.read_bytes()
    for place in range(0, len(sound), 7):
        if sound[place : place + 1].isspace():
            continue
        path.write_bytes(sound[:place] + bytes([sound[place] ^ 1]) + sound[place + 1 :])
        with pytest.raises(StorageError, match="damaged"):
            read_header(tmp_path)


def test_only_what_differs_is_named(tmp_path: Path) -> None:
    other = {"format": FORMAT, "plan": {"sites": ["final"]}, "facts": {}}
    refuse_other(tmp_path, HEADER, HEADER)
    with pytest.raises(ConfigError, match=r"plan\.sites: stored .*embed.* / now .*final") as caught:
        refuse_other(tmp_path, HEADER, replace(HEADER, fields=other))
    assert "format" not in str(caught.value)


def test_a_store_of_another_version_is_named_as_one_and_not_as_damaged(tmp_path: Path) -> None:
    write_header(tmp_path, replace(HEADER, fields={**HEADER.fields, "format": FORMAT - 1}))
    with pytest.raises(ConfigError, match=f"  format: stored {FORMAT - 1} / now {FORMAT}"):
        read_header(tmp_path)
