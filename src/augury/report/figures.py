"""Make figures from plain values, and save each as HTML, PNG and the data behind it.

A figure is data first (`figure_data`), then drawn twice: by plotly for reading on a screen, by
matplotlib for paper. Both take their colours and dashes from one place.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from augury.errors import UsageError
from augury.report.draw_html import plotly_page, plotly_script
from augury.report.draw_png import png_bytes
from augury.report.figure_data import (
    Bar,
    Bars,
    BarSeries,
    Cell,
    Figure,
    Heatmap,
    Line,
    Lines,
    Panels,
)
from augury.report.scales import SIGN_CONVENTION, Scale, horizon_axis, open_scale, site_axis
from augury.report.tables import write_csv
from augury.runs.atomic import write_bytes, write_text

__all__ = ["SavedFigure", "bars", "heatmap", "lines", "panels", "save"]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True)
class SavedFigure:
    """Where the three forms of a figure lie."""

    html: Path
    png: Path
    data: Path


def heatmap(
    values: Sequence[Sequence[float | None]],
    *,
    sites: Sequence[str],
    horizons: Sequence[int],
    title: str,
    scale: str | Scale,
    caption: str = "",
) -> Heatmap:
    """Heatmap of `values[site][horizon]`; None is an undefined cell.

    Args:
        values: One row per site, one value per horizon.
        sites: In the order of the model.
        horizons: In tokens, strictly increasing; `h > 0` looks ahead, `lag = -h`.
        title: First line.
        scale: Name of the quantity, whose limits then follow the values, or a full scale.
        caption: Goes before the sign convention.

    Raises:
        DataError: Shapes disagree, or a value is not finite.
    """
    full = (
        scale if isinstance(scale, Scale) else open_scale(scale, [v for row in values for v in row])
    )
    return Heatmap(
        title=title,
        caption=_with_convention(caption),
        scale=full,
        x=horizon_axis(horizons),
        y=site_axis(sites),
        cells=tuple(tuple(Cell(value) for value in row) for row in values),
    )


def lines(
    series: Sequence[Line],
    *,
    horizons: Sequence[int],
    title: str,
    scale: str | Scale,
    caption: str = "",
) -> Lines:
    """Series over horizons; arguments as in `heatmap`.

    Raises:
        DataError: Lengths disagree, or a value is not finite.
    """
    ends = [end for line in series for pair in line.band if pair is not None for end in pair]
    values = [value for line in series for value in line.values]
    full = scale if isinstance(scale, Scale) else open_scale(scale, [*values, *ends], low=0.0)
    return Lines(title, _with_convention(caption), full, horizon_axis(horizons), tuple(series))


def bars(
    series: Mapping[str, Sequence[Bar]],
    *,
    horizons: Sequence[int],
    title: str,
    scale: str | Scale,
    caption: str = "",
) -> Bars:
    """Groups of bars over horizons, one bar per name and horizon; arguments as in `heatmap`.

    Raises:
        DataError: Lengths disagree, or a value is not finite.
    """
    values = [bar.value for row in series.values() for bar in row]
    full = scale if isinstance(scale, Scale) else open_scale(scale, values, low=0.0)
    rows = tuple(BarSeries(name, tuple(row)) for name, row in series.items())
    return Bars(title, _with_convention(caption), full, horizon_axis(horizons), rows)


def panels(title: str, parts: Sequence[Lines], *, caption: str = "") -> Panels:
    """Line figures side by side, with one legend and one caption.

    Raises:
        DataError: There is none, or their x axes differ.
    """
    return Panels(title, _with_convention(caption), tuple(parts))


def save(figure: Figure, folder: Path, name: str) -> SavedFigure:
    """Write `name.html`, `name.png` and `name.csv` into `folder`, and plotly's script beside them.

    The page works from disk without a network: its only other file is `plotly.min.js` in the same
    folder, which all figures share.

    Raises:
        UsageError: `name` is not a plain file name.
        CannotCreate: A file cannot be created.
        StorageError: Writing failed half-way.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(
            "figure name",
            found=repr(name),
            expected="1 to 64 letters, digits, '.', '_' or '-', starting with a letter or digit",
        )
    saved = SavedFigure(*(folder / f"{name}.{ending}" for ending in ("html", "png", "csv")))
    script = folder / "plotly.min.js"
    source = plotly_script()
    if not script.is_file() or script.stat().st_size != len(source):
        write_bytes(script, source)
    write_text(saved.html, plotly_page(figure))
    write_bytes(saved.png, png_bytes(figure))
    columns, rows = figure.table()
    write_csv(saved.data, columns, rows)
    return saved


def _with_convention(caption: str) -> str:
    return f"{caption} {SIGN_CONVENTION}".strip()
