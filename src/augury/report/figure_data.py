"""Figures as data: values with units, limits and captions, complete before anything is drawn."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from augury.errors import DataError
from augury.report.scales import Axis, Scale
from augury.report.tables import CellValue

__all__ = [
    "Band",
    "Bar",
    "BarSeries",
    "Bars",
    "Cell",
    "Figure",
    "Heatmap",
    "Line",
    "Lines",
    "Panels",
]

Band = tuple[float, float]

Columns = tuple[str, ...]
Rows = tuple[tuple[CellValue, ...], ...]


@dataclass(frozen=True, slots=True)
class Cell:
    """One value of a heatmap."""

    value: float | None
    """None where it is undefined; drawn grey and hatched, never as a number."""

    note: str = ""
    """Why it is undefined, or what to know about it; shown on hover."""

    outlined: bool = False
    """Framed, e.g. because the verdict is `predictive beyond baselines`."""


@dataclass(frozen=True, slots=True)
class Heatmap:
    """Values over two axes, colour by value, numbers written in."""

    title: str
    caption: str
    scale: Scale
    x: Axis
    y: Axis
    """First row at the bottom: deeper sites stand higher."""

    cells: tuple[tuple[Cell, ...], ...]
    """`cells[y][x]`."""

    outline: str = ""
    """What a frame means; empty when nothing is framed."""

    def __post_init__(self) -> None:
        shape = (len(self.y.ticks), len(self.x.ticks))
        if len(self.cells) != shape[0] or any(len(row) != shape[1] for row in self.cells):
            raise DataError(
                f"heatmap {self.title!r}",
                found=f"rows of {[len(row) for row in self.cells]} cells",
                expected=f"{shape[0]} rows of {shape[1]}",
            )
        _finite(self.title, [cell.value for row in self.cells for cell in row])

    def table(self) -> tuple[Columns, Rows]:
        """The data: one row per cell."""
        columns = (self.y.label, self.x.label, self.scale.label, "outlined", "note")
        rows = tuple(
            (_one_line(y), _tick(self.x, number), cell.value, cell.outlined, cell.note)
            for y, row in zip(self.y.names, self.cells, strict=True)
            for number, cell in enumerate(row)
        )
        return columns, rows


@dataclass(frozen=True, slots=True)
class Line:
    """One series of a line figure."""

    name: str
    values: tuple[float | None, ...]
    """One per tick of the x axis; a gap where None."""

    band: tuple[Band | None, ...] = ()
    """Lower and upper end of the interval per tick; empty for none."""

    role: Literal["site", "best", "baseline", "floor"] = "site"
    """`best` is emphasised, `baseline` dashed, `floor` dotted: what no skill at all gives."""


@dataclass(frozen=True, slots=True)
class Lines:
    """Series over one axis."""

    title: str
    caption: str
    scale: Scale
    x: Axis
    lines: tuple[Line, ...]

    def __post_init__(self) -> None:
        for line in self.lines:
            lengths = {len(line.values), len(line.band) or len(line.values)}
            if lengths != {len(self.x.ticks)}:
                raise DataError(
                    f"figure {self.title!r}, line {line.name!r}",
                    found=f"{len(line.values)} values and {len(line.band)} intervals",
                    expected=f"{len(self.x.ticks)} values, and as many intervals or none",
                )
            ends = [end for pair in line.band if pair is not None for end in pair]
            _finite(self.title, [*line.values, *ends])

    def table(self) -> tuple[Columns, Rows]:
        """The data: one row per series and tick."""
        columns = ("series", "role", self.x.label, self.scale.label, "low", "high")
        rows = tuple(
            (line.name, line.role, _tick(self.x, number), value, *_ends(line, number))
            for line in self.lines
            for number, value in enumerate(line.values)
        )
        return columns, rows


@dataclass(frozen=True, slots=True)
class Panels:
    """Line figures side by side with the same x axis and one legend."""

    title: str
    caption: str
    panels: tuple[Lines, ...]

    def __post_init__(self) -> None:
        if not self.panels or len({panel.x for panel in self.panels}) != 1:
            raise DataError(
                f"figure {self.title!r}",
                found=f"{len(self.panels)} panels with different x axes or none",
                expected="at least one panel, all with the same x axis",
            )

    def table(self) -> tuple[Columns, Rows]:
        """The data: one row per panel, series and tick."""
        columns = ("panel", "series", "role", self.panels[0].x.label, "value", "low", "high")
        rows = tuple((panel.scale.label, *row) for panel in self.panels for row in panel.table()[1])
        return columns, rows


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar."""

    value: float | None
    """None for a missing bar."""

    note: str = ""
    """Written at its end, e.g. the count behind a share."""


@dataclass(frozen=True, slots=True)
class BarSeries:
    """Bars of one colour, one per tick of the x axis."""

    name: str
    bars: tuple[Bar, ...]


@dataclass(frozen=True, slots=True)
class Bars:
    """Groups of bars over one axis."""

    title: str
    caption: str
    scale: Scale
    x: Axis
    series: tuple[BarSeries, ...]

    def __post_init__(self) -> None:
        for series in self.series:
            if len(series.bars) != len(self.x.ticks):
                raise DataError(
                    f"figure {self.title!r}, series {series.name!r}",
                    found=f"{len(series.bars)} bars",
                    expected=f"{len(self.x.ticks)}, one per tick",
                )
            _finite(self.title, [bar.value for bar in series.bars])

    def table(self) -> tuple[Columns, Rows]:
        """The data: one row per bar."""
        rows = tuple(
            (series.name, _tick(self.x, number), bar.value, bar.note)
            for series in self.series
            for number, bar in enumerate(series.bars)
        )
        return ("series", self.x.label, self.scale.label, "note"), rows


Figure = Heatmap | Lines | Panels | Bars


def _finite(title: str, values: list[float | None]) -> None:
    bad = [value for value in values if value is not None and not math.isfinite(value)]
    if bad:
        raise DataError(
            f"figure {title!r}",
            found=f"{len(bad)} values that are {bad[0]}",
            expected="finite numbers, or None where a value is undefined",
        )


def _tick(axis: Axis, number: int) -> CellValue:
    if not axis.numeric:
        return _one_line(axis.names[number])
    tick = axis.ticks[number]
    return int(tick) if tick.is_integer() else tick


def _one_line(name: str) -> str:
    return name.replace("\n", " ")


def _ends(line: Line, number: int) -> tuple[float | None, float | None]:
    pair = line.band[number] if line.band else None
    return pair if pair is not None else (None, None)
