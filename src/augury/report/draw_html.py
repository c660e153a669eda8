"""Figures as HTML pages, drawn by plotly from a script that lies beside the page.

Nothing is fetched from a network and nothing can be uploaded: the upload button is off, and the
content policy forbids every connection.
"""

from __future__ import annotations

import functools
from typing import Any

import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from augury.report.figure_data import Bars, Figure, Heatmap, Lines, Panels
from augury.report.markup import asset, content_policy, html_text, json_block, plotly_text
from augury.report.palette import CATEGORICAL, OUTLINE, SEQUENTIAL, UNDEFINED, blend, ink_on
from augury.report.scales import Axis, Scale
from augury.report.strokes import Stroke, panel_grid, strokes

__all__ = ["CONFIG", "plotly_page", "plotly_script"]

CONFIG: dict[str, Any] = {
    "showSendToCloud": False,
    "displaylogo": False,
    "responsive": True,
    "modeBarButtonsToRemove": ["lasso2d", "select2d", "autoScale2d"],
}
"""Plotly's buttons; its default offers to upload the chart."""

_MARKERS = {
    "o": "circle",
    ".": "circle",
    "s": "square",
    "^": "triangle-up",
    "D": "diamond",
    "v": "triangle-down",
    "P": "cross",
    "X": "x",
    "*": "star",
}

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<h1>{title}</h1>
<div id="figure" role="img" aria-label="{title}"></div>
<p class="caption">{caption}</p>
<noscript><p>This figure needs JavaScript; the PNG and the CSV beside it do not.</p></noscript>
<script type="application/json" id="data">{data}</script>
<script src="plotly.min.js"></script>
<script>{script}</script>
</body>
</html>
"""


@functools.cache
def plotly_script() -> bytes:
    """Source of plotly's browser library."""
    source: str = get_plotlyjs()
    return source.encode("utf-8")


def plotly_page(figure: Figure) -> str:
    """A page that shows `figure` with the help of `plotly.min.js` in its own folder."""
    drawn, height = _draw(figure)
    plain = drawn.to_plotly_json()
    data = {"data": plain["data"], "layout": plain["layout"], "config": CONFIG, "height": height}
    style, script = asset("figure.css"), asset("figure.js")
    # Plotly sets styles of its own elements, so styles cannot be listed by hash; scripts are.
    also = ("style-src 'unsafe-inline'", "img-src data: blob:")
    policy = content_policy(scripts=(script,), also=also)
    policy = policy.replace("script-src ", "script-src 'self' file: ")
    return _PAGE.format(
        policy=html_text(policy),
        title=html_text(figure.title),
        caption=html_text(" ".join(part for part in (figure.caption, _key(figure)) if part)),
        style=style,
        script=script,
        data=json_block(data),
    )


def _key(figure: Figure) -> str:
    if not isinstance(figure, Heatmap):
        return ""
    undefined = any(cell.value is None for row in figure.cells for cell in row)
    framed = f"Framed: {figure.outline}." if figure.outline else ""
    return f"{framed} {'Grey and hatched: undefined.' if undefined else ''}".strip()


def _draw(figure: Figure) -> tuple[go.Figure, int]:
    match figure:
        case Heatmap():
            drawn, height = _heatmap(figure), 150 + 34 * len(figure.y.ticks)
        case Lines():
            drawn, height = _panels((figure,)), 460
        case Panels():
            drawn, height = _panels(figure.panels), 340 * panel_grid(len(figure.panels))[0] + 100
        case Bars():
            drawn, height = _bars(figure), 460
    drawn.update_layout(
        template="none",
        margin={"l": 70, "r": 20, "t": 30, "b": 70},
        font={"family": "system-ui, sans-serif", "size": 13},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        hoverlabel={"align": "left"},
    )
    drawn.update_xaxes(automargin=True)
    drawn.update_yaxes(automargin=True)
    return drawn, height


def _ticks(axis: Axis, at: list[float]) -> dict[str, Any]:
    return {
        "title": {"text": plotly_text(axis.label)},
        "tickmode": "array",
        "tickvals": at,
        "ticktext": [
            plotly_text(name.replace("\n", "\x00")).replace("\u2400", "<br>") for name in axis.names
        ],
    }


def _heatmap(figure: Heatmap) -> go.Figure:
    columns, rows = len(figure.x.ticks), len(figure.y.ticks)
    x, y = [float(i) for i in range(columns)], [float(i) for i in range(rows)]
    scale = figure.scale
    drawn = go.Figure(
        go.Heatmap(
            x=x,
            y=y,
            z=[[cell.value for cell in row] for row in figure.cells],
            zmin=scale.low,
            zmax=scale.high,
            colorscale=[[i / (len(SEQUENTIAL) - 1), c] for i, c in enumerate(SEQUENTIAL)],
            colorbar={
                "title": {"text": plotly_text(scale.label), "side": "right"},
                "outlinewidth": 0,
            },
            customdata=_hover(figure),
            hovertemplate="%{customdata}<extra></extra>",
            hoverongaps=True,
            xgap=1,
            ygap=1,
        )
    )
    shapes: list[dict[str, Any]] = []
    numbers: list[dict[str, Any]] = []
    for i, row in enumerate(figure.cells):
        for j, cell in enumerate(row):
            if cell.value is None:
                ground = {"fillcolor": UNDEFINED, "line": {"width": 0}, "layer": "below"}
                lines = {"color": "#a8a8a8", "width": 1}
                shapes.append(_box(j, i, 0.5) | ground)
                shapes.append({"type": "path", "path": _hatch(j, i), "line": lines})
            else:
                numbers.append(_number(j, i, cell.value, scale))
            if cell.outlined:
                shapes.append(_box(j, i, 0.46) | {"line": {"color": OUTLINE, "width": 3}})
    # All at once: plotly checks the whole list again at every single addition.
    drawn.update_layout(shapes=shapes, annotations=numbers)
    drawn.update_xaxes(
        **_ticks(figure.x, x), showgrid=False, zeroline=False, range=[-0.5, columns - 0.5]
    )
    drawn.update_yaxes(
        **_ticks(figure.y, y), showgrid=False, zeroline=False, range=[-0.5, rows - 0.5]
    )
    return drawn


def _number(x: int, y: int, value: float, scale: Scale) -> dict[str, Any]:
    ink = ink_on(blend(SEQUENTIAL, scale.fraction(value)))
    text = f"{value:.2f}" if scale.high - scale.low > 0.2 else f"{value:.3f}"
    return {"x": x, "y": y, "text": text, "showarrow": False, "font": {"color": ink, "size": 12}}


def _hover(figure: Heatmap) -> list[list[str]]:
    def text(y: int, x: int) -> str:
        cell = figure.cells[y][x]
        value = "undefined" if cell.value is None else f"{cell.value:.4f}"
        where = f"{figure.y.names[y]}, {figure.x.names[x]}".replace("\n", " ")
        parts = [
            plotly_text(where),
            f"{plotly_text(figure.scale.label)}: {value}",
        ]
        return "<br>".join([*parts, *([plotly_text(cell.note)] if cell.note else [])])

    return [[text(y, x) for x in range(len(row))] for y, row in enumerate(figure.cells)]


def _box(x: int, y: int, half: float) -> dict[str, Any]:
    return {"type": "rect", "x0": x - half, "x1": x + half, "y0": y - half, "y1": y + half}


def _hatch(x: int, y: int) -> str:
    left, low = x - 0.5, y - 0.5
    return " ".join(
        f"M {left + max(s - 1, 0)},{low + min(s, 1)} L {left + min(s, 1)},{low + max(s - 1, 0)}"
        for s in (0.4, 0.8, 1.2, 1.6)
    )


def _panels(panels: tuple[Lines, ...]) -> go.Figure:
    drawn = go.Figure()
    named: set[str] = set()
    for number, panel in enumerate(panels):
        suffix = "" if number == 0 else str(number + 1)
        for stroke in strokes(panel):
            name = stroke.line.name
            if stroke.line.band:
                drawn.add_trace(_band(panel, stroke, suffix))
            shown = stroke.in_legend and name not in named
            drawn.add_trace(_line(panel, stroke, suffix, shown=shown))
            named |= {name} if shown else set()
        drawn.update_layout(_panel_axes(panel, number, len(panels)))
    if len(panels) > 1:
        drawn.update_layout(legend={"orientation": "h", "y": -0.14, "yanchor": "top"})
    return drawn


def _panel_axes(panel: Lines, number: int, count: int) -> dict[str, Any]:
    rows, columns = panel_grid(count)
    gap, height = 0.09, (1 - 0.2 * (rows - 1)) / rows
    width = (1 - gap * (columns - 1)) / columns
    left, low = (number % columns) * (width + gap), (rows - 1 - number // columns) * (height + 0.2)
    suffix = "" if number == 0 else str(number + 1)
    margin = 0.02 * (panel.scale.high - panel.scale.low)
    x = {
        **_ticks(panel.x, list(panel.x.ticks)),
        "domain": [left, min(left + width, 1)],
        "anchor": f"y{suffix}",
        "tickangle": 0,
        "showgrid": False,
        "zeroline": True,
        "zerolinecolor": "rgba(128,128,128,.5)",
    }
    y = {
        "domain": [low, min(low + height, 1)],
        "anchor": f"x{suffix}",
        "range": [panel.scale.low - margin, panel.scale.high + margin],
        "title": {"text": plotly_text(panel.scale.label)},
        "zeroline": False,
        "gridcolor": "rgba(128,128,128,.25)",
    }
    return {f"xaxis{suffix}": x, f"yaxis{suffix}": y}


def _line(panel: Lines, stroke: Stroke, suffix: str, *, shown: bool) -> go.Scatter:
    name = plotly_text(stroke.line.name)
    pattern = ",".join(f"{1.4 * part:.1f}px" for part in stroke.dash) or "solid"
    return go.Scatter(
        x=list(panel.x.ticks),
        y=list(stroke.line.values),
        xaxis=f"x{suffix}",
        yaxis=f"y{suffix}",
        name=name,
        legendgroup=name,
        showlegend=shown,
        mode="lines+markers" if stroke.marker else "lines",
        line={"color": stroke.colour, "width": 1.4 * stroke.width, "dash": pattern},
        marker={"symbol": _MARKERS.get(stroke.marker, "circle"), "size": 4 + 2 * stroke.width},
        hovertemplate=f"{_template(name)}: %{{y:.4f}}<extra></extra>",
    )


def _template(name: str) -> str:
    # A name must not be read as one of plotly's own %{...} fields.
    return name.replace("%", "&#37;")


def _band(panel: Lines, stroke: Stroke, suffix: str) -> go.Scatter:
    pairs = [
        (tick, pair)
        for tick, pair in zip(panel.x.ticks, stroke.line.band, strict=True)
        if pair is not None
    ]
    there = [tick for tick, _ in pairs]
    return go.Scatter(
        x=[*there, *reversed(there)],
        y=[*(low for _, (low, _) in pairs), *(high for _, (_, high) in reversed(pairs))],
        xaxis=f"x{suffix}",
        yaxis=f"y{suffix}",
        fill="toself",
        fillcolor=f"rgba({','.join(str(int(stroke.colour[i : i + 2], 16)) for i in (1, 3, 5))},.2)",
        line={"width": 0},
        hoverinfo="skip",
        legendgroup=plotly_text(stroke.line.name),
        showlegend=False,
        mode="lines",
    )


def _bars(figure: Bars) -> go.Figure:
    x = [float(i) for i in range(len(figure.x.ticks))]
    drawn = go.Figure()
    for number, series in enumerate(figure.series):
        name = plotly_text(series.name)
        drawn.add_trace(
            go.Bar(
                x=x,
                y=[bar.value for bar in series.bars],
                name=name,
                text=[plotly_text(bar.note) for bar in series.bars],
                textposition="outside",
                textfont={"size": 11},
                constraintext="none",
                textangle=-90,
                cliponaxis=False,
                marker={"color": CATEGORICAL[number % len(CATEGORICAL)]},
                hovertemplate=f"{_template(name)}: %{{y:.5f}}<br>%{{text}}<extra></extra>",
            )
        )
    low, span = figure.scale.low, figure.scale.high - figure.scale.low
    title = {"text": plotly_text(figure.scale.label)}
    drawn.update_xaxes(**_ticks(figure.x, x), zeroline=False)
    drawn.update_yaxes(
        range=[low, low + 1.22 * span], title=title, gridcolor="rgba(128,128,128,.25)"
    )
    drawn.update_layout(barmode="group", legend={"orientation": "h", "y": 1.1})
    return drawn
