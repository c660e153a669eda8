"""RowIndex: which rows belong to which trace, and where in the shards they lie."""

from __future__ import annotations

import operator
from collections.abc import Iterator, Sequence
from functools import cached_property

import numpy as np

from augury.activations.layout import Header
from augury.errors import UsageError

__all__ = ["RowIndex", "Rows"]

Rows = slice | Sequence[int] | np.ndarray | None
"""Which rows: a slice, indices from 0, or a mask [row]; None for all."""


class RowIndex:
    """Rows numbered by (trace, token), and their places by (shard, row there).

    Args:
        header: Of the store.
        where: Names the store in errors.
    """

    def __init__(self, header: Header, where: str) -> None:
        self._where, self._names, self._members = where, header.traces, header.shards
        self.counts = np.array(header.counts, dtype=np.int64)
        self.lengths = np.array(header.lengths, dtype=np.int64)
        self.offsets = np.concatenate([[0], np.cumsum(self.counts)])
        self.shard = np.zeros(len(self.counts), dtype=np.int64)
        self.first_in_shard = np.zeros(len(self.counts), dtype=np.int64)
        for number, members in enumerate(header.shards):
            ordered = np.sort(np.array(members, dtype=np.int64))
            counts = self.counts[ordered]
            self.shard[ordered] = number
            self.first_in_shard[ordered] = np.cumsum(counts) - counts

    @property
    def rows(self) -> int:
        """Rows of every site."""
        return int(self.offsets[-1])

    def traces_of(self, shard: int) -> np.ndarray:
        """Positions of the traces of one shard, ascending."""
        return np.flatnonzero(self.shard == shard)

    def by_shard(self) -> Iterator[np.ndarray]:
        """Row numbers of each shard, ascending."""
        for members in self._members:
            ranges = [np.arange(*self.offsets[trace : trace + 2]) for trace in sorted(members)]
            yield np.concatenate(ranges)

    def last_tokens(self, traces: np.ndarray) -> np.ndarray:
        """Token of each row of some traces, int32 [row], where their last tokens are kept."""
        counts = self.counts[traces]
        ends = np.cumsum(counts)
        shift = (self.lengths[traces] - ends).astype(np.int32)
        total = int(ends[-1]) if len(ends) else 0
        token: np.ndarray = np.arange(total, dtype=np.int32) + np.repeat(shift, counts)
        return token

    def run(self, rows: range) -> tuple[int, int] | None:
        """Shard and first row there, if these rows lie one behind the other in one shard."""
        if not rows or rows.step != 1:
            return None
        # Traces without rows share the offset of the next; searching from the right skips them.
        first, last = np.searchsorted(self.offsets, [rows[0], rows[-1]], side="right") - 1
        between = slice(first, last + 1)
        shards = self.shard[between][self.counts[between] > 0]
        if (shards != shards[0]).any():
            return None
        start = rows[0] - self.offsets[first] + self.first_in_shard[first]
        return int(shards[0]), int(start)

    def places(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Shard, and row there, of chosen rows: int64 [row] each."""
        traces = np.searchsorted(self.offsets, rows, side="right") - 1
        return self.shard[traces], rows - self.offsets[traces] + self.first_in_shard[traces]

    def numbers(self, rows: Rows) -> range | np.ndarray:
        """Numbers of chosen rows, in the order asked for.

        Raises:
            UsageError: A row that does not exist.
        """
        if rows is None or isinstance(rows, slice):
            return range(self.rows)[rows or slice(None)]
        asked = np.asarray(rows)
        if asked.dtype == np.bool_ and len(asked) == self.rows:
            return np.flatnonzero(asked)
        if asked.size == 0:
            return np.zeros(0, dtype=np.int64)
        if not np.issubdtype(asked.dtype, np.integer) or not (
            0 <= asked.min() and asked.max() < self.rows
        ):
            raise UsageError(
                f"{self._where}: rows",
                found=f"{asked.dtype} from {asked.min()} to {asked.max()}, {len(asked)} of them",
                expected=f"indices from 0 to {self.rows - 1}, or a mask of {self.rows}",
            )
        return asked.astype(np.int64)

    def position(self, trace: int | str) -> int:
        """Position of a trace, by itself or by its id.

        Raises:
            UsageError: No such trace, or several windows of that id.
        """
        if not isinstance(trace, str):
            number = operator.index(trace)
            if not 0 <= number < len(self.counts):
                raise UsageError(
                    f"{self._where}: trace {number}",
                    found="no such position",
                    expected=f"0 to {len(self.counts) - 1}, or an id",
                )
            return number
        places = self._of_name.get(trace, [])
        if len(places) != 1:
            raise UsageError(
                f"{self._where}: trace {trace!r}",
                found=f"windows at positions {places}" if places else "no such id",
                expected="the position of one window" if places else "an id in store.traces",
            )
        return places[0]

    @cached_property
    def _of_name(self) -> dict[str, list[int]]:
        places: dict[str, list[int]] = {}
        for number, name in enumerate(self._names):
            places.setdefault(name, []).append(number)
        return places
