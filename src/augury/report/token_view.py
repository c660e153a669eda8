"""Texts with every token coloured by a score, as one HTML file that needs nothing else.

Hovering, tapping or the arrow keys show exact values; series are chosen by site and horizon; onsets
and annotated spans are marked; a strip shows the score along the text with its threshold. All text
is put into the page as text, never as markup.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from augury.errors import DataError
from augury.report.markup import asset, content_policy, html_text, json_block, visible

__all__ = ["ViewedSeries", "ViewedTrace", "token_view"]

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
</header>
<p id="note"></p>
<div id="strip"></div>
<main id="text" tabindex="0" aria-label="Tokens; arrow keys move, values appear below"></main>
<footer id="details" aria-live="polite">Point at a token, tap it, or use the arrow keys.</footer>
<noscript><p>This page needs JavaScript; it runs from disk and fetches nothing.</p></noscript>
<script type="application/json" id="data">{data}</script>
<script>{script}</script>
</body>
</html>
"""


@dataclass(frozen=True, slots=True)
class ViewedSeries:
    """One set of scores that the reader may choose."""

    site: str
    """Where the states were read, or the name of what scored the tokens."""

    horizon: int | None = None
    """Tokens from state to label, h > 0 looks ahead; None if it has none."""

    threshold: float | None = None
    """Scores from here on count as positive, in the unit of the scores."""


@dataclass(frozen=True, slots=True, eq=False)
class ViewedTrace:
    """One text, cut into the pieces that the tokens cover."""

    title: str
    """E.g. the id of the trace."""

    pieces: tuple[str, ...]
    """Text of each token; together they are the text."""

    scores: Float[np.ndarray, "series token"]
    """NaN where a token was not scored."""

    onset: Bool[np.ndarray, " token"]
    """True at the first token of an event."""

    inside: Bool[np.ndarray, " token"]
    """True at every token of an event."""

    note: str = ""
    """A line above the text, e.g. why this trace is shown."""

    def __post_init__(self) -> None:
        count = len(self.pieces)
        shapes = self.scores.shape[1:], self.onset.shape, self.inside.shape
        if self.scores.ndim != 2 or any(shape != (count,) for shape in shapes):
            raise DataError(
                f"token view of {self.title!r}",
                found=f"scores {self.scores.shape}, onset {shapes[1]}, inside {shapes[2]}",
                expected=f"{count} tokens in each",
            )
        if np.isinf(self.scores).any():
            raise DataError(
                f"token view of {self.title!r}", found="infinite scores", expected="finite or NaN"
            )


def token_view(
    traces: Sequence[ViewedTrace],
    *,
    series: Sequence[ViewedSeries],
    title: str,
    caption: str = "",
    quantity: str = "score",
) -> str:
    """The page that shows `traces` coloured by one of `series` at a time.

    Colours of a series run over its values in all traces, so that traces can be compared; they
    never depend on one trace alone. `h > 0` looks ahead, and the lag stands beside it.

    Args:
        traces: In the order in which the reader may choose them.
        series: One per row of every trace's scores.
        title: First line.
        caption: What the reader sees.
        quantity: Name of what is scored, e.g. `probability of an onset`.

    Raises:
        DataError: There is no trace or no series, their numbers disagree, or two series are equal.
    """
    _check(traces, series)
    style, script = asset("token_view.css"), asset("token_view.js")
    data = {
        "quantity": visible(quantity),
        "series": [
            {
                "site": visible(one.site),
                "horizon": one.horizon,
                "threshold": one.threshold,
                "limits": _limits([trace.scores[number] for trace in traces], one.threshold),
            }
            for number, one in enumerate(series)
        ],
        "traces": [_packed(trace) for trace in traces],
    }
    return _PAGE.format(
        policy=html_text(content_policy(scripts=(script,), styles=(style,))),
        title=html_text(title),
        caption=html_text(caption),
        style=style,
        script=script,
        data=json_block(data),
    )


def _check(traces: Sequence[ViewedTrace], series: Sequence[ViewedSeries]) -> None:
    names = {(one.site, one.horizon) for one in series}
    rows = {trace.scores.shape[0] for trace in traces}
    if not traces or not series or rows != {len(series)} or len(names) != len(series):
        raise DataError(
            "token view",
            found=f"{len(traces)} traces of {sorted(rows)} score rows, {len(names)} series",
            expected=f"at least one trace, and {len(series)} distinct series in each",
        )
    if not all(one.threshold is None or math.isfinite(one.threshold) for one in series):
        raise DataError(
            "token view", found="a threshold that is not finite", expected="finite or None"
        )


def _limits(rows: Sequence[np.ndarray], threshold: float | None) -> list[float]:
    values = np.concatenate([row[np.isfinite(row)] for row in rows])
    if threshold is not None:
        values = np.append(values, threshold)
    if not len(values):
        return [0.0, 1.0]
    low, high = float(values.min()), float(values.max())
    # A share or probability starts at nothing, so that pale means unlikely.
    low = 0.0 if low >= 0 and high <= 1 else low
    return [low, high] if high > low else [low, low + 1.0]


def _packed(trace: ViewedTrace) -> dict[str, object]:
    little = np.ascontiguousarray(trace.scores, dtype="<f4")
    flags = trace.onset.astype(np.uint8) | (trace.inside.astype(np.uint8) << 1)
    return {
        "title": visible(trace.title),
        "note": visible(trace.note),
        "pieces": [visible(piece, keep="\n\t") for piece in trace.pieces],
        "scores": base64.b64encode(little.tobytes()).decode("ascii"),
        "flags": base64.b64encode(flags.tobytes()).decode("ascii"),
    }
