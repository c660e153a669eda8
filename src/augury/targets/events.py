"""Where events of one label start and run, token by token."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from augury.traces.align import PlacedSpan
from augury.traces.tokens import TokenisedTrace

__all__ = ["Events", "token_events"]


@dataclass(frozen=True, eq=False, slots=True)
class Events:
    """Events of one label on the tokens of one trace."""

    onset: np.ndarray
    """bool [token], True at the first token of each event."""

    inside: np.ndarray
    """bool [token], True at every token of an event, its onset included."""


def token_events(
    tokenised: TokenisedTrace,
    placed_spans: Sequence[PlacedSpan],
    label: str,
    *,
    merge_touching: bool = True,
) -> Events:
    """Onsets and extents of the events called `label`.

    The onset is the first token that overlaps the span. A span that entered this window from an
    earlier one has no onset here, but its tokens are inside.

    Args:
        tokenised: Gives the number of tokens.
        placed_spans: Spans of any labels, from `place_spans`.
        label: Which of them are events.
        merge_touching: Spans with nothing but white space between them are one running event, so
            three backtracking sentences in a row have one onset.
    """
    onset = np.zeros(len(tokenised), dtype=bool)
    inside = np.zeros(len(tokenised), dtype=bool)
    chosen = sorted(
        (one for one in placed_spans if one.span.label == label),
        key=lambda one: (one.first, one.stop),
    )
    reached: int | None = None
    for one in chosen:
        touching = one.continues or (reached is not None and one.first <= reached)
        if merge_touching and touching:
            inside[one.first if reached is None else min(reached, one.first) : one.stop] = True
        else:
            inside[one.first : one.stop] = True
            onset[one.first] = one.starts_here
        reached = max(one.stop, reached or 0)
    return Events(onset, inside)
