"""Texts with every token coloured by a score, as one HTML file that needs nothing else.

Sliders choose site and horizon; hovering, tapping or the arrow keys show values; onsets, annotated
spans, thresholds and errors are marked and can be jumped to; a strip shows the score along the
text. All text is put into the page as text, never as markup.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from augury.errors import DataError
from augury.report.markup import asset, content_policy, html_text, json_block, visible
from augury.report.viewed import (
    LEVELS,
    ViewedSeries,
    ViewedTrace,
    packed_series,
    packed_trace,
    score_limits,
)
from augury.runs.atomic import write_text

__all__ = ["Painted", "TokenView", "token_view"]

Painted = Literal["state", "predicted"]
"""Which token a score colours: the one whose state was read, or the one that is spoken about."""

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<header>
<h1>{title}</h1>
<p class="caption">{caption}</p>
<form id="controls" autocomplete="off"></form>
<div id="legend"></div>
<p id="painted" class="caption"></p>
</header>
<p id="note"></p>
<div id="strip"></div>
<main id="text" tabindex="0" aria-label="Tokens; arrow keys move, values appear below"></main>
<footer id="details" aria-live="polite"></footer>
<noscript><p>This page needs JavaScript; it runs from disk and fetches nothing.</p></noscript>
<script type="application/json" id="data">{data}</script>
<script>{script}</script>
</body>
</html>
"""


@dataclass(frozen=True, slots=True)
class TokenView:
    """A finished page. In a notebook it shows itself."""

    html: str
    """The whole page."""

    def save(self, path: Path) -> Path:
        """Write the page, whole or not at all; returns `path`.

        Raises:
            StorageError: The disk is full or failed.
        """
        write_text(path, self.html)
        return path

    def _repr_html_(self) -> str:
        """The page in a frame that may run its script and nothing else."""
        return (
            '<iframe sandbox="allow-scripts" title="token view" '
            'style="width:100%;height:42rem;border:1px solid #8888;border-radius:6px" '
            f'srcdoc="{html_text(self.html)}"></iframe>'
        )


def token_view(
    traces: Sequence[ViewedTrace],
    *,
    series: Sequence[ViewedSeries],
    title: str,
    caption: str = "",
    quantity: str = "score",
    painted: Painted = "state",
    first: int = 0,
) -> TokenView:
    """The page that shows `traces` coloured by one of `series` at a time.

    Colours of a series run over its values in all traces, so that traces can be compared; they
    never depend on one trace alone. `h > 0` looks ahead, and the lag stands beside it. Scores are
    rounded to 65,534 steps of the range of their series.

    Args:
        traces: In the order in which the reader may choose them.
        series: One per row of every trace's scores.
        title: First line.
        caption: What the reader sees.
        quantity: Name of what is scored, e.g. `probability of an onset`.
        painted: Which token a score colours first; the reader may change it.
        first: Number of the series that is shown first.

    Raises:
        DataError: There is no trace or no series, their numbers disagree, two series are equal, or
            a threshold is not finite.
    """
    _check(traces, series, first)
    style, script = asset("token_view.css"), asset("token_view.js")
    limits = [
        score_limits([trace.scores[number] for trace in traces], one.threshold)
        for number, one in enumerate(series)
    ]
    data = {
        "quantity": visible(quantity),
        "painted": painted,
        "first": first,
        "levels": LEVELS,
        "series": [packed_series(*pair) for pair in zip(series, limits, strict=True)],
        "traces": [packed_trace(trace, series, limits) for trace in traces],
    }
    return TokenView(
        _PAGE.format(
            policy=html_text(content_policy(scripts=(script,), styles=(style,))),
            title=html_text(title),
            caption=html_text(caption),
            style=style,
            script=script,
            data=json_block(data),
        )
    )


def _check(traces: Sequence[ViewedTrace], series: Sequence[ViewedSeries], first: int) -> None:
    names = {(one.site, one.horizon, one.target) for one in series}
    rows = {trace.scores.shape[0] for trace in traces}
    if not traces or not series or rows != {len(series)} or len(names) != len(series):
        raise DataError(
            "token view",
            found=f"{len(traces)} traces of {sorted(rows)} score rows, {len(names)} series",
            expected=f"at least one trace, and {len(series)} distinct series in each",
        )
    if not 0 <= first < len(series):
        raise DataError("token view", found=f"series {first}", expected=f"0 to {len(series) - 1}")
