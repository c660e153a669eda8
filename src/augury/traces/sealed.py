"""Parquet files that carry a checksum of themselves and stay ordinary Parquet files.

Parquet itself notices a flipped bit only by luck: a changed number comes back as a value, and a
changed length can take the process down. So nothing is parsed before the checksum is right.

A reader finds the footer from the end of the file and the data by offsets from its beginning, so
what stands right before the footer is nobody's. There is our mark, with the xxh3_128 of the rest.
"""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import polars as pl
import xxhash

from augury.errors import DataError, StorageError
from augury.runs.atomic import write_bytes
from augury.traces.records import read_bytes

__all__ = ["read_sealed", "write_sealed"]

_MARK = b"augury:xxh3_128:"
_SEAL_BYTES = len(_MARK) + 16
_TAIL_BYTES = 8
"""Length of the footer, little-endian, and the magic `PAR1`."""


def write_sealed(path: Path, frame: pl.DataFrame) -> None:
    """Write a table with its checksum, atomically.

    Raises:
        CannotCreate: The file cannot be created there.
        StorageError: The disk is full or failed.
    """
    buffer = BytesIO()
    frame.write_parquet(buffer)
    data = buffer.getvalue()
    cut = len(data) - _TAIL_BYTES - int.from_bytes(data[-8:-4], "little")
    write_bytes(path, b"".join((data[:cut], _MARK, _digest(data[:cut], data[cut:]), data[cut:])))


def read_sealed(path: Path, *, what: str) -> pl.DataFrame:
    """Read a table that `write_sealed` wrote.

    Args:
        path: The file.
        what: What it holds, for messages: `"traces"`.

    Raises:
        MissingInput: There is no such file.
        DataError: It is no such file.
        StorageError: It is damaged, or cannot be read.
    """
    data = read_bytes(path, what=f"a Parquet file of {what}")
    cut = len(data) - _TAIL_BYTES - int.from_bytes(data[-8:-4], "little")
    start = cut - _SEAL_BYTES
    seal = data[start:cut] if start > 0 else b""
    if seal != _MARK + _digest(data[: max(start, 0)], data[max(cut, 0) :]):
        if _MARK in data:
            raise StorageError(
                str(path), found="damaged (its checksum is wrong)", fix="delete it and run again"
            )
        raise DataError(
            str(path),
            found="not written by augury, or damaged: it has no checksum",
            expected=f"a Parquet file of {what} with augury's checksum",
            fix=f"delete it and run again, or convert other {what} to JSON lines",
        )
    return pl.read_parquet(BytesIO(data))


def _digest(before: bytes, after: bytes) -> bytes:
    total = xxhash.xxh3_128(before)
    total.update(after)
    return total.digest()
