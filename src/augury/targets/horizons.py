"""Labels at a distance: what the state at one token is asked about another token.

Sign: a horizon h > 0 looks ahead. The state at token t is paired with the label at token t + h;
h = 0 is now and h < 0 is behind. The seeds' lag is printed beside it as lag = -h.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from augury.errors import DataError, UsageError
from augury.targets.events import Events

__all__ = [
    "QUESTIONS",
    "HorizonKind",
    "Paired",
    "already_inside_counts",
    "at_horizon",
    "lag_of",
    "share_already_inside",
]

HorizonKind = Literal["point", "within", "span"]

QUESTIONS: dict[str, str] = {
    "point": "does an event start exactly at token t + h?",
    "within": "does an event start in (t, t + h]?",
    "span": "does token t + h lie inside an event?",
}
"""What the state at token t is asked, by `HorizonKind`."""


@dataclass(frozen=True, eq=False, slots=True)
class Paired:
    """What the state at each token is asked, and whether it is asked at all."""

    label: np.ndarray
    """bool [token], the answer at token t; False where not used."""

    use: np.ndarray
    """bool [token], True where token t may train or test a probe."""


def lag_of(horizon: int) -> int:
    """The seeds' name of a horizon, `lag = -horizon`: a negative lag predicts the future."""
    return -horizon


def at_horizon(
    events: Events,
    horizon: int,
    *,
    kind: HorizonKind = "point",
    eligible: np.ndarray,
) -> Paired:
    """Pair the state at token t with the event at token t + horizon.

    A token is used if it and its partner t + horizon are eligible. In addition `point` and
    `within` mask running events: looking ahead (horizon > 0), tokens t inside an event are not
    used; otherwise tokens whose partner is inside an event but not its onset are not used.

    Args:
        events: Of one label on one trace.
        horizon: In tokens; positive looks ahead.
        kind: `point`: an onset stands exactly at t + horizon. `within`: an onset stands in
            (t, t + horizon]. `span`: t + horizon is inside an event; nothing is masked, so tokens
            that are already inside count as predictions (see `share_already_inside`).
        eligible: bool [token], tokens of the part that is studied.

    Returns:
        Label and mask; nothing is used when the horizon is longer than the trace.

    Raises:
        DataError: `eligible` has another length than the events.
        UsageError: `within` at a horizon below 1.
    """
    _check_eligible(events, eligible)
    if kind == "within" and horizon < 1:
        raise UsageError(
            f"horizon {horizon}", found="kind 'within'", expected="a horizon of at least 1"
        )
    use = eligible & _shifted(eligible, horizon)
    if kind == "span":
        return Paired(_shifted(events.inside, horizon) & use, use)
    if horizon > 0:
        use &= ~events.inside
    else:
        use &= ~_shifted(events.inside & ~events.onset, horizon)
    ahead = _onset_within(events.onset, horizon) if kind == "within" else None
    label = _shifted(events.onset, horizon) if ahead is None else ahead
    return Paired(label & use, use)


def already_inside_counts(events: Events, horizon: int, eligible: np.ndarray) -> tuple[int, int]:
    """Of the `span` positives at this horizon: how many stand inside an event, and how many are."""
    paired = at_horizon(events, horizon, kind="span", eligible=eligible)
    return int(np.count_nonzero(paired.label & events.inside)), int(np.count_nonzero(paired.label))


def share_already_inside(events: Events, horizon: int, eligible: np.ndarray) -> float | None:
    """Share, 0 to 1, of `span` positives ahead whose own token is already inside an event.

    Such positives need no prediction. None for horizons that do not look ahead, and where there
    is no positive.
    """
    inside, positives = already_inside_counts(events, horizon, eligible)
    return inside / positives if horizon > 0 and positives else None


def _shifted(values: np.ndarray, horizon: int) -> np.ndarray:
    """`values[t + horizon]` at token t; False where that lies outside."""
    out = np.zeros_like(values)
    tokens = len(values)
    first, stop = max(0, -horizon), min(tokens, tokens - horizon)
    if first < stop:
        out[first:stop] = values[first + horizon : stop + horizon]
    return out


def _onset_within(onset: np.ndarray, horizon: int) -> np.ndarray:
    """True at t where an onset stands in (t, t + horizon]."""
    tokens = len(onset)
    count = np.concatenate([[0], np.cumsum(onset)])
    after = np.arange(1, tokens + 1)
    return np.asarray(count[np.minimum(after + horizon, tokens)] > count[after])


def _check_eligible(events: Events, eligible: np.ndarray) -> None:
    if eligible.shape != events.onset.shape or eligible.dtype != np.bool_:
        raise DataError(
            "eligible",
            found=f"{eligible.dtype} of shape {eligible.shape}",
            expected=f"bool of shape {events.onset.shape}",
        )
