"""Typed values out of parsed records, with errors that name file, row and field."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TypeVar

from augury.errors import DataError, MissingInput
from augury.runs.atomic import storage_error
from augury.traces.text import check_encodable

__all__ = ["read_bytes", "read_json_lines", "take", "text_of"]

V = TypeVar("V")

_NAMES = {
    str: "text",
    int: "a whole number",
    dict: "an object",
    list: "a list",
    bool: "true or false",
}


def read_bytes(path: Path, *, what: str) -> bytes:
    """Content of a file.

    Raises:
        MissingInput: There is no such file.
        StorageError: It cannot be read.
    """
    if not path.is_file():
        raise MissingInput(
            str(path), found="no such file", expected=what, fix="check the path in the config"
        )
    try:
        return path.read_bytes()
    except OSError as error:
        raise storage_error(path, error) from error


def read_json_lines(path: Path) -> Iterator[tuple[int, dict[str, object]]]:
    """Rows (counted as editors do, from 1) and objects of a JSON-lines file, blank lines skipped.

    Raises:
        MissingInput: There is no such file.
        DataError: A line is not UTF-8, not JSON, or not an object.
    """
    for row, line in enumerate(read_bytes(path, what="a JSON-lines file").split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            value = json.loads(line.decode("utf-8"))
        except (ValueError, RecursionError) as error:
            raise DataError(
                f"{path}:{row}", found=str(error), expected="one JSON object per line"
            ) from error
        if not isinstance(value, dict):
            raise DataError(
                f"{path}:{row}", found=type(value).__name__, expected="one JSON object per line"
            )
        yield row, value


def take(record: Mapping[str, object], key: str, kind: type[V], where: str) -> V:
    """`record[key]`, which must be a `kind`; text must have a UTF-8 form.

    Args:
        record: A parsed record.
        key: Its field.
        kind: `str`, `int`, `bool`, `dict` or `list`.
        where: `file:row` of the record.

    Raises:
        DataError: The field is absent or of another kind.
    """
    expected = _NAMES.get(kind, kind.__name__)
    if key not in record:
        raise DataError(
            f"{where}:{key}", found=f"absent (fields: {', '.join(record)})", expected=expected
        )
    value = record[key]
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        shown = repr(value)
        shown = shown if len(shown) < 60 else shown[:57] + "..."
        raise DataError(
            f"{where}:{key}", found=f"{type(value).__name__} {shown}", expected=expected
        )
    if isinstance(value, str):
        check_encodable(value, f"{where}:{key}")
    return value


def text_of(record: Mapping[str, object], key: str, where: str, *, empty: bool = False) -> str:
    """`record[key]` as text that is not blank unless `empty` allows it.

    Raises:
        DataError: The field is absent, not text, or blank.
    """
    value = take(record, key, str, where)
    if not empty and not value.strip():
        raise DataError(
            f"{where}:{key}",
            found="empty",
            expected="text",
            fix="drop the record or fill the field",
        )
    return value
