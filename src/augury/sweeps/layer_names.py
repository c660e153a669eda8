"""Blocks by their place: `resid.mid` is `resid.16` in a model of 32 blocks.

| name    | block of a model with n blocks, from 0 |
|---------|----------------------------------------|
| `first` | 0                                      |
| `q1`    | n // 4                                 |
| `q2`    | n // 2                                 |
| `mid`   | n // 2                                 |
| `q3`    | 3 n // 4                               |
| `last`  | n - 1                                  |

Two names of one block are one config, which is why names are resolved before configs are compared.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

__all__ = ["names_layers", "resolve_layers"]

_NAME = re.compile(r"([a-z]+)\.(first|q1|q2|mid|q3|last)")
_PLACES: dict[str, Callable[[int], int]] = {
    "first": lambda n: 0,
    "q1": lambda n: n // 4,
    "q2": lambda n: n // 2,
    "mid": lambda n: n // 2,
    "q3": lambda n: 3 * n // 4,
    "last": lambda n: n - 1,
}


def names_layers(value: object) -> bool:
    """Whether a layer is named by its place anywhere in `value`."""
    if isinstance(value, list):
        return any(map(names_layers, value))
    if isinstance(value, dict):
        return any(map(names_layers, value.values()))
    return isinstance(value, str) and _NAME.fullmatch(value) is not None


def resolve_layers(value: Any, depth: int) -> Any:
    """`value` with every named layer as its number; a list loses what it then holds twice.

    Args:
        value: Plain data.
        depth: Number of blocks of the model.
    """
    if isinstance(value, dict):
        return {key: resolve_layers(each, depth) for key, each in value.items()}
    if isinstance(value, list):
        found = [resolve_layers(each, depth) for each in value]
        return list(dict.fromkeys(found)) if names_layers(value) and _are_text(found) else found
    if isinstance(value, str) and (match := _NAME.fullmatch(value)):
        return f"{match[1]}.{_PLACES[match[2]](depth)}"
    return value


def _are_text(values: list[Any]) -> bool:
    return all(isinstance(each, str) for each in values)
