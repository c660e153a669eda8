"""Numbers in result files that are no numbers: NaN and infinity, in CSV, Parquet and JSON."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path

import polars as pl

__all__ = ["not_finite"]

_WORDS = {"nan", "+nan", "-nan", "inf", "+inf", "-inf", "infinity", "+infinity", "-infinity"}


def not_finite(path: Path) -> Iterator[str]:
    """Where a file holds a number that is not finite; nothing for files of other kinds."""
    if path.suffix == ".parquet":
        yield from _in_parquet(path)
    elif path.suffix == ".csv":
        yield from _in_csv(path)
    elif path.suffix == ".json":
        yield from _in_json(path)


def _in_parquet(path: Path) -> Iterator[str]:
    table = pl.read_parquet(path)
    for name, kind in table.schema.items():
        if kind.is_float():
            bad = int((~table[name].is_finite()).sum())
            if bad:
                yield f"column {name!r}: {bad} of {len(table)} values are not finite"


def _in_csv(path: Path) -> Iterator[str]:
    with path.open(encoding="utf-8", newline="") as file:
        for number, row in enumerate(csv.DictReader(file), start=2):
            for name, cell in row.items():
                # an apostrophe stands before text that a spreadsheet would take for a formula
                if isinstance(cell, str) and cell.strip().lstrip("'").lower() in _WORDS:
                    yield f"line {number}, column {name!r}: {cell}"


def _in_json(path: Path) -> Iterator[str]:
    found: list[str] = []
    json.loads(path.read_text(encoding="utf-8"), parse_constant=found.append)
    yield from found
