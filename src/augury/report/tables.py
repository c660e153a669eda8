"""Comma-separated tables that every program reads alike and no spreadsheet runs as a formula."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from augury.errors import DataError
from augury.runs.atomic import write_text

__all__ = ["CellValue", "csv_text", "write_csv"]

CellValue = str | int | float | bool | None

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def _safe_text(text: str) -> str:
    return "'" + text if text.startswith(_FORMULA_STARTS) else text


def _cell(value: CellValue, where: str) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return _safe_text(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and not math.isfinite(value):
        raise DataError(
            where,
            found=str(value),
            expected="a finite number, or None where a value is undefined",
            fix="give the reason for an undefined value in a column of its own",
        )
    # NumPy scalars are not printed by their own repr, which names their type.
    return repr(float(value)) if isinstance(value, float) else str(int(value))


def _quoted(cell: str) -> str:
    # The standard writer leaves a lone carriage return unquoted, and readers end the row there.
    if set(cell) & {",", '"', "\r", "\n"}:
        return '"' + cell.replace('"', '""') + '"'
    return cell


def _line(cells: Sequence[str]) -> str:
    line = ",".join(_quoted(cell) for cell in cells)
    # A single empty cell would make an empty line, which readers skip.
    return (line if line or not cells else '""') + "\n"


def csv_text(columns: Sequence[str], rows: Sequence[Sequence[CellValue]]) -> str:
    r"""A table as RFC 4180 text, with a header row and `\n` line ends.

    Numbers are written so that they read back exactly. Text that a spreadsheet would take for a
    formula (it starts with `=`, `+`, `-`, `@`, tab or carriage return) gets a leading apostrophe.
    None is empty.

    Raises:
        DataError: A row has another length than `columns`, or a number is not finite.
    """
    lines = [_line([_safe_text(column) for column in columns])]
    for number, row in enumerate(rows):
        if len(row) != len(columns):
            raise DataError(
                f"table row {number}",
                found=f"{len(row)} cells",
                expected=f"{len(columns)}, one per column",
            )
        where = f"table row {number}, column "
        pairs = zip(columns, row, strict=True)
        lines.append(_line([_cell(value, where + repr(column)) for column, value in pairs]))
    return "".join(lines)


def write_csv(path: Path, columns: Sequence[str], rows: Sequence[Sequence[CellValue]]) -> None:
    """Write `csv_text(columns, rows)` to `path`, whole or not at all.

    Raises:
        DataError: As in `csv_text`.
        CannotCreate: The file cannot be created.
        StorageError: Writing failed half-way; nothing was changed.
    """
    write_text(path, csv_text(columns, rows))
