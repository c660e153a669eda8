"""Values as plain JSON: the one form in which they are stored, hashed and compared."""

from __future__ import annotations

import json
import math
import numbers
from collections.abc import Iterator, Mapping
from pathlib import PurePath

import xxhash
from pydantic import BaseModel

from augury.errors import ConfigError, DataError

__all__ = ["difference_table", "fingerprint", "json_text", "plain", "shown"]

_ABSENT = "(absent)"


def plain(value: object) -> object:
    """`value` built only from dict, list, str, int, float, bool and None.

    Configs become mappings, paths become text, tuples become lists, sets become sorted lists and
    numpy scalars become Python numbers.

    Raises:
        DataError: A number is not finite, or a mapping key is not text; the place is named.
        TypeError: The value has no plain form, which is a mistake of the caller.
    """
    return _plain(value, "value")


def json_text(value: object, *, indent: int | None = None, sort_keys: bool = False) -> str:
    """`plain(value)` as ASCII JSON, without a final newline."""
    separators = (",", ":") if indent is None else (",", ": ")
    return json.dumps(
        plain(value), indent=indent, sort_keys=sort_keys, separators=separators, allow_nan=False
    )


def fingerprint(value: object) -> str:
    """32 hex digits (xxh3, 128 bits) of the canonical JSON of `value`.

    The order of keys, comments in a file and the difference between list and tuple do not count;
    every leaf does, and so does the type of a number (`1` is not `1.0`).

    Raises:
        ConfigError: A number is not finite, so that equal could not be told from different.
        TypeError: A part of `value` has no plain form.
    """
    try:
        text = json_text(value, sort_keys=True)
    except DataError as error:
        raise ConfigError(error.where, found=error.found, expected=error.expected) from error
    return xxhash.xxh3_128_hexdigest(text.encode())


def difference_table(
    stored: Mapping[str, object],
    now: Mapping[str, object],
    *,
    names: tuple[str, str] = ("stored", "now"),
) -> str:
    """One line `  field: stored X / now Y` per differing leaf, dotted; empty when equal."""
    before, after = dict(_leaves(plain(stored))), dict(_leaves(plain(now)))
    keys = [*before, *(key for key in after if key not in before)]
    return "\n".join(
        f"  {key}: {names[0]} {_cell(before, key)} / {names[1]} {_cell(after, key)}"
        for key in keys
        if _cell(before, key, limit=None) != _cell(after, key, limit=None)
    )


def shown(value: object, limit: int | None = 80) -> str:
    """`value` for a message: escaped by `repr`, and shortened to `limit` characters."""
    text = repr(value)
    return text if limit is None or len(text) <= limit else text[: limit - 3] + "..."


def _plain(value: object, where: str) -> object:
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, BaseModel):
        return _plain(value.model_dump(mode="python"), where)
    if isinstance(value, Mapping):
        return _plain_mapping(value, where)
    if isinstance(value, list | tuple):
        return [_plain(item, f"{where}[{i}]") for i, item in enumerate(value)]
    if isinstance(value, set | frozenset):
        return sorted((_plain(item, where) for item in value), key=repr)
    if isinstance(value, PurePath):
        return str(value)
    return _plain_number(value, where)


def _plain_mapping(value: Mapping[object, object], where: str) -> dict[str, object]:
    for key in value:
        if not isinstance(key, str):
            raise DataError(where, found=f"the key {shown(key)}", expected="keys that are text")
    return {str(key): _plain(item, f"{where}.{key}") for key, item in value.items()}


def _plain_number(value: object, where: str) -> int | float | bool:
    # numpy scalars are recognised by their abstract kind, so that numpy need not be imported.
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, numbers.Real):
        number = float(value)
        if not math.isfinite(number):
            raise DataError(where, found=f"the number {number}", expected="a finite number")
        return number
    if type(value).__module__ == "numpy" and type(value).__name__ in {"bool", "bool_"}:
        return bool(value)
    raise TypeError(f"{where}: {type(value).__name__} has no plain JSON form")


def _leaves(value: object, prefix: str = "") -> Iterator[tuple[str, object]]:
    if isinstance(value, dict) and (value or not prefix):
        for key, item in value.items():
            yield from _leaves(item, f"{prefix}.{key}" if prefix else key)
    else:
        yield prefix, value


def _cell(leaves: Mapping[str, object], key: str, limit: int | None = 80) -> str:
    return shown(leaves[key], limit) if key in leaves else _ABSENT
