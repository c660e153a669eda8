"""Store: hidden states on disk, read by site and row, without loading the rest."""

from __future__ import annotations

import json
import operator
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
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

Rows = slice | Sequence[int] | np.ndarray | None
"""Which rows: a slice, indices from 0, or a mask [row]; None for all."""


@dataclass(frozen=True, eq=False, slots=True)
class SiteRows:
    """The states of one site [row, hidden]; read from disk when asked for.

    ::

        states[100:200]                        rows 100 to 199, whatever their traces
        states[7]                              one row [hidden]
        states[[5, 3]], states[mask]           chosen rows, in the order asked for
        states.of(7)                           the kept tokens of trace 7
        states.of("gsm8k-7", slice(-5, None))  the last five tokens of a trace, by its id
        states.numpy(rows)                     any of the first three as float32

    Consecutive rows of one shard are not copied: they are a view of the file, of which only the
    pages that are looked at get loaded. Writing to such a view changes it and never the file.
    """

    store: Store
    """Where they are."""

    site: str
    """Which site."""

    @property
    def hidden(self) -> int:
        """Width."""
        return self.store.width(self.site)

    def __len__(self) -> int:
        return self.store.n_rows

    def __getitem__(self, rows: int | Rows) -> torch.Tensor:
        """`torch(rows)`; of a single row, counted from the end where negative, [hidden]."""
        if not hasattr(rows, "__index__") or isinstance(rows, np.ndarray):
            return self.torch(rows)  # type: ignore[arg-type]
        number = operator.index(rows)  # type: ignore[arg-type]
        return self.torch([number + len(self) if number < 0 else number])[0]

    def __iter__(self) -> Iterator[torch.Tensor]:
        return (self[row] for row in range(len(self)))

    def __array__(self, dtype: object = None, copy: bool | None = None) -> np.ndarray:
        """All rows, for `np.asarray` and the libraries that call it."""
        return np.asarray(self.numpy(), dtype=dtype)  # type: ignore[call-overload,no-any-return]

    def of(self, trace: int | str, tokens: slice | None = None) -> torch.Tensor:
        """Kept tokens of one trace [token, hidden], or a range of them; see `Store.rows_of`."""
        return self.torch(self.store.rows_of(trace, tokens))

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
        """Chosen rows as float32 [row, hidden]; exact for every stored number type.

        numpy knows no bfloat16, so states of two bytes are copied; float32 is given as it lies.
        """
        states: np.ndarray = self.torch(rows).to(torch.float32).numpy()
        return states


class Store:
    """A finished reading: rows of all traces, ordered by (trace, token).

    `trace` counts the tokenised traces in the order in which they were given to `extract`. Every
    shard's checksum is verified once, before its first value is used. In memory it takes a few
    numbers per trace, and `index` eight bytes per row once that is asked for.
    """

    def __init__(self, path: Path, header: Header, shards: dict[int, ShardRecord]) -> None:
        self.path = path
        self._header, self._shards = header, shards
        self._verified: set[int] = set()
        self._firsts = np.array(header.firsts, dtype=np.int64)
        self._counts = np.array(header.lengths, dtype=np.int64) - self._firsts
        self._offsets = np.concatenate([[0], np.cumsum(self._counts)])
        self._shard_of_trace = np.zeros(len(self._counts), dtype=np.int64)
        self._offset_in_shard = np.zeros(len(self._counts), dtype=np.int64)
        for number, members in enumerate(header.shards):
            ordered = np.sort(np.array(members, dtype=np.int64))
            counts = self._counts[ordered]
            self._shard_of_trace[ordered] = number
            self._offset_in_shard[ordered] = np.cumsum(counts) - counts
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

    @cached_property
    def index(self) -> dict[str, np.ndarray]:
        """Where each row comes from: `trace` and `token`, both int32 [row], from 0."""
        return self._columns(np.arange(len(self._counts)))

    @property
    def traces(self) -> tuple[str, ...]:
        """Id of each trace, by position; windows of one text have the same."""
        return tuple(self._header.traces)

    @property
    def identity(self) -> dict[str, str]:
        """What the model was: content hashes and settings."""
        return dict(self._header.fields["identity"])

    @property
    def facts(self) -> Mapping[str, object]:
        """What the caller of `extract` wanted to be part of the store's identity."""
        return dict(self._header.fields["facts"])

    @property
    def content(self) -> Mapping[str, object]:
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
        return SiteRows(self, site)

    def rows_of(self, trace: int | str, tokens: slice | None = None) -> slice:
        """Rows of one trace, or of a range of its tokens; may be empty.

        Args:
            trace: Its position, from 0, or its id.
            tokens: Token indices, without a step. 0 is the first token of the text (of a window),
                kept or not; negative numbers count from its end; an open end is where the kept
                tokens end.

        Raises:
            UsageError: No such trace, several windows of that id, or tokens that were not kept.
        """
        number = self._position(trace)
        first = int(self._firsts[number])
        end = first + int(self._counts[number])
        asked = tokens or slice(None)
        start, stop = (
            default if at is None else at + end if at < 0 else at
            for at, default in ((asked.start, first), (asked.stop, end))
        )
        if asked.step not in (None, 1) or not first <= start <= stop <= end:
            raise UsageError(
                f"store {self.path}: trace {trace!r}: tokens",
                found=f"{asked.start}:{asked.stop}" + (f":{asked.step}" if asked.step else ""),
                expected=f"a range within the kept tokens {first}:{end}",
            )
        behind = int(self._offsets[number]) - first
        return slice(behind + start, behind + stop)

    def rows_by_shard(self) -> Iterator[np.ndarray]:
        """Row numbers of each shard: read in this order, every shard is opened once."""
        for members in self._header.shards:
            traces = np.sort(np.array(members, dtype=np.int64))
            counts = self._counts[traces]
            shift = self._offsets[traces] - (np.cumsum(counts) - counts)
            yield np.arange(counts.sum()) + np.repeat(shift, counts)

    def verify(self) -> None:
        """Check every shard against its checksum, and its rows against the header.

        Raises:
            StorageError: A shard is damaged; it is named.
        """
        self._verified.clear()
        for shard in range(len(self._header.shards)):
            self._check(shard)

    def width(self, site: str) -> int:
        """Numbers per row of a site."""
        shard = next(iter(self._verified), 0)
        self._check(shard)
        with safe_open(shard_path(self.path, shard), framework="pt") as file:
            return int(file.get_slice(site).get_shape()[1])

    def read(self, site: str, rows: Rows = None) -> torch.Tensor:
        """See `SiteRows.torch`."""
        wanted = self._row_numbers(rows)
        if isinstance(wanted, range):
            run = self._run_in_shard(wanted)
            if run is not None:
                shard, first = run
                self._check(shard)
                with safe_open(shard_path(self.path, shard), framework="pt") as file:
                    view: torch.Tensor = file.get_slice(site)[first : first + len(wanted)]
                    return view
            wanted = np.arange(wanted.start, wanted.stop, wanted.step)
        return self._gathered(site, wanted)

    def _run_in_shard(self, rows: range) -> tuple[int, int] | None:
        """Shard and first row there, if these rows lie one behind the other in one shard."""
        if not rows or rows.step != 1:
            return None
        # Traces without rows share the offset of the next; searching from the right skips them.
        first, last = np.searchsorted(self._offsets, [rows[0], rows[-1]], side="right") - 1
        between = slice(first, last + 1)
        shards = self._shard_of_trace[between][self._counts[between] > 0]
        if (shards != shards[0]).any():
            return None
        start = rows[0] - self._offsets[first] + self._offset_in_shard[first]
        return int(shards[0]), int(start)

    def _gathered(self, site: str, wanted: np.ndarray) -> torch.Tensor:
        """A copy of chosen rows, from however many shards."""
        traces = np.searchsorted(self._offsets, wanted, side="right") - 1
        shards = self._shard_of_trace[traces]
        local = wanted - self._offsets[traces] + self._offset_in_shard[traces]
        needed = np.unique(shards).tolist()
        for shard in needed:
            self._check(shard)
        if len(needed) == 1:
            with safe_open(shard_path(self.path, needed[0]), framework="pt") as file:
                chosen: torch.Tensor = file.get_tensor(site)[torch.from_numpy(local)]
                return chosen
        states = torch.empty((len(wanted), self.width(site)), dtype=self.dtype)
        for shard in needed:
            here = np.flatnonzero(shards == shard)
            with safe_open(shard_path(self.path, shard), framework="pt") as file:
                tensor = file.get_tensor(site)
                states[torch.from_numpy(here)] = tensor[torch.from_numpy(local[here])]
        return states

    def _row_numbers(self, rows: Rows) -> range | np.ndarray:
        if rows is None or isinstance(rows, slice):
            return range(self.n_rows)[rows or slice(None)]
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

    @cached_property
    def _places(self) -> dict[str, list[int]]:
        places: dict[str, list[int]] = {}
        for number, name in enumerate(self._header.traces):
            places.setdefault(name, []).append(number)
        return places

    def _position(self, trace: int | str) -> int:
        if not isinstance(trace, str):
            number = operator.index(trace)
            if not 0 <= number < len(self._counts):
                raise UsageError(
                    f"store {self.path}: trace {number}",
                    found="no such position",
                    expected=f"0 to {len(self._counts) - 1}, or an id",
                )
            return number
        places = self._places.get(trace, [])
        if len(places) != 1:
            raise UsageError(
                f"store {self.path}: trace {trace!r}",
                found=f"windows at positions {places}" if places else "no such id",
                expected="the position of one window" if places else "an id in store.traces",
            )
        return places[0]

    def _columns(self, traces: np.ndarray) -> dict[str, np.ndarray]:
        """Trace and token, int32 [row], of the rows of some traces in this order."""
        counts = self._counts[traces]
        ends = np.cumsum(counts)
        shift = (self._firsts[traces] + counts - ends).astype(np.int32)
        token = np.arange(ends[-1], dtype=np.int32) + np.repeat(shift, counts)
        return {"trace": np.repeat(traces.astype(np.int32), counts), "token": token}

    def _check(self, shard: int) -> None:
        if shard in self._verified:
            return
        path = shard_path(self.path, shard)
        if file_checksum(path) != self._shards[shard].xxh3:
            raise _damaged(path, "its checksum is wrong")
        expected = self._columns(np.flatnonzero(self._shard_of_trace == shard))
        with safe_open(path, framework="pt") as file:
            for name, column in expected.items():
                if not np.array_equal(file.get_tensor(name).numpy(), column):
                    raise _damaged(path, f"its column {name!r} contradicts store.json")
        self._verified.add(shard)


def _damaged(path: Path, how: str) -> StorageError:
    return StorageError(
        str(path),
        found=f"damaged: {how}",
        fix="delete this file and run the extraction again; it reads only what is missing",
    )
