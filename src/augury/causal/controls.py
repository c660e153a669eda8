"""Controls: for every event a place like it where nothing happens."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from augury.errors import DataError

__all__ = ["Matching", "match_controls"]

_MOST = 5_000
_FAR = 1e9


@dataclass(frozen=True, eq=False, slots=True)
class Matching:
    """Events and controls, paired. Every control serves one event."""

    event: np.ndarray
    """int [pair], place among the events."""

    control: np.ndarray
    """int [pair], place among the candidates."""

    distance: np.ndarray
    """float [pair], how far apart the two stand, in the unit of the positions."""

    unmatched: tuple[int, ...]
    """Events without a control: no candidate of their stratum within `furthest` was left."""


def match_controls(
    event_positions: Sequence[float],
    event_strata: Sequence[Hashable],
    candidate_positions: Sequence[float],
    candidate_strata: Sequence[Hashable],
    *,
    furthest: float,
) -> Matching:
    """Give each event a control of its own stratum, so that the pairs stand close together.

    As many events as possible are matched, and among all such matchings the sum of the distances is
    the smallest (Hungarian method), so nothing depends on the order of the events. Strata of more
    than 5000 candidates are thinned evenly along the positions first.

    Args:
        event_positions: Where each event stands, e.g. in tokens from the start of the completion.
        event_strata: What must be equal, e.g. (starts a sentence, half of the problems).
        candidate_positions: Where each place without an event stands.
        candidate_strata: Of each candidate.
        furthest: A pair may be this far apart.

    Raises:
        DataError: Positions and strata differ in number.
    """
    _check_lengths(event_positions, event_strata, candidate_positions, candidate_strata)
    places, others = np.asarray(event_positions, float), np.asarray(candidate_positions, float)
    pairs: list[tuple[int, int, float]] = []
    for stratum in dict.fromkeys(event_strata):
        events = np.array([i for i, own in enumerate(event_strata) if own == stratum])
        found = np.array([i for i, own in enumerate(candidate_strata) if own == stratum], int)
        found = _thinned(found, others)
        if not len(found):
            continue
        apart = np.abs(places[events][:, None] - others[found][None])
        rows, columns = linear_sum_assignment(np.where(apart <= furthest, apart, _FAR))
        pairs += [
            (int(events[row]), int(found[column]), float(apart[row, column]))
            for row, column in zip(rows, columns, strict=True)
            if apart[row, column] <= furthest
        ]
    pairs.sort()
    matched = {event for event, _, _ in pairs}
    return Matching(
        np.array([event for event, _, _ in pairs], int),
        np.array([control for _, control, _ in pairs], int),
        np.array([distance for _, _, distance in pairs], float),
        tuple(i for i in range(len(places)) if i not in matched),
    )


def _thinned(found: np.ndarray, positions: np.ndarray) -> np.ndarray:
    if len(found) <= _MOST:
        return found
    ordered = found[np.argsort(positions[found], kind="stable")]
    return np.asarray(ordered[np.linspace(0, len(ordered) - 1, _MOST).round().astype(int)])


def _check_lengths(
    event_positions: Sequence[float],
    event_strata: Sequence[Hashable],
    candidate_positions: Sequence[float],
    candidate_strata: Sequence[Hashable],
) -> None:
    lengths = (
        ("events", len(event_positions), len(event_strata)),
        ("candidates", len(candidate_positions), len(candidate_strata)),
    )
    for name, positions, strata in lengths:
        if positions != strata:
            raise DataError(
                name, found=f"{positions} positions, {strata} strata", expected="one each"
            )
