"""Two thresholds instead of one: say no, say yes, or defer what lies between to somebody else.

A row with score >= `positive_from` is accepted as positive, one with score <= `negative_to` as
negative, all others are deferred. The accepted error is the share of accepted rows that are
accepted wrongly. Thresholds are chosen on validation rows and only applied to test rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from jaxtyping import Float, Int

from augury.errors import DataError, UsageError
from augury.evaluate.intervals import Interval, group_draws, interval
from augury.evaluate.ranking import check_rows
from augury.evaluate.score import Score
from augury.shapes import Labels, RowGroups, RowScores

__all__ = ["Deferral", "Objective", "Thresholds", "choose_thresholds", "defer"]


@dataclass(frozen=True, slots=True)
class Objective:
    """What is wanted of two thresholds, and what may not be exceeded.

    Raises:
        UsageError: The limit is not a share.
    """

    kind: Literal["budget", "error"]
    """`budget`: the least accepted error with at most `limit` of the rows deferred; `error`: the
    least deferral with an accepted error of at most `limit`. Among equals, the other is least."""

    limit: float
    """A share, in [0, 1]."""

    def __post_init__(self) -> None:
        """Refuse a limit that no share can meet or break."""
        if not 0 <= self.limit <= 1:
            raise UsageError(f"{self.kind} limit", found=f"{self.limit:g}", expected="0 to 1")


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Two thresholds, and whether the objective could be met on the rows that chose them."""

    negative_to: float
    """Rows with score <= this are accepted as negative; never above `positive_from`."""

    positive_from: float
    """Rows with score >= this are accepted as positive, equal thresholds included."""

    meets_objective: bool
    """False where no pair of thresholds did; then these have the lowest accepted error."""


@dataclass(frozen=True, slots=True)
class Deferral:
    """What two thresholds do to a set of rows."""

    rows: int
    """All rows."""

    deferred: int
    """Rows between the thresholds."""

    accepted_positive: int
    """Rows accepted as positive."""

    accepted_negative: int
    """Rows accepted as negative."""

    false_positive: int
    """Negative rows accepted as positive."""

    false_negative: int
    """Positive rows accepted as negative."""

    error_interval: Interval | None = None
    """95 % interval of the accepted error, groups resampled; None under 10 groups or without."""

    @property
    def accepted(self) -> int:
        """Rows that are not deferred."""
        return self.accepted_positive + self.accepted_negative

    @property
    def deferral(self) -> Score:
        """Share of rows that are deferred."""
        return Score(self.deferred / self.rows) if self.rows else Score.undefined("no row")

    @property
    def error(self) -> Score:
        """Share of accepted rows that are accepted wrongly."""
        if not self.accepted:
            return Score.undefined("no accepted row")
        return Score((self.false_positive + self.false_negative) / self.accepted)


def choose_thresholds(
    labels: Labels, scores: RowScores, objective: Objective, *, grid_size: int | None = None
) -> Thresholds:
    """The best pair of thresholds of all pairs, on validation rows.

    Exact: every distinct score is tried for both, and the outside of the range, so that either side
    may accept nothing. Time grows with the square of their number (60,000: about a minute).

    Args:
        labels: True where the row is positive.
        scores: Higher means more positive.
        objective: What to look for.
        grid_size: Try only this many quantiles of the scores, lowest and highest included.

    Raises:
        DataError: There is no row, lengths differ, or a score is not finite.
        UsageError: The grid has fewer than two quantiles.
    """
    check_rows(labels, scores)
    if not len(labels):
        raise DataError("validation rows", found="none", expected="rows to choose thresholds on")
    given = np.asarray(scores, dtype=np.float64)
    ordered = np.unique(given)
    edges = ordered if grid_size is None else _quantiles(given, grid_size)
    # The k-th lower edge is the score just below the k-th upper edge: as a pair they defer nothing.
    # Outside of the range nothing is accepted as negative, or nothing as positive.
    low = np.concatenate([[np.nextafter(ordered[0], -np.inf)], ordered])
    low = low[np.append(np.searchsorted(ordered, edges), len(ordered))]
    high = np.append(edges, np.nextafter(ordered[-1], np.inf))
    best = _search(_below(given, labels, low), _above(given, labels, high), len(given), objective)
    negative, positive, met = best
    return Thresholds(float(low[negative]), float(high[positive]), met)


def defer(
    labels: Labels,
    scores: RowScores,
    thresholds: Thresholds,
    *,
    groups: RowGroups | None = None,
    draws: int = 1000,
    seed: int = 0,
) -> Deferral:
    """Apply thresholds to rows; with groups, the accepted error gets an interval.

    Raises:
        DataError: Lengths differ, labels are not boolean, or a score is not finite.
    """
    check_rows(labels, scores)
    yes = scores >= thresholds.positive_from
    no = ~yes & (scores <= thresholds.negative_to)
    found = Deferral(
        rows=len(labels),
        deferred=int(np.count_nonzero(~yes & ~no)),
        accepted_positive=int(np.count_nonzero(yes)),
        accepted_negative=int(np.count_nonzero(no)),
        false_positive=int(np.count_nonzero(yes & ~labels)),
        false_negative=int(np.count_nonzero(no & labels)),
    )
    if groups is None or found.error.value is None:
        return found
    wrong, accepted = (yes & ~labels) | (no & labels), yes | no
    return _with_interval(found, wrong, accepted, groups, (draws, seed))


def _with_interval(
    found: Deferral,
    wrong: Labels,
    accepted: Labels,
    groups: RowGroups,
    drawn: tuple[int, int],
) -> Deferral:
    place = np.unique(groups, return_inverse=True)[1]
    size = int(place.max()) + 1
    weights = group_draws(size, *drawn)
    errors, total = (
        weights @ np.bincount(place[each], minlength=size) for each in (wrong, accepted)
    )
    shares = np.full(len(errors), np.nan)
    np.divide(errors, total, out=shares, where=total > 0)
    carrying = len(np.unique(place[accepted]))
    return replace(found, error_interval=interval(found.error.value or 0.0, shares, carrying))


def _quantiles(scores: RowScores, grid_size: int) -> Float[np.ndarray, " edge"]:
    if grid_size < 2:
        raise UsageError("grid size", found=str(grid_size), expected="at least 2 quantiles")
    # Observed scores, so that a quantile between two of them does not depend on an interpolation.
    return np.unique(np.quantile(scores, np.linspace(0, 1, grid_size), method="inverted_cdf"))


def _below(
    scores: RowScores, labels: Labels, edges: Float[np.ndarray, " edge"]
) -> Int[np.ndarray, "2 edge"]:
    """Rows, and positive rows, with score <= edge."""
    return np.stack(
        [np.searchsorted(np.sort(each), edges, side="right") for each in (scores, scores[labels])]
    )


def _above(
    scores: RowScores, labels: Labels, edges: Float[np.ndarray, " edge"]
) -> Int[np.ndarray, "2 edge"]:
    """Rows, and negative rows, with score >= edge."""
    return np.stack(
        [
            len(each) - np.searchsorted(np.sort(each), edges, side="left")
            for each in (scores, scores[~labels])
        ]
    )


def _search(
    below: Int[np.ndarray, "2 edge"],
    above: Int[np.ndarray, "2 edge"],
    rows: int,
    objective: Objective,
) -> tuple[int, int, bool]:
    """Numbers of the best lower and upper edge, and whether they meet the objective."""
    met: tuple[tuple[float, float], int, int] | None = None
    fallback: tuple[tuple[float, float], int, int] | None = None
    for lower, error, deferral in _pairs(below, above, rows):
        meets = (deferral if objective.kind == "budget" else error) <= objective.limit
        first, second = (error, deferral) if objective.kind == "budget" else (deferral, error)
        met = _better(met, lower, first, second, meets)
        fallback = _better(fallback, lower, error, deferral, np.isfinite(error))
    if met is not None:
        return met[1], met[2], True
    if fallback is None:
        raise DataError("thresholds", found="no pair accepts a row", expected="at least one row")
    return fallback[1], fallback[2], False


def _pairs(
    below: Int[np.ndarray, "2 edge"], above: Int[np.ndarray, "2 edge"], rows: int
) -> Iterator[tuple[int, Float[np.ndarray, " edge"], Float[np.ndarray, " edge"]]]:
    """Each lower edge with the accepted error (inf without a row) and deferral by upper edge."""
    for lower in range(below.shape[1]):
        accepted = below[0, lower] + above[0, lower:]
        wrong = below[1, lower] + above[1, lower:]
        error = np.full(len(accepted), np.inf)
        np.divide(wrong, accepted, out=error, where=accepted > 0)
        # Not 1 - accepted / rows, which may exceed a budget that is met exactly.
        yield lower, error, (rows - accepted) / rows


def _better(
    best: tuple[tuple[float, float], int, int] | None,
    lower: int,
    first: Float[np.ndarray, " edge"],
    second: Float[np.ndarray, " edge"],
    allowed: Labels,
) -> tuple[tuple[float, float], int, int] | None:
    """The better of `best` and this lower edge's allowed pairs: least `first`, then `second`."""
    usable = np.flatnonzero(allowed & np.isfinite(first) & np.isfinite(second))
    if not len(usable):
        return best
    least = usable[first[usable] == first[usable].min()]
    at = int(least[np.argmin(second[least])])
    value = (float(first[at]), float(second[at]))
    return (value, lower, lower + at) if best is None or value < best[0] else best
