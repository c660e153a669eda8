"""Store: hidden states on disk, read by site and row, without loading the rest."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open

from augury.activations.layout import (
    Header,
    ShardRecord,
    file_checksum,
    finished_shards,
    read_header,
    shard_path,
)
from augury.activations.plan import ReadingPlan
from augury.errors import DataError, MissingInput, StorageError, UsageError

__all__ = ["Rows", "SiteRows", "Store"]

Rows = slice | np.ndarray | None
"""Which rows: a slice, indices or a mask [row]; None for all."""


@dataclass(frozen=True, eq=False, slots=True)
class SiteRows:
    """The states of one site [row, hidden]; read from disk when asked for."""

    store: Store
    """Where they are."""

    site: str
    """Which site."""

    hidden: int
    """Columns of a row; sites differ."""

    def __len__(self) -> int:
        return self.store.n_rows

    def torch(self, rows: Rows = None) -> torch.Tensor:
        """Chosen rows, in the order asked for, in the stored number type [row, hidden].

        Raises:
            UsageError: A row that does not exist.
            StorageError: A shard is damaged; nothing of it is given out.
        """
        return self.store.read(self.site, rows)

    def pieces(self) -> Iterator[np.ndarray]:
        """Numbers of the rows of each shard, in rising order; every row once."""
        return self.store.rows_by_shard()

    def numpy(self, rows: Rows = None) -> np.ndarray:
        """Chosen rows as float32 [row, hidden]; exact for every stored number type."""
        states: np.ndarray = self.torch(rows).to(torch.float32).numpy()
        return states


class Store:
    """A finished reading: rows of all traces, ordered by (trace, token).

    `trace` counts the tokenised traces in the order in which they were given to `extract`.
    Every shard's checksum is verified once, before its first value is used.
    """

    def __init__(self, path: Path, header: Header, shards: dict[int, ShardRecord]) -> None:
        self.path = path
        self._header, self._shards = header, shards
        self._verified: set[int] = set()
        firsts, lengths = (np.array(x, dtype=np.int64) for x in (header.firsts, header.lengths))
        counts = lengths - firsts
        self._offsets = np.concatenate([[0], np.cumsum(counts)])
        self._shard_of_trace = np.zeros(len(counts), dtype=np.int64)
        self._offset_in_shard = np.zeros(len(counts), dtype=np.int64)
        for number, members in enumerate(header.shards):
            ordered = np.sort(np.array(members, dtype=np.int64))
            self._shard_of_trace[ordered] = number
            self._offset_in_shard[ordered] = np.cumsum(counts[ordered]) - counts[ordered]
        trace = np.repeat(np.arange(len(counts)), counts)
        token = np.arange(self._offsets[-1]) - self._offsets[trace] + firsts[trace]
        self.index: dict[str, np.ndarray] = {
            "trace": trace.astype(np.int32),
            "token": token.astype(np.int32),
        }
        self.plan = ReadingPlan.model_validate_json(json.dumps(header.fields["plan"]))

    @classmethod
    def open(cls, path: Path) -> Store:
        """Open a finished store.

        Raises:
            MissingInput: No store there.
            DataError: Its extraction has not finished.
            StorageError: It is damaged.
        """
        header = read_header(path)
        if header is None:
            raise MissingInput(f"store {path}", found="no store.json", fix="run the extraction")
        shards = finished_shards(path, header)
        if len(shards) < len(header.shards):
            raise DataError(
                f"store {path}",
                found=f"{len(shards)} of {len(header.shards)} shards",
                expected="a finished extraction",
                fix="run the extraction again; it continues where it stopped",
            )
        return cls(path, header, shards)

    @property
    def identity(self) -> dict[str, str]:
        """What the model was: content hashes and settings."""
        return dict(self._header.fields["identity"])

    @property
    def facts(self) -> Mapping[str, object]:
        """What the caller of `extract` wanted to be part of the store's identity."""
        return dict(self._header.fields["facts"])

    @property
    def traces(self) -> Mapping[str, object]:
        """Which tokenised traces were read: their `count`, and a hash of their `content`."""
        return dict(self._header.fields["traces"])

    @property
    def sites(self) -> tuple[str, ...]:
        """Sites that can be read, in the order of a forward pass."""
        return self.plan.sites

    @property
    def n_rows(self) -> int:
        """Rows of every site."""
        return int(self._offsets[-1])

    @property
    def dtype(self) -> torch.dtype:
        """Number type on disk."""
        found: torch.dtype = getattr(torch, self._header.dtype)
        return found

    def __contains__(self, site: object) -> bool:
        return site in self.sites

    def __getitem__(self, site: str) -> SiteRows:
        """Rows of one site.

        Raises:
            UsageError: The site was not read.
        """
        if site not in self.sites:
            raise UsageError(
                f"store {self.path}: site {site!r}",
                found="not stored",
                expected=f"one of {', '.join(self.sites)}",
                fix="add it to the reading plan and extract into a new store",
            )
        return SiteRows(self, site, self._hidden(site))

    def rows_of(self, trace: int) -> slice:
        """Rows of one trace, by its position; empty where none of its tokens was kept."""
        return slice(int(self._offsets[trace]), int(self._offsets[trace + 1]))

    def rows_by_shard(self) -> Iterator[np.ndarray]:
        """Row numbers of each shard: read in this order, every shard is opened once."""
        for members in self._header.shards:
            ranges = [np.r_[self.rows_of(trace)] for trace in sorted(members)]
            yield np.concatenate(ranges)

    def verify(self) -> None:
        """Check every shard against its checksum, and its rows against the header.

        Raises:
            StorageError: A shard is damaged; it is named.
        """
        self._verified.clear()
        for shard in range(len(self._header.shards)):
            self._check(shard)

    def read(self, site: str, rows: Rows = None) -> torch.Tensor:
        """See `SiteRows.torch`."""
        wanted = self._row_numbers(rows)
        states = torch.empty((len(wanted), self._hidden(site)), dtype=self.dtype)
        traces = self.index["trace"][wanted]
        shards = self._shard_of_trace[traces]
        local = wanted - self._offsets[traces] + self._offset_in_shard[traces]
        for shard in np.unique(shards).tolist():
            here = np.flatnonzero(shards == shard)
            self._check(shard)
            with safe_open(shard_path(self.path, shard), framework="pt") as file:
                tensor = file.get_tensor(site)
                states[torch.from_numpy(here)] = tensor[torch.from_numpy(local[here])]
        return states

    def _row_numbers(self, rows: Rows) -> np.ndarray:
        if rows is None:
            rows = slice(None)
        if isinstance(rows, slice):
            return np.arange(self.n_rows)[rows]
        asked = np.asarray(rows)
        if asked.dtype == np.bool_ and len(asked) == self.n_rows:
            return np.flatnonzero(asked)
        if asked.size == 0:
            return np.zeros(0, dtype=np.int64)
        if not np.issubdtype(asked.dtype, np.integer) or not (
            0 <= asked.min() and asked.max() < self.n_rows
        ):
            raise UsageError(
                f"store {self.path}: rows",
                found=f"{asked.dtype} from {asked.min()} to {asked.max()}, {len(asked)} of them",
                expected=f"indices from 0 to {self.n_rows - 1}, or a mask of {self.n_rows}",
            )
        return asked.astype(np.int64)

    def _hidden(self, site: str) -> int:
        self._check(0)
        with safe_open(shard_path(self.path, 0), framework="pt") as file:
            return int(file.get_slice(site).get_shape()[1])

    def _check(self, shard: int) -> None:
        if shard in self._verified:
            return
        path = shard_path(self.path, shard)
        if file_checksum(path) != self._shards[shard].xxh3:
            raise _damaged(path, "its checksum is wrong")
        members = np.sort(np.array(self._header.shards[shard], dtype=np.int64))
        rows = np.concatenate([np.r_[self.rows_of(int(trace))] for trace in members])
        with safe_open(path, framework="pt") as file:
            for name, index in self.index.items():
                if not np.array_equal(file.get_tensor(name).numpy(), index[rows]):
                    raise _damaged(path, f"its column {name!r} contradicts store.json")
        self._verified.add(shard)


def _damaged(path: Path, how: str) -> StorageError:
    return StorageError(
        str(path),
        found=f"damaged: {how}",
        fix="delete this file and run the extraction again; it reads only what is missing",
    )
