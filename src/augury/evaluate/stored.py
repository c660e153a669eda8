"""Results on disk: every number as it was, every missing number with its reason."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from augury.errors import DataError, MissingInput
from augury.evaluate.records import CellResult
from augury.runs.atomic import write_bytes

__all__ = ["read_results", "results_json", "write_results"]

_RESULTS = TypeAdapter(list[CellResult])


def results_json(results: Sequence[CellResult]) -> bytes:
    """Results as JSON; floats read back exactly."""
    return _RESULTS.dump_json(list(results), indent=1)


def write_results(path: Path, results: Sequence[CellResult]) -> None:
    """Write `results_json(results)`, whole or not at all."""
    write_bytes(path, results_json(results))


def read_results(path: Path) -> list[CellResult]:
    """Read what `write_results` wrote.

    Raises:
        MissingInput: There is no such file.
        DataError: It holds something else.
    """
    try:
        return _RESULTS.validate_json(path.read_bytes())
    except FileNotFoundError as error:
        raise MissingInput(str(path), found="no results", fix="run the evaluation") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise DataError(f"{path}: {where}", found=str(first["msg"]), expected="results") from error
