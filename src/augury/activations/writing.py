"""The one writer of a store: it goes on where the last one stopped, and makes shards durable."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from safetensors.torch import save

from augury.activations.anchors import Anchors
from augury.activations.layout import (
    Header,
    ShardRecord,
    file_checksum,
    finished_shards,
    lock_path,
    read_header,
    refuse_other,
    shard_path,
    write_header,
)
from augury.runs.atomic import remove_temporaries, write_bytes
from augury.runs.journal import Journal
from augury.runs.lock import exclusive

__all__ = ["SHARD_BYTES", "ShardFile", "missing_shards", "shard_file", "write_shard"]

SHARD_BYTES = 64 * 2**20
"""A shard is closed once it holds this much: the most work that a kill can lose."""


@contextmanager
def missing_shards(path: Path, header: Header) -> Iterator[list[int]]:
    """Hold the store's lock, and give the numbers of the shards that are still to be written.

    Raises:
        ConfigError: A store with other settings is there.
        Busy: Another process is writing this store.
        StorageError: The store is damaged, or the disk is full.
    """
    with exclusive(lock_path(path)):
        for folder in (path, path / "shards"):
            remove_temporaries(folder)
        stored = read_header(path)
        if stored is None:
            write_header(path, header)
        else:
            refuse_other(path, stored, header)
        done = finished_shards(path, header)
        yield [shard for shard in range(len(header.shards)) if shard not in done]


class ShardFile(NamedTuple):
    """A shard that is not yet written."""

    data: bytes
    """The whole file, in safetensors; see `layout`."""

    rows: int
    """Rows in it."""

    traces: list[int]
    """Positions of its traces, ascending."""


def shard_file(states: Mapping[str, torch.Tensor], rows: Mapping[int, Anchors]) -> ShardFile:
    """The file of one shard.

    Args:
        states: Per site [row, hidden], ordered by (trace, token, first).
        rows: Of each of its traces, traces ascending.
    """
    counts = [len(of.token) for of in rows.values()]
    columns = {
        "trace": np.repeat(np.array(list(rows), dtype=np.int32), counts),
        "token": np.concatenate([of.token for of in rows.values()]),
    }
    first = np.concatenate([of.first for of in rows.values()])
    if not np.array_equal(first, columns["token"]):
        columns["first"] = first
    index = {name: torch.from_numpy(column) for name, column in columns.items()}
    return ShardFile(save({**states, **index}), sum(counts), list(rows))


def write_shard(path: Path, journal: Journal, shard: int, file: ShardFile) -> None:
    """Make one shard durable: first its file, then its journal line.

    Args:
        path: Folder of the store; the caller holds its lock.
        journal: Of the store.
        shard: Its number, from 0.
        file: What is in it.
    """
    target = shard_path(path, shard)
    write_bytes(target, file.data)
    record = ShardRecord(
        shard=shard,
        bytes=target.stat().st_size,
        xxh3=file_checksum(target),
        rows=file.rows,
        traces=file.traces,
    )
    journal.append({name: getattr(record, name) for name in ShardRecord.__slots__})
