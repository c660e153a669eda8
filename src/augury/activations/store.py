"""Store: hidden states on disk, read by site and row, without loading the rest."""

from __future__ import annotations

import json
import operator
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open

from augury.activations.anchors import Anchors, anchors_hash
from augury.activations.layout import (
    Header,
    ShardRecord,
    file_checksum,
    finished_shards,
    read_header,
    shard_path,
)
from augury.activations.plan import ReadingPlan
from augury.activations.row_index import RowIndex, Rows
from augury.errors import DataError, MissingInput, StorageError, UsageError

__all__ = ["Rows", "SiteRows", "Store"]


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
        self._rows = RowIndex(header, f"store {path}")
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
        """Where each row comes from: `trace` and `token`, both int32 [row], from 0.

        Of a store of spans that became one row each, `first` too: the row is made of the tokens
        from there up to `token`.
        """
        traces = np.repeat(np.arange(len(self.traces), dtype=np.int32), self._rows.counts)
        if self.plan.rows != "spans":
            return {"trace": traces, "token": self._rows.last_tokens(np.arange(len(self.traces)))}
        index = {"trace": traces, "token": np.empty(self.n_rows, dtype=np.int32)}
        if self.plan.pooling != "tokens":
            index["first"] = np.empty(self.n_rows, dtype=np.int32)
        for shard, rows in enumerate(self._rows.by_shard()):
            for name, column in self._anchors_in(shard).items():
                if name in index:
                    index[name][rows] = column
        return index

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
        return self._rows.rows

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
                tokens end. A row that is made of several tokens belongs to its last one.

        Raises:
            UsageError: No such trace, several windows of that id, or tokens that were not kept.
        """
        number = self._rows.position(trace)
        offset, count = int(self._rows.offsets[number]), int(self._rows.counts[number])
        if tokens is None:
            return slice(offset, offset + count)
        length = int(self._rows.lengths[number])
        first = 0 if self.plan.rows == "spans" else length - count
        start, stop = (
            default if at is None else at + length if at < 0 else at
            for at, default in ((tokens.start, first), (tokens.stop, length))
        )
        if tokens.step not in (None, 1) or not first <= start <= stop <= length:
            step = f":{tokens.step}" if tokens.step else ""
            raise UsageError(
                f"store {self.path}: trace {trace!r}: tokens",
                found=f"{tokens.start}:{tokens.stop}{step}",
                expected=f"a range within the kept tokens {first}:{length}",
            )
        if self.plan.rows == "spans":
            start, stop = np.searchsorted(self._tokens_of(number), [start, stop]).tolist()
            return slice(offset + start, offset + stop)
        return slice(offset + start - first, offset + stop - first)

    def rows_by_shard(self) -> Iterator[np.ndarray]:
        """Row numbers of each shard: read in this order, every shard is opened once."""
        return self._rows.by_shard()

    def verify(self) -> None:
        """Check every shard against its checksum, and its rows against the header.

        Raises:
            StorageError: A shard is damaged; it is named.
        """
        self._verified.clear()
        for shard in range(len(self._header.shards)):
            self._check(shard)
        if self.plan.rows == "spans":
            columns = {"first": self.index["token"], **self.index}
            borders = self._rows.offsets[1:-1]
            pairs = zip(*(np.split(columns[n], borders) for n in Anchors._fields), strict=True)
            if anchors_hash([Anchors(*pair) for pair in pairs]) != self._header.fields["anchors"]:
                raise _damaged(self.path, "its rows are not those that store.json tells of")

    def width(self, site: str) -> int:
        """Numbers per row of a site."""
        shard = next(iter(self._verified), 0)
        self._check(shard)
        with safe_open(shard_path(self.path, shard), framework="pt") as file:
            return int(file.get_slice(site).get_shape()[1])

    def read(self, site: str, rows: Rows = None) -> torch.Tensor:
        """See `SiteRows.torch`."""
        wanted = self._rows.numbers(rows)
        if isinstance(wanted, range):
            run = self._rows.run(wanted)
            if run is not None:
                shard, first = run
                self._check(shard)
                with safe_open(shard_path(self.path, shard), framework="pt") as file:
                    view: torch.Tensor = file.get_slice(site)[first : first + len(wanted)]
                    return view
            wanted = np.arange(wanted.start, wanted.stop, wanted.step)
        return self._gathered(site, wanted)

    def _gathered(self, site: str, wanted: np.ndarray) -> torch.Tensor:
        """A copy of chosen rows, from however many shards."""
        shards, local = self._rows.places(wanted)
        needed = np.unique(shards).tolist()
        for shard in needed:
            self._check(shard)
        states = torch.empty((len(wanted), self.width(site)), dtype=self.dtype)
        for shard in needed:
            here = np.flatnonzero(shards == shard)
            with safe_open(shard_path(self.path, shard), framework="pt") as file:
                tensor = file.get_tensor(site)
                states[torch.from_numpy(here)] = tensor[torch.from_numpy(local[here])]
        return states

    def _tokens_of(self, trace: int) -> np.ndarray:
        """Token of each row of one trace."""
        start = int(self._rows.first_in_shard[trace])
        anchors = self._anchors_in(int(self._rows.shard[trace]))
        column: np.ndarray = anchors["token"][start : start + int(self._rows.counts[trace])]
        return column

    def _anchors_in(self, shard: int) -> dict[str, np.ndarray]:
        """`token` and `first` of the rows of one shard, int32 [row]."""
        self._check(shard)
        with safe_open(shard_path(self.path, shard), framework="pt") as file:
            token = file.get_tensor("token").numpy()
            first = file.get_tensor("first").numpy() if "first" in file.keys() else token
        return {"token": token, "first": first}

    def _check(self, shard: int) -> None:
        if shard in self._verified:
            return
        path = shard_path(self.path, shard)
        if file_checksum(path) != self._shards[shard].xxh3:
            raise _damaged(path, "its checksum is wrong")
        traces = self._rows.traces_of(shard)
        expected = {"trace": np.repeat(traces.astype(np.int32), self._rows.counts[traces])}
        if self.plan.rows != "spans":
            expected["token"] = self._rows.last_tokens(traces)
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
