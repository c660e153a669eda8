"""TokenisedTrace: a trace as the model reads it, in memory and on disk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl

from augury.errors import DataError
from augury.traces.records import read_bytes
from augury.traces.sealed import read_sealed, write_sealed

__all__ = [
    "ANSWER",
    "PROMPT",
    "TEMPLATE",
    "THINKING",
    "TokenisedTrace",
    "read_given_ids",
    "read_tokenised",
    "write_tokenised",
]

TEMPLATE: Final = 0
PROMPT: Final = 1
THINKING: Final = 2
ANSWER: Final = 3


@dataclass(frozen=True, eq=False, slots=True)
class TokenisedTrace:
    """Ids of one trace (or of one window of it), and what each token is."""

    trace_id: str
    """`Trace.id`."""

    group: str
    """`Trace.group`."""

    ids: np.ndarray
    """int32 [token], what the model is fed."""

    starts: np.ndarray
    """int32 [token], first code point in `Trace.text`, from 0; 0 for an added BOS."""

    ends: np.ndarray
    """int32 [token], one past the last code point; 0 for an added BOS."""

    special: np.ndarray
    """bool [token], True for ids that the vocabulary marks as special."""

    role: np.ndarray
    """uint8 [token]: 0 template and its special tokens, 1 prompt, 2 thinking, 3 answer."""

    first_row: int
    """Index of the first token that counts: completion tokens, of a window its new ones."""

    part: int = 0
    """Window number, from 0."""

    bos: bool = False
    """True where `ids[0]` is a BOS."""

    def __len__(self) -> int:
        """Number of tokens."""
        return len(self.ids)

    @property
    def rows(self) -> np.ndarray:
        """Tokens that count: bool [token]."""
        return np.arange(len(self.ids)) >= self.first_row

    def __post_init__(self) -> None:
        """Refuse columns of different lengths."""
        lengths = {len(self.ids), len(self.starts), len(self.ends), len(self.special)}
        if lengths != {len(self.role)} or not 0 <= self.first_row <= len(self.ids):
            raise DataError(
                f"tokenised trace {self.trace_id!r}",
                found=f"columns of {sorted(lengths)} tokens, first row {self.first_row}",
                expected="columns of one length that hold the first row",
            )


_COLUMNS = {
    "ids": np.int32,
    "starts": np.int32,
    "ends": np.int32,
    "special": np.bool_,
    "role": np.uint8,
}
_SCHEMA: dict[str, Any] = {
    "trace_id": pl.String,
    "group": pl.String,
    "ids": pl.List(pl.Int32),
    "starts": pl.List(pl.Int32),
    "ends": pl.List(pl.Int32),
    "special": pl.List(pl.Boolean),
    "role": pl.List(pl.UInt8),
    "first_row": pl.Int32,
    "part": pl.Int32,
    "bos": pl.Boolean,
}


def write_tokenised(path: Path, tokenised: Sequence[TokenisedTrace]) -> None:
    """Store tokenised traces as Parquet, atomically; `read_tokenised` returns them equal."""
    columns = {
        name: pl.Series(name, [_storable(getattr(one, name)) for one in tokenised], dtype=kind)
        for name, kind in _SCHEMA.items()
    }
    write_sealed(path, pl.DataFrame(columns))


def read_tokenised(path: Path) -> list[TokenisedTrace]:
    """Tokenised traces of a file that `write_tokenised` wrote, in their order.

    Raises:
        MissingInput: There is no such file.
        DataError: It is not such a file.
        StorageError: It is damaged; nothing of it is given out.
    """
    frame = read_sealed(path, what="tokenised traces")
    if dict(frame.schema) != _SCHEMA:
        raise DataError(
            str(path), found=f"columns {dict(frame.schema)}", expected=f"columns {_SCHEMA}"
        )
    return [_from_row(row) for row in frame.iter_rows(named=True)]


def read_given_ids(path: Path) -> list[tuple[str, np.ndarray]] | None:
    """Trace ids and token ids int32 [token] of a Parquet file that holds nothing else.

    Returns:
        One pair per row, in their order; None where the columns are others than `trace_id` (text)
        and `ids` (lists of whole numbers).

    Raises:
        MissingInput: There is no such file.
        DataError: It is no Parquet file, or an entry is empty or no token id.
    """
    frame = _frame(path)
    kinds = dict(frame.schema)
    numbers = kinds.get("ids")
    if (
        set(kinds) != {"trace_id", "ids"}
        or kinds["trace_id"] != pl.String
        or not (isinstance(numbers, pl.List) and numbers.inner.is_integer())  # type: ignore[union-attr]
    ):
        return None
    pairs = []
    for row, (trace_id, ids) in enumerate(frame.iter_rows(), start=1):
        if trace_id is None or not ids or any(i is None or not 0 <= i < 2**31 for i in ids):
            raise DataError(
                f"{path}:{row}", found="an empty entry, or no token id", expected="a name and ids"
            )
        pairs.append((trace_id, np.array(ids, dtype=np.int32)))
    return pairs


def _frame(path: Path) -> pl.DataFrame:
    raw = read_bytes(path, what="a Parquet file of tokenised traces")
    try:
        return pl.read_parquet(BytesIO(raw))
    except Exception as error:  # polars raises its own kinds, and panics, on damaged bytes
        raise DataError(
            str(path), found=f"not readable: {error}", expected="a Parquet file of tokenised traces"
        ) from error


def _from_row(row: dict[str, Any]) -> TokenisedTrace:
    for name, kind in _COLUMNS.items():
        column: np.ndarray = np.asarray(row[name], dtype=kind)
        column.flags.writeable = False
        row[name] = column
    return TokenisedTrace(**row)


def _storable(value: object) -> object:
    # Through Python numbers, a million tokens would take a hundred times their own memory.
    return pl.Series(value) if isinstance(value, np.ndarray) else value
