"""Figures as PNG for papers, drawn by matplotlib without a display."""

from __future__ import annotations

import io
import math
import textwrap
import warnings
from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as Canvas
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle

from augury.report.figure_data import Bars, Figure, Heatmap, Lines, Panels
from augury.report.markup import visible
from augury.report.palette import (
    CATEGORICAL,
    INK,
    MUTED,
    OUTLINE,
    SEQUENTIAL,
    UNDEFINED,
    blend,
    ink_on,
)
from augury.report.scales import Axis, Scale
from augury.report.strokes import Stroke, panel_grid, strokes

__all__ = ["png_bytes"]

_DPI = 200
_STYLE: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 8.5,
    "axes.titlesize": 9,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.7,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "hatch.linewidth": 0.6,
    "legend.frameon": False,
    # Text of models and labels may hold dollar signs, which must not start mathematics.
    "text.parse_math": False,
}


def png_bytes(figure: Figure) -> bytes:
    """The figure as a PNG at 200 dots per inch; the same bytes for the same data and libraries."""
    with mpl.rc_context(_STYLE):
        key: list[Artist] = []
        match figure:
            case Heatmap():
                canvas, key = _heatmap(figure)
            case Lines():
                canvas, key = _panels((figure,), size=(6.8, 3.7))
            case Panels():
                rows, columns = panel_grid(len(figure.panels))
                size = (3.4 * columns, 2.7 * rows)
                canvas, key = _panels(figure.panels, size=size)
            case Bars():
                canvas = _bars(figure)
        with warnings.catch_warnings():
            # Labels may be in any script; a sign that the font lacks is drawn as a box.
            warnings.filterwarnings("ignore", message="Glyph .* missing from", category=UserWarning)
            _write_around(canvas, figure, key)
            return _encoded(canvas)


def _encoded(canvas: Canvas) -> bytes:
    out = io.BytesIO()
    facts = {"Software": None}
    canvas.savefig(
        out, format="png", dpi=_DPI, bbox_inches="tight", pad_inches=0.12, metadata=facts
    )
    return out.getvalue()


def _write_around(canvas: Canvas, figure: Figure, key: list[Artist]) -> None:
    """Title above, key and caption below all that is drawn, equally far away in every figure."""
    agg: Any = FigureCanvasAgg(canvas)
    agg.draw()
    # A second layout would move what was just measured.
    canvas.set_layout_engine("none")
    width, height = canvas.get_size_inches()
    drawn = canvas.get_tightbbox()
    left, wide, low = drawn.x0 / width, drawn.width, drawn.y0
    above = (drawn.y1 + 0.1) / height
    ink: dict[str, Any] = {"fontsize": 10.5, "weight": "bold", "color": INK}
    canvas.text(left, above, visible(figure.title), va="bottom", **ink)
    if key:
        low -= _write_key(canvas, key, (left, low - 0.08))
    # No-break spaces keep the sign convention's equation on one line.
    kept = visible(figure.caption).replace(" = -h", "\u00a0=\u00a0-h")
    text = textwrap.fill(kept, width=max(int(wide * 17.5), 40))
    canvas.text(left, (low - 0.12) / height, text, va="top", fontsize=7.5, color=MUTED)


def _write_key(canvas: Canvas, key: list[Artist], at: tuple[float, float]) -> float:
    """Write the key below the axes and return its height in inches."""
    left, low = at
    height = canvas.get_size_inches()[1]
    legend = canvas.legend(
        handles=key,
        loc="upper left",
        bbox_to_anchor=(left, low / height),
        bbox_transform=canvas.transFigure,
        borderaxespad=0,
        borderpad=0,
        ncols=min(len(key), 6),
        fontsize=7.5,
    )
    return float(legend.get_window_extent().height / canvas.dpi) + 0.08


def _set_x(axes: Axes, axis: Axis, at: Sequence[float]) -> None:
    axes.set_xticks(list(at), [visible(name, keep="\n") for name in axis.names])
    axes.set_xlabel(visible(axis.label))


def _heatmap(figure: Heatmap) -> tuple[Canvas, list[Artist]]:
    columns, rows = len(figure.x.ticks), len(figure.y.ticks)
    size = (max(4.2, 0.62 * columns + 1.9), max(1.6, 0.33 * rows + 0.9))
    canvas = Canvas(figsize=size, layout="constrained")
    axes = canvas.add_subplot()
    for y, row in enumerate(figure.cells):
        for x, cell in enumerate(row):
            _draw_cell(axes, (x, y), cell.value, figure.scale)
    for y, row in enumerate(figure.cells):
        for x, cell in enumerate(row):
            if cell.outlined:
                frame = (x - 0.45, y - 0.43)
                axes.add_patch(
                    Rectangle(frame, 0.9, 0.86, fill=False, ec=OUTLINE, lw=2.0, zorder=4)
                )
    _set_x(axes, figure.x, range(columns))
    axes.set_yticks(range(rows), [visible(name) for name in figure.y.names])
    axes.set(xlim=(-0.5, columns - 0.5), ylim=(-0.5, rows - 0.5), ylabel=visible(figure.y.label))
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    _colour_bar(canvas, axes, figure.scale)
    return canvas, _heatmap_key(figure)


def _draw_cell(axes: Axes, at: tuple[int, int], value: float | None, scale: Scale) -> None:
    x, y = at
    ground = UNDEFINED if value is None else blend(SEQUENTIAL, scale.fraction(value))
    axes.add_patch(
        Rectangle(
            (x - 0.5, y - 0.5),
            1,
            1,
            facecolor=ground,
            edgecolor="#a8a8a8" if value is None else "white",
            hatch="////" if value is None else None,
            linewidth=0.8,
        )
    )
    if value is not None:
        text = f"{value:.2f}" if scale.high - scale.low > 0.2 else f"{value:.3f}"
        axes.text(x, y, text, ha="center", va="center", color=ink_on(ground), fontsize=7.5)


def _colour_bar(canvas: Canvas, axes: Axes, scale: Scale) -> None:
    colours = mpl.colors.LinearSegmentedColormap.from_list("augury", list(SEQUENTIAL))
    norm = mpl.colors.Normalize(scale.low, scale.high)
    mappable = mpl.cm.ScalarMappable(norm=norm, cmap=colours)
    bar = canvas.colorbar(mappable, ax=axes, fraction=0.05, pad=0.02, aspect=24)
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=7.5)
    bar.set_label(visible(scale.label))


def _heatmap_key(figure: Heatmap) -> list[Artist]:
    cells = [cell for row in figure.cells for cell in row]
    key: list[Artist] = []
    if figure.outline:
        key.append(Patch(fill=False, ec=OUTLINE, lw=2.0, label=visible(figure.outline)))
    if any(cell.value is None for cell in cells):
        key.append(Patch(fc=UNDEFINED, ec="#a8a8a8", hatch="////", label="undefined"))
    return key


def _panels(panels: tuple[Lines, ...], *, size: tuple[float, float]) -> tuple[Canvas, list[Artist]]:
    canvas = Canvas(figsize=size, layout="constrained")
    handles: dict[str, Artist] = {}
    for number, panel in enumerate(panels, start=1):
        axes = canvas.add_subplot(*panel_grid(len(panels)), number)
        for stroke in strokes(panel):
            handle = _draw_line(axes, panel, stroke)
            if stroke.in_legend:
                handles.setdefault(stroke.line.name, handle)
        _dress(axes, panel, alone=len(panels) == 1)
    key = list(handles.values())
    if len(panels) > 1:
        return canvas, key
    side: dict[str, Any] = {"loc": "center left", "bbox_to_anchor": (1.01, 0.5)}
    axes.legend(handles=key, fontsize=7.5, handlelength=3.0, **side)
    return canvas, []


def _draw_line(axes: Axes, panel: Lines, stroke: Stroke) -> Line2D:
    line = stroke.line
    x = list(panel.x.ticks)
    y = [math.nan if value is None else value for value in line.values]
    dashes: Any = (0, tuple(d / stroke.width for d in stroke.dash)) if stroke.dash else "-"
    (drawn,) = axes.plot(
        x,
        y,
        color=stroke.colour,
        linewidth=stroke.width,
        linestyle=dashes,
        marker=stroke.marker,
        markersize=3.5 + stroke.width,
        label=visible(line.name),
        zorder=stroke.layer,
    )
    if line.band:
        low = [math.nan if pair is None else pair[0] for pair in line.band]
        high = [math.nan if pair is None else pair[1] for pair in line.band]
        axes.fill_between(x, low, high, color=stroke.colour, alpha=0.18, linewidth=0, zorder=1)
    return drawn


def _dress(axes: Axes, panel: Lines, *, alone: bool) -> None:
    _set_x(axes, panel.x, panel.x.ticks)
    margin = 0.02 * (panel.scale.high - panel.scale.low)
    axes.set_ylim(panel.scale.low - margin, panel.scale.high + margin)
    if alone:
        axes.set_ylabel(visible(panel.scale.label))
    else:
        axes.set_title(visible(panel.scale.label))
        axes.xaxis.label.set_fontsize(7)
        axes.tick_params(labelsize=7)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#e6e6e6", linewidth=0.6)
    axes.set_axisbelow(True)
    if panel.x.numeric and panel.x.ticks[0] < 0 < panel.x.ticks[-1]:
        axes.axvline(0, color="#bdbdbd", linewidth=0.8, zorder=0)


def _bars(figure: Bars) -> Canvas:
    groups, per_group = len(figure.x.ticks), len(figure.series)
    canvas = Canvas(figsize=(max(5.4, 0.36 * groups * per_group + 1.0), 3.4), layout="constrained")
    axes = canvas.add_subplot()
    width = 0.84 / per_group
    for number, series in enumerate(figure.series):
        at = [group + (number - (per_group - 1) / 2) * width for group in range(groups)]
        heights = [bar.value or 0.0 for bar in series.bars]
        colour = CATEGORICAL[number % len(CATEGORICAL)]
        axes.bar(at, heights, width * 0.92, color=colour, label=visible(series.name))
        for x, bar in zip(at, series.bars, strict=True):
            axes.annotate(
                visible(bar.note or ("undefined" if bar.value is None else "")),
                (x, bar.value or 0.0),
                xytext=(0, 2),
                textcoords="offset points",
                rotation=90,
                ha="center",
                va="bottom",
                fontsize=6.5,
                color=INK,
            )
    _set_x(axes, figure.x, range(groups))
    # Room above the bars for the turned labels.
    axes.set_ylim(
        figure.scale.low, figure.scale.low + 1.22 * (figure.scale.high - figure.scale.low)
    )
    axes.set_ylabel(visible(figure.scale.label))
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(axis="x", length=0)
    axes.grid(axis="y", color="#e6e6e6", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=per_group, fontsize=7.5)
    return canvas
