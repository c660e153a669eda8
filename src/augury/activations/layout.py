"""What a store folder holds, and the header that says what may be in it.

store.json         header: what determines every value, which rows there are, and where
shards/00000.safetensors   per site [row, hidden], of its own width; `trace` and `token` [row], and
                           `first` [row] where a row is made of the tokens from there to `token`
journal.jsonl      one durable line per finished shard, and per halved batch budget
lock               held by the one writer
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import xxhash

from augury.config import difference_table
from augury.errors import ConfigError, MissingInput, StorageError
from augury.runs.atomic import storage_error, write_text
from augury.runs.journal import read_journal
from augury.traces.tokens import TokenisedTrace

__all__ = [
    "FORMAT",
    "Header",
    "ShardRecord",
    "file_checksum",
    "finished_shards",
    "journal_path",
    "lock_path",
    "read_header",
    "refuse_other",
    "shard_path",
    "traces_field",
    "write_header",
]

FORMAT = 4
"""Raised when the layout, or the values that a reading gives, change: the version of our code."""


@dataclass(frozen=True, slots=True)
class Header:
    """Written once, before the first shard."""

    fields: dict[str, Any]
    """All that can change a value: model identity, plan, traces, facts, format."""

    dtype: str
    """Number type of the stored states, e.g. `bfloat16`."""

    traces: list[str]
    """Id of each trace."""

    counts: list[int]
    """Rows of each trace."""

    lengths: list[int]
    """Tokens of each trace. Its last `counts` tokens are kept, unless rows are spans."""

    shards: list[list[int]]
    """Positions of the traces in each shard, in the order in which they are read."""


@dataclass(frozen=True, slots=True)
class ShardRecord:
    """A finished shard, as the journal knows it."""

    shard: int
    """Its number, from 0."""

    bytes: int
    """Size of its file."""

    xxh3: str
    """xxh3_128 of its file, 32 hex digits."""

    rows: int
    """Rows in it."""

    traces: list[int]
    """Positions of its traces, ascending."""


def shard_path(store: Path, shard: int) -> Path:
    """File of one shard."""
    return store / "shards" / f"{shard:05d}.safetensors"


def journal_path(store: Path) -> Path:
    """File of finished work."""
    return store / "journal.jsonl"


def lock_path(store: Path) -> Path:
    """File that the writer holds."""
    return store / "lock"


def write_header(store: Path, header: Header) -> None:
    """Write `store.json` atomically, with its own checksum.

    Raises:
        CannotCreate: The folder cannot be created.
        StorageError: The disk is full or failed.
    """
    body = {one.name: getattr(header, one.name) for one in fields(header)}
    lines = [f'"{name}":{json.dumps(value)}' for name, value in body.items()]
    lines.insert(0, f'"checksum":"{_checksum(body)}"')
    write_text(store / "store.json", "{" + ",\n".join(lines) + "}\n")


def read_header(store: Path) -> Header | None:
    """The header, or None where there is no store.

    Raises:
        StorageError: It is damaged.
        ConfigError: It has the format of another version.
    """
    path = store / "store.json"
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except UnicodeDecodeError:
        text = ""
    except OSError as error:
        raise storage_error(path, error) from error
    try:
        body = json.loads(text)
        intact = body.pop("checksum") == _checksum(body)
        made_by = body["fields"]["format"]
    except (ValueError, TypeError, KeyError, AttributeError):
        intact = False
    if not intact:
        raise StorageError(
            str(path),
            found="damaged (its checksum is wrong)",
            fix="delete the store and extract again",
        )
    if made_by != FORMAT:
        raise ConfigError(
            f"store {store}",
            found="made by another version of augury:\n"
            + difference_table({"format": made_by}, {"format": FORMAT})
            + "\n",
            expected="the format of this version",
            fix="name another store, or delete this one and extract again",
        )
    return Header(**body)


def refuse_other(store: Path, stored: Header, now: Header) -> None:
    """Refuse to mix two readings in one store.

    Raises:
        ConfigError: Any field differs; the table says which.
    """
    table = difference_table(stored.fields, now.fields)
    if table:
        raise ConfigError(
            f"store {store}",
            found=f"made with other settings:\n{table}\n",
            expected="the settings of this run",
            fix="name another store, or delete this one",
        )


def finished_shards(store: Path, header: Header) -> dict[int, ShardRecord]:
    """Shards whose journal line is durable and whose file is there in full size.

    Raises:
        StorageError: The journal is damaged.
    """
    done: dict[int, ShardRecord] = {}
    for record in read_journal(journal_path(store)):
        if "shard" in record:
            done[int(record["shard"])] = ShardRecord(**record)
    return {
        shard: record
        for shard, record in sorted(done.items())
        if shard < len(header.shards) and _has_size(shard_path(store, shard), record.bytes)
    }


def traces_field(traces: Sequence[TokenisedTrace]) -> dict[str, int | str]:
    """Which traces a store holds: how many, and the xxh3_128 of their names and ids."""
    total = xxhash.xxh3_128()
    for trace in traces:
        name = trace.trace_id.encode("utf-8", "surrogatepass")
        total.update(b"%d %d %d %d\0" % (len(name), len(trace.ids), trace.first_row, trace.part))
        total.update(name)
        total.update(np.ascontiguousarray(trace.ids, dtype=np.int32).tobytes())
    return {"count": len(traces), "content": total.hexdigest()}


def file_checksum(path: Path) -> str:
    """xxh3_128 of a file, 32 hex digits.

    Raises:
        MissingInput: It is gone.
        StorageError: It cannot be read.
    """
    total = xxhash.xxh3_128()
    try:
        with path.open("rb") as file:
            while block := file.read(1 << 22):
                total.update(block)
    except FileNotFoundError as error:
        raise MissingInput(str(path), found="the shard is gone", fix="extract again") from error
    except OSError as error:
        raise storage_error(path, error) from error
    return total.hexdigest()


def _checksum(body: dict[str, Any]) -> str:
    # Not `fingerprint`, which would walk in Python through what may be a million numbers.
    text = json.dumps(body, sort_keys=True, separators=(",", ":"))
    return xxhash.xxh3_128_hexdigest(text.encode())


def _has_size(path: Path, size: int) -> bool:
    return path.is_file() and path.stat().st_size == size
