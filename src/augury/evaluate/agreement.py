"""Do results that were computed again agree with those on disk, number by number?"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from augury.errors import CheckFailed, MissingInput
from augury.evaluate.records import CellResult
from augury.evaluate.stored import results_json

__all__ = ["assert_agrees_with"]

_SHOWN = 5


def assert_agrees_with(
    path: Path, results: Sequence[CellResult], *, tolerance: float = 1e-12
) -> None:
    """Compare results with a file of `write_results`, cell by cell in its order.

    Fields that the file does not have, because it was written before they existed, are left out.

    Args:
        path: What was stored.
        results: What was computed now.
        tolerance: Largest difference of two numbers, relative where they are above 1.

    Raises:
        MissingInput: There is no such file.
        CheckFailed: They differ; the first fields are listed as `stored / now`.
    """
    try:
        stored = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise MissingInput(str(path), found="no results", fix="run the evaluation") from error
    now = json.loads(results_json(results))
    differing = list(_differences(stored, now, "cell", tolerance))
    if differing:
        more = f"; and {len(differing) - _SHOWN} more" if len(differing) > _SHOWN else ""
        raise CheckFailed(
            str(path),
            found="; ".join(differing[:_SHOWN]) + more,
            expected="the stored results, from the stored scores",
            fix="run the stage evaluation again, or look for what changed the scores",
        )


def _differences(stored: Any, now: Any, where: str, tolerance: float) -> Iterator[str]:
    if isinstance(stored, dict) and isinstance(now, dict):
        for key, value in stored.items():
            yield from _differences(value, now.get(key), f"{where}.{key}", tolerance)
    elif isinstance(stored, list) and isinstance(now, list) and len(stored) == len(now):
        for number, pair in enumerate(zip(stored, now, strict=True)):
            yield from _differences(*pair, f"{where} {number}", tolerance)
    elif not _same(stored, now, tolerance):
        yield f"{where}: stored {stored!r} / now {now!r}"


def _same(stored: Any, now: Any, tolerance: float) -> bool:
    numbers = isinstance(stored, float) and isinstance(now, int | float)
    if numbers and not isinstance(now, bool):
        return math.isclose(stored, now, rel_tol=tolerance, abs_tol=tolerance)
    return type(stored) is type(now) and stored == now
