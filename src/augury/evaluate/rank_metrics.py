"""The metrics of a numeric target. A score that is the same everywhere knows nothing and counts 0.

Spearman is the correlation of ranks, ties sharing their mean rank: over all rows together, or the
mean over groups of the correlation within the group.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from jaxtyping import Float, Int, Num

from augury.evaluate.ranks import mean_ranks
from augury.evaluate.score import Score
from augury.shapes import RowGroups, RowScores

__all__ = [
    "GroupSpearman",
    "NumberRows",
    "RankMetric",
    "Spearman",
    "r_squared",
    "top_recall",
]

_CHUNK = 1 << 21


@dataclass(frozen=True, slots=True, eq=False)
class NumberRows:
    """Rows of one split: what is true, what is said, and whose rows they are."""

    values: RowScores
    """The target, any unit."""

    scores: RowScores
    """Higher means a higher value, any scale."""

    groups: RowGroups
    """Place of the group in the table of draws, from 0."""

    traces: RowGroups
    """Number of the trace."""


class RankMetric(Protocol):
    """A metric that the contract can judge: its value, under resampling, and under the null."""

    def value(self, rows: NumberRows) -> Score:
        """Of the rows as they are."""
        ...

    def draws(
        self, rows: NumberRows, weights: Num[np.ndarray, "draw group"]
    ) -> Float[np.ndarray, " draw"]:
        """Of each draw, in which group g counts `weights[draw, g]` times; nan where undefined."""
        ...

    def null(
        self, rows: NumberRows, order: Int[np.ndarray, "draw row"]
    ) -> Float[np.ndarray, " draw"]:
        """With the value of row `order[draw, i]` in row i; rows are exchanged within groups."""
        ...


class Spearman:
    """Rank correlation over all rows together."""

    def value(self, rows: NumberRows) -> Score:
        if len(rows.values) < 3 or np.ptp(rows.values) == 0:
            return Score.undefined("fewer than 3 rows, or values all alike")
        return Score(float(_unit(rows.values) @ _unit(rows.scores)))

    def draws(
        self, rows: NumberRows, weights: Num[np.ndarray, "draw group"]
    ) -> Float[np.ndarray, " draw"]:
        parts = []
        for heavy in _row_weights(rows.groups, weights):
            left, right = (_weighted_ranks(each, heavy) for each in (rows.values, rows.scores))
            total = heavy.sum(axis=1, keepdims=True)
            left -= (heavy * left).sum(axis=1, keepdims=True) / total
            right -= (heavy * right).sum(axis=1, keepdims=True) / total
            cross, one, two = (
                (heavy * a * b).sum(axis=1)
                for a, b in ((left, right), (left, left), (right, right))
            )
            scale = np.sqrt(one * two)
            found = np.where(one > 0, 0.0, np.nan)
            parts.append(np.divide(cross, scale, out=found, where=scale > 1e-9 * total[:, 0]))
        return np.concatenate(parts)

    def null(
        self, rows: NumberRows, order: Int[np.ndarray, "draw row"]
    ) -> Float[np.ndarray, " draw"]:
        return np.asarray(_unit(rows.values)[order] @ _unit(rows.scores))


class GroupSpearman:
    """Mean over groups of the rank correlation within the group, groups counting alike.

    Groups of fewer than three rows, or with values all alike, say nothing and are left out.
    """

    def value(self, rows: NumberRows) -> Score:
        found = self._per_group(rows)
        if not len(found):
            return Score.undefined("no group with 3 rows and different values")
        return Score(float(np.mean(list(found.values()))))

    def draws(
        self, rows: NumberRows, weights: Num[np.ndarray, "draw group"]
    ) -> Float[np.ndarray, " draw"]:
        found = self._per_group(rows)
        drawn = weights[:, list(found)].astype(np.float64)
        out, total = np.full(len(weights), np.nan), drawn.sum(axis=1)
        np.divide(drawn @ np.array(list(found.values())), total, out=out, where=total > 0)
        return out

    def null(
        self, rows: NumberRows, order: Int[np.ndarray, "draw row"]
    ) -> Float[np.ndarray, " draw"]:
        value, score = (np.zeros(len(rows.values)) for _ in range(2))
        members = list(_members(rows))
        for _, at in members:
            value[at], score[at] = _unit(rows.values[at]), _unit(rows.scores[at])
        return np.asarray(value[order] @ score / max(1, len(members)))

    @staticmethod
    def _per_group(rows: NumberRows) -> dict[int, float]:
        return {
            group: float(_unit(rows.values[at]) @ _unit(rows.scores[at]))
            for group, at in _members(rows)
        }


def r_squared(values: RowScores, predictions: RowScores) -> Score:
    """1 - squared error over the squared error of the mean; below 0 is worse than the mean.

    Undefined where values are all alike.
    """
    if not len(values) or np.ptp(values) == 0:
        return Score.undefined("no row, or values all alike")
    error = float(np.sum((values - predictions) ** 2))
    return Score(1 - error / float(np.sum((values - values.mean()) ** 2)))


def top_recall(
    values: RowScores, scores: RowScores, groups: RowGroups, *, share: float = 0.1
) -> Score:
    """Share of each group's k highest values that are among its k highest scores; mean over groups.

    k is `share` of the group's rows, rounded, at least 1; chance is about `share`. Where rows tie
    for the last places, each counts by its chance to get one. Groups of one row are left out.
    """
    found = []
    for at in _split_by(groups):
        k = max(1, round(share * len(at)))
        if len(at) > 1:
            found.append(float(_member(values[at], k) @ _member(scores[at], k)) / k)
    return Score(float(np.mean(found))) if found else Score.undefined("no group with 2 rows")


def _member(values: RowScores, k: int) -> Float[np.ndarray, " row"]:
    """Chance of each row to be among the k highest when ties are broken by lot."""
    last = np.sort(values)[-k]
    above, tied = values > last, values == last
    return np.asarray(above + tied * (k - above.sum()) / tied.sum())


def _unit(values: RowScores) -> Float[np.ndarray, " row"]:
    """Ranks, centred and of length 1; zeros where all are alike."""
    rank = mean_ranks(values)
    rank -= rank.mean()
    length = np.sqrt(rank @ rank)
    return np.asarray(rank / length if length > 0 else rank)


def _members(rows: NumberRows) -> Iterator[tuple[int, Int[np.ndarray, " row"]]]:
    for at in _split_by(rows.groups):
        if len(at) >= 3 and np.ptp(rows.values[at]) > 0:
            yield int(rows.groups[at[0]]), at


def _split_by(groups: RowGroups) -> list[Int[np.ndarray, " row"]]:
    order = np.argsort(groups, kind="stable")
    parts = np.split(order, np.flatnonzero(np.diff(groups[order])) + 1)
    return [part for part in parts if len(part)]


def _row_weights(
    groups: RowGroups, weights: Num[np.ndarray, "draw group"]
) -> Iterator[Float[np.ndarray, "draw row"]]:
    step = max(1, _CHUNK // max(1, len(groups)))
    for first in range(0, len(weights), step):
        yield weights[first : first + step][:, groups].astype(np.float64)


def _weighted_ranks(
    values: RowScores, weights: Float[np.ndarray, "draw row"]
) -> Float[np.ndarray, "draw row"]:
    """Mean rank of each row where row i is there `weights[draw, i]` times."""
    order = np.argsort(values, kind="stable")
    ranked = values[order]
    first = np.searchsorted(ranked, values, side="left")
    last = np.searchsorted(ranked, values, side="right")
    below = np.concatenate(
        [np.zeros((len(weights), 1)), np.cumsum(weights[:, order], axis=1)], axis=1
    )
    return np.asarray((below[:, first] + below[:, last]) / 2)
