"""Sections of somebody's own page that are written by us; everything around them stays as it is.

    <!-- augury:begin matrix -->
    ... is replaced ...
    <!-- augury:end matrix -->

A marker stands alone on its line. Markers inside a fenced code block are text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from augury.errors import DataError, MissingInput
from augury.plain import shown
from augury.runs.atomic import storage_error, write_bytes

__all__ = ["fill_file", "fill_sections", "section_names"]

_MARKER = re.compile(r"[ \t]*<!--\s*augury:(.*?)-->[ \t]*")
_WELL = re.compile(r"(begin|end)\s+([a-z][a-z-]*)\s*")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")


@dataclass(frozen=True, slots=True)
class _Part:
    """One marked section, by its lines from 0: those between `begin` and `end` are replaced."""

    name: str
    begin: int
    end: int


def section_names(text: str, known: Collection[str], *, where: str) -> list[str]:
    """The sections that a text asks for, in order.

    Raises:
        DataError: As `fill_sections`.
    """
    return [part.name for part in _parts(text.splitlines(keepends=True), known, where)]


def fill_sections(
    text: str, write: Callable[[str], str], known: Collection[str], *, where: str
) -> str:
    """The text with every marked section written anew; filling twice changes nothing.

    Args:
        text: Lines end as they do; what is written ends its lines as the section's first marker.
        write: The content of a section, by its name.
        known: Names that there are.
        where: Name of the file, for messages.

    Raises:
        DataError: A marker is malformed, unknown, or has no partner; the line is named.
    """
    lines = text.splitlines(keepends=True)
    out, reached = [], 0
    for part in _parts(lines, known, where):
        out += lines[reached : part.begin + 1]
        newline = "\r\n" if lines[part.begin].endswith("\r\n") else "\n"
        body = write(part.name).strip("\n")
        out += [f"{line}{newline}" for line in body.split("\n")]
        reached = part.end
    return "".join([*out, *lines[reached:]])


def fill_file(path: Path, write: Callable[[str], str], known: Collection[str]) -> list[str]:
    """Fill the sections of a file, whole or not at all; the names of its sections.

    Raises:
        MissingInput: There is no such file.
        DataError: It is not UTF-8, has no section, or as `fill_sections`.
        StorageError: Reading or writing failed.
    """
    try:
        data = path.read_bytes()
        text = data.decode("utf-8")
    except FileNotFoundError as error:
        raise MissingInput(str(path), found="no such file", expected="a text file") from error
    except UnicodeDecodeError as error:
        raise DataError(str(path), found="bytes that are not UTF-8", expected="text") from error
    except OSError as error:
        raise storage_error(path, error) from error
    names = section_names(text, known, where=str(path))
    if not names:
        raise DataError(
            str(path),
            found="no section to fill",
            expected="a line <!-- augury:begin NAME --> and a line <!-- augury:end NAME -->",
            fix=f"mark one; NAME is one of: {', '.join(known)}",
        )
    filled = fill_sections(text, write, known, where=str(path)).encode("utf-8")
    if filled != data:
        write_bytes(path, filled)
    return names


def _parts(lines: list[str], known: Collection[str], where: str) -> list[_Part]:
    parts: list[_Part] = []
    open_at: tuple[str, int] | None = None
    fence = ""
    for number, line in enumerate(lines):
        if fence or _FENCE.match(line):
            fence = _fence_after(line, fence)
            continue
        marker = _MARKER.fullmatch(line.rstrip("\r\n"))
        if marker is None:
            if "augury:" in line and "<!--" in line:
                raise _fault(where, number, "a marker beside other text", "one alone on its line")
            continue
        kind, name = _read(marker[1].strip(), known, where, number)
        if kind == "begin":
            if open_at is not None:
                told = f"{name!r} begins inside {open_at[0]!r} of line {open_at[1] + 1}"
                raise _fault(where, number, told, f"<!-- augury:end {open_at[0]} --> first")
            open_at = name, number
        else:
            if open_at is None or open_at[0] != name:
                told = f"the end of {name!r}, which has not begun"
                raise _fault(where, number, told, f"<!-- augury:begin {name} --> before it")
            parts.append(_Part(name, open_at[1], number))
            open_at = None
    if open_at is not None:
        told = f"{open_at[0]!r} begins and does not end"
        raise _fault(where, open_at[1], told, f"<!-- augury:end {open_at[0]} --> behind it")
    return parts


def _read(text: str, known: Collection[str], where: str, number: int) -> tuple[str, str]:
    match = _WELL.fullmatch(text)
    if match is None:
        raise _fault(where, number, f"the marker {shown(text)}", "'begin NAME' or 'end NAME'")
    if match[2] not in known:
        raise _fault(where, number, f"no section {match[2]!r}", f"one of: {', '.join(known)}")
    return match[1], match[2]


def _fence_after(line: str, fence: str) -> str:
    """The fence that is open behind a line; empty where none is."""
    found = _FENCE.match(line)
    if not fence:
        return found[1] if found else ""
    closes = found is not None and found[1][0] == fence[0] and len(found[1]) >= len(fence)
    return "" if closes and not line.strip().strip(fence[0]) else fence


def _fault(where: str, number: int, found: str, expected: str) -> DataError:
    return DataError(f"{where}:{number + 1}", found=found, expected=expected)
