"""A table for a terminal: columns as wide as their widest value."""

from __future__ import annotations

from collections.abc import Sequence

from augury.report.numbers import shown
from augury.report.tables import CellValue

__all__ = ["text_table"]


def text_table(columns: Sequence[str], rows: Sequence[Sequence[CellValue]]) -> list[str]:
    """One line for the names and one per row; values as `shown` writes them, None as a dash."""
    cells = [list(columns), *([shown(value) for value in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return [
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    ]
