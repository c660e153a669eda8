"""Lead time: how early a score announces an event, at a bearable number of false alarms.

An alarm is a token with score >= threshold. It belongs to an event if an onset follows it by 0 to
`window` tokens; an alarm that belongs to no event is false. All times are in tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from augury.errors import DataError, UsageError
from augury.evaluate.score import Score

__all__ = ["LeadTimes", "alarm_threshold", "lead_times"]

_NEVER = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True)
class LeadTimes:
    """What a threshold achieves on a set of traces."""

    threshold: float
    """A token is an alarm at score >= threshold."""

    window: int
    """An alarm counts for an onset at most this many tokens later."""

    leads: tuple[int, ...]
    """Tokens of warning asked for; 0 allows an alarm on the onset itself."""

    flagged: tuple[Score, ...]
    """Share of events with an alarm at least that many tokens before onset, one per lead."""

    events: int
    """Onsets in these traces."""

    false_alarms_per_1000: Score
    """False alarms per 1000 tokens."""


def alarm_threshold(
    scores: Sequence[Float[np.ndarray, " token"]],
    onsets: Sequence[Bool[np.ndarray, " token"]],
    *,
    false_alarms_per_1000: float,
    window: int,
) -> float:
    """The lowest threshold that keeps false alarms within the budget; to be used on validation.

    Tokens with a score equal to the threshold are alarms, so ties never break the budget. Where no
    observed score does, the threshold is just above the highest score.

    Args:
        scores: One array per trace.
        onsets: True at the first token of an event, one array per trace.
        false_alarms_per_1000: Budget, per 1000 tokens of all traces.
        window: Alarms up to this many tokens before an onset are true.

    Raises:
        DataError: Arrays do not match, or a score is not finite.
        UsageError: The window or the budget is negative.
    """
    if false_alarms_per_1000 < 0:
        found = str(false_alarms_per_1000)
        raise UsageError("false_alarms_per_1000", found=found, expected="0 or more")
    wait = _waits(scores, onsets, window)
    joined = np.concatenate([np.zeros(0), *scores])
    quiet = np.sort(joined[wait > window])[::-1]
    budget = int(false_alarms_per_1000 * len(joined) / 1000)
    every = np.unique(joined)
    if budget < len(quiet):
        every = every[every > quiet[budget]]
    if len(every):
        return float(every[0])
    return float(np.nextafter(joined.max(initial=0.0), np.inf))


def lead_times(
    scores: Sequence[Float[np.ndarray, " token"]],
    onsets: Sequence[Bool[np.ndarray, " token"]],
    *,
    threshold: float,
    window: int,
    leads: Sequence[int] = (0, 1, 2, 4, 8, 16),
) -> LeadTimes:
    """Share of events flagged at least k tokens ahead, for each k, and the price in false alarms.

    Events without any token k before their onset count as missed.

    Args:
        scores: One array per trace.
        onsets: True at the first token of an event, one array per trace.
        threshold: From `alarm_threshold` on other traces.
        window: Alarms up to this many tokens before an onset belong to it.
        leads: Tokens of warning asked for.

    Raises:
        DataError: Arrays do not match, or a score is not finite.
        UsageError: The window is negative, or a lead is negative or longer than the window.
    """
    if any(not 0 <= lead <= window for lead in leads):
        raise UsageError("leads", found=str(tuple(leads)), expected=f"0 to the window of {window}")
    wait = _waits(scores, onsets, window)
    n_tokens = len(wait)
    false = int(
        np.count_nonzero(np.concatenate([np.zeros(0), *scores])[wait > window] >= threshold)
    )
    best = np.concatenate(
        [np.zeros(0, np.int64)]
        + [
            _warning(score >= threshold, onset, window)
            for score, onset in zip(scores, onsets, strict=True)
        ]
    )
    missing = Score.undefined("no event")
    return LeadTimes(
        threshold,
        window,
        tuple(leads),
        tuple(Score(float(np.mean(best >= k))) if len(best) else missing for k in leads),
        len(best),
        Score(1000 * false / n_tokens) if n_tokens else Score.undefined("no token"),
    )


def _waits(
    scores: Sequence[Float[np.ndarray, " token"]],
    onsets: Sequence[Bool[np.ndarray, " token"]],
    window: int,
) -> Int[np.ndarray, " token"]:
    """Tokens from each token to the next onset of its trace; a huge number where none follows."""
    if window < 0:
        raise UsageError("window", found=str(window), expected="0 or more tokens")
    if len(scores) != len(onsets):
        found = f"{len(scores)} traces of scores, {len(onsets)} of onsets"
        raise DataError("lead time", found=found, expected="the same traces")
    waits = [np.zeros(0, np.int64)]
    for trace, (score, onset) in enumerate(zip(scores, onsets, strict=True)):
        if score.shape != onset.shape or not np.isfinite(score).all():
            found = f"scores {score.shape}, onsets {onset.shape}, or a score that is not finite"
            raise DataError(f"trace {trace}", found=found, expected="a finite score per token")
        at = np.append(np.flatnonzero(onset), _NEVER)
        token = np.arange(len(onset))
        following = at[np.searchsorted(at, token)]
        waits.append(np.where(following == _NEVER, _NEVER, following - token))
    return np.concatenate(waits)


def _warning(
    alarm: Bool[np.ndarray, " token"], onset: Bool[np.ndarray, " token"], window: int
) -> Int[np.ndarray, " event"]:
    """Tokens from the earliest alarm within the window to each onset; -1 where there is none."""
    at, alarms = np.flatnonzero(onset), np.append(np.flatnonzero(alarm), _NEVER)
    first = alarms[np.searchsorted(alarms, at - window)]
    return np.where(first <= at, at - first, -1)
