"""What a token view shows: texts, the scores of their tokens, and what was true there."""

from __future__ import annotations

import base64
import math
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float, Int8

from augury.errors import DataError
from augury.report.markup import visible

__all__ = [
    "LEVELS",
    "ViewedEvents",
    "ViewedSeries",
    "ViewedTrace",
    "packed_series",
    "packed_trace",
    "score_limits",
]

LEVELS = 65_534
"""Scores are rounded to this many steps between the smallest and the largest of their series."""

_NOT_SCORED = 65_535


@dataclass(frozen=True, slots=True)
class ViewedSeries:
    """One set of scores that the reader may choose."""

    site: str
    """Where the states were read, or the name of what scored the tokens."""

    horizon: int | None = None
    """Tokens from state to label, h > 0 looks ahead; None if it has none."""

    threshold: float | None = None
    """Scores from here on count as positive, in the unit of the scores."""

    target: str = ""
    """What is predicted; empty where there is only one target."""


@dataclass(frozen=True, slots=True, eq=False)
class ViewedEvents:
    """Where the events of one target stand in a text."""

    onset: Bool[np.ndarray, " token"]
    """True at the first token of an event."""

    inside: Bool[np.ndarray, " token"]
    """True at every token of an event."""


@dataclass(frozen=True, slots=True, eq=False)
class ViewedTrace:
    """One text, cut into the pieces that the tokens cover."""

    title: str
    """E.g. the id of the trace."""

    pieces: tuple[str, ...]
    """Text of each token; together they are the text."""

    scores: Float[np.ndarray, "series token"]
    """Score of the state at each token; NaN where a token was not scored."""

    events: Mapping[str, ViewedEvents] = field(default_factory=dict)
    """By target."""

    truth: Mapping[tuple[str, int | None], Int8[np.ndarray, " token"]] = field(default_factory=dict)
    """By target and horizon: the label that the state at each token was asked for, 1 or 0, and -1
    where it was not asked. Without it errors cannot be shown."""

    sentences: tuple[int, ...] = ()
    """Index of the first token of each sentence, ascending."""

    note: str = ""
    """A line above the text, e.g. why this trace is shown."""

    def __post_init__(self) -> None:
        count = len(self.pieces)
        rows = [*(e.onset for e in self.events.values()), *(e.inside for e in self.events.values())]
        wrong = [row.shape for row in (*rows, *self.truth.values()) if row.shape != (count,)]
        if self.scores.ndim != 2 or self.scores.shape[1:] != (count,) or wrong:
            raise DataError(
                f"token view of {self.title!r}",
                found=f"scores {self.scores.shape}"
                + (f", events or truth of shape {wrong[0]}" if wrong else ""),
                expected=f"{count} tokens in each",
            )
        if np.isinf(self.scores).any():
            raise DataError(
                f"token view of {self.title!r}", found="infinite scores", expected="finite or NaN"
            )
        starts = np.asarray(self.sentences, dtype=np.int64)
        if len(starts) and (starts[0] < 0 or starts[-1] >= count or (np.diff(starts) <= 0).any()):
            raise DataError(
                f"token view of {self.title!r}",
                found="sentences that do not begin one behind the other",
                expected=f"ascending token indices below {count}",
            )


def packed_series(series: ViewedSeries, limits: tuple[float, float]) -> dict[str, object]:
    """One series as the page's script reads it."""
    return {
        "site": visible(series.site),
        "horizon": series.horizon,
        "target": visible(series.target),
        "threshold": series.threshold,
        "limits": list(limits),
    }


def packed_trace(
    trace: ViewedTrace, series: Sequence[ViewedSeries], limits: Sequence[tuple[float, float]]
) -> dict[str, object]:
    """One text as the page's script reads it: scores as 16-bit steps, each series by itself."""
    return {
        "title": visible(trace.title),
        "note": visible(trace.note),
        "pieces": [visible(piece, keep="\n\t") for piece in trace.pieces],
        "sentences": list(trace.sentences),
        "scores": [
            _packed(_steps(row, *ends)) for row, ends in zip(trace.scores, limits, strict=True)
        ],
        "events": {
            visible(name): _packed(events.onset + 2 * events.inside.astype(np.uint8))
            for name, events in trace.events.items()
        },
        "truth": [
            None
            if (found := trace.truth.get((one.target, one.horizon))) is None
            else _packed(found)
            for one in series
        ],
    }


def score_limits(rows: Sequence[np.ndarray], threshold: float | None) -> tuple[float, float]:
    """Smallest and largest score of a series over all texts, its threshold included."""
    values = np.concatenate([row[np.isfinite(row)] for row in rows])
    if threshold is not None:
        if not math.isfinite(threshold):
            raise DataError(
                "token view", found="a threshold that is not finite", expected="finite or None"
            )
        values = np.append(values, threshold)
    if not len(values):
        return (0.0, 1.0)
    low, high = float(values.min()), float(values.max())
    # A share or probability starts at nothing, so that pale means unlikely.
    low = 0.0 if low >= 0 and high <= 1 else low
    return (low, high) if high > low else (low, low + 1.0)


def _steps(row: np.ndarray, low: float, high: float) -> np.ndarray:
    """uint8 [2, token]: high bytes, then low bytes, which deflate separately better."""
    known = np.isfinite(row)
    share = (np.where(known, row, low).astype(np.float64) - low) / (high - low)
    steps = np.where(known, np.rint(share * LEVELS), _NOT_SCORED).astype(np.uint16)
    return np.stack([steps >> 8, steps & 255]).astype(np.uint8)


def _packed(array: np.ndarray) -> str:
    flat = np.ascontiguousarray(array).view(np.uint8).tobytes()
    return base64.b64encode(zlib.compress(flat, 6)).decode("ascii")
