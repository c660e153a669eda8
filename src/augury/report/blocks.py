"""What a page is made of: typed pieces without markup; text in them is text and nothing else."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from augury.errors import DataError, UsageError
from augury.report.tables import CellValue

__all__ = [
    "Block",
    "Bullets",
    "Callout",
    "Code",
    "FigureRef",
    "Link",
    "Paragraph",
    "Section",
    "Table",
    "checked_target",
]

_TARGET = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)*")


def checked_target(target: str) -> str:
    """`target` if it is a relative path below the page's folder, as links and figures must be.

    Raises:
        UsageError: It is absolute, climbs out of the folder, has a scheme, or unusual characters.
    """
    if not _TARGET.fullmatch(target):
        raise UsageError(
            "link target",
            found=repr(target),
            expected="a relative path of letters, digits and _-./ that stays in the folder",
        )
    return target


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Running text."""

    text: str


@dataclass(frozen=True, slots=True)
class Bullets:
    """An unordered list."""

    items: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Callout:
    """A statement that must not be missed."""

    kind: Literal["verdict", "note", "caution"]
    """`verdict` is a conclusion, `caution` limits what may be concluded."""

    title: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Code:
    """Text as it is: a command, a config. Its lines are kept."""

    text: str
    language: str = ""
    """Name of the language for Markdown; letters, digits, `+` and `-`."""

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z0-9+-]*", self.language):
            raise UsageError(
                "code language", found=repr(self.language), expected="letters and digits"
            )


@dataclass(frozen=True, slots=True)
class Link:
    """A link to a file of the same run, on a line of its own."""

    text: str
    target: str
    """Relative to the page's folder."""

    def __post_init__(self) -> None:
        checked_target(self.target)


@dataclass(frozen=True, slots=True)
class FigureRef:
    """A figure that `figures.save` wrote: its picture, with links to the page and the data."""

    name: str
    """File name without ending."""

    alt: str
    """What it shows, for those who cannot see it."""

    folder: str = "figures"
    """Relative to the page's folder."""

    def __post_init__(self) -> None:
        checked_target(f"{self.folder}/{self.name}")

    def file(self, ending: str) -> str:
        """Relative path of one of its forms, e.g. `file("png")`."""
        return f"{self.folder}/{self.name}.{ending}"


@dataclass(frozen=True, slots=True)
class Table:
    """Columns and rows; numbers stand right, None shows as a dash."""

    columns: tuple[str, ...]
    rows: tuple[tuple[CellValue, ...], ...]
    caption: str = ""
    digits: int = 3
    """Significant digits of floating-point numbers; whole numbers are never shortened."""

    strong: frozenset[int] = frozenset()
    """Rows to emphasise, counted from 0."""

    def __post_init__(self) -> None:
        for number, row in enumerate(self.rows):
            if len(row) != len(self.columns):
                raise DataError(
                    f"table {self.caption!r}, row {number}",
                    found=f"{len(row)} cells",
                    expected=f"{len(self.columns)}, one per column",
                )


Block = Paragraph | Bullets | Callout | Code | Link | FigureRef | Table


@dataclass(frozen=True, slots=True)
class Section:
    """A heading with what stands under it."""

    title: str
    blocks: Sequence[Block]
