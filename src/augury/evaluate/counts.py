"""GroupCounts: average precision and AUROC of resampled groups as matrix products.

A bootstrap draw gives group g the weight w_g. At a threshold e, the weight of accepted positives is
`sum_g w_g * hits[g, e]`, so all draws and thresholds are one product [draw, group] @ [group, edge],
and no draw sorts a row again. AUROC is a ratio of bilinear forms in w.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Num

from augury.errors import UsageError
from augury.evaluate.ranking import check_rows
from augury.shapes import Labels, RowGroups, RowScores

__all__ = ["GroupCounts"]

_CHUNK = 1 << 17


@dataclass(frozen=True, slots=True, eq=False)
class GroupCounts:
    """What each group contributes at each threshold. Groups are numbered 0 ... n_groups - 1."""

    hits: Float[np.ndarray, "group edge"]
    """Positive rows with score >= edge; edges run from the highest to the lowest positive score."""

    accepted: Float[np.ndarray, "group edge"]
    """All rows with score >= edge."""

    pairs: Float[np.ndarray, "group group"]
    """Pairs (positive row of the first group, negative row of the second) in the right order;
    ties count half."""

    negatives: Float[np.ndarray, " group"]
    """Negative rows."""

    @classmethod
    def build(
        cls,
        labels: Labels,
        scores: RowScores,
        groups: RowGroups,
        *,
        n_groups: int | None = None,
        max_edges: int = 4096,
    ) -> GroupCounts:
        """Count rows per group and distinct score of a positive row.

        Exact, ties included, with up to `max_edges` distinct scores of positives. Above that the
        edges are quantiles of them, densest at the top, and positives between two edges are
        accepted together: average precision then comes out a little low, by less than 0.001 in
        all trials with 1024 edges.

        Args:
            labels: True where the row is positive.
            scores: Higher means more positive.
            groups: Group of each row, from 0.
            n_groups: Number of groups; groups without rows have zero counts. Default: those seen.
            max_edges: Most thresholds to keep.

        Raises:
            DataError: Lengths differ, labels are not boolean, or a score is not finite.
            UsageError: A group number is outside 0 ... n_groups - 1.
        """
        check_rows(labels, scores)
        size = _group_count(groups, n_groups)
        edges = _edges(np.asarray(scores)[labels], max_edges)
        # Bin k holds scores in [edges[k], edges[k - 1]); the last bin lies below every positive.
        place = len(edges) - np.searchsorted(edges[::-1], scores, side="right")
        shape = (size, len(edges) + 1)
        positive = _histogram(groups[labels], place[labels], shape)
        negative = _histogram(groups[~labels], place[~labels], shape)
        hits = np.cumsum(positive, axis=1)[:, :-1]
        alarms = np.cumsum(negative, axis=1)[:, :-1]
        beaten = negative.sum(axis=1, keepdims=True) - alarms
        credit = _credit_in_bin(np.asarray(scores), labels, place, len(edges))
        beaten += _histogram(groups[~labels], place[~labels], shape, credit)[:, :-1]
        return cls(
            hits.astype(np.float32),
            (hits + alarms).astype(np.float32),
            positive[:, :-1] @ beaten.T,
            negative.sum(axis=1),
        )

    def average_precision(
        self, weights: Num[np.ndarray, "draw group"]
    ) -> Float[np.ndarray, " draw"]:
        """Average precision of each draw; nan where a draw holds no positive row.

        Counts are exact for whole weights; values agree with a full sort to 1e-6.
        """
        out = np.full(len(weights), np.nan)
        if not self.hits.shape[1]:
            return out
        heavy = np.asarray(weights, dtype=np.float32)
        step = max(1, _CHUNK // self.hits.shape[1])
        for first in range(0, len(heavy), step):
            draw = heavy[first : first + step]
            hits = draw @ self.hits
            precision = hits / np.maximum(draw @ self.accepted, 1e-30)
            total = hits[:, -1].copy()
            hits[:, 1:] -= hits[:, :-1].copy()
            area = np.einsum("de,de->d", hits, precision)
            np.divide(area, total, out=out[first : first + step], where=total > 0)
        return out

    def auroc(self, weights: Num[np.ndarray, "draw group"]) -> Float[np.ndarray, " draw"]:
        """AUROC of each draw; nan where a draw lacks positive or negative rows."""
        heavy = np.asarray(weights, dtype=np.float64)
        out = np.full(len(heavy), np.nan)
        if not self.hits.shape[1]:
            return out
        total = (heavy @ self.hits[:, -1]) * (heavy @ self.negatives)
        ordered = np.einsum("dg,dg->d", heavy @ self.pairs, heavy)
        np.divide(ordered, total, out=out, where=total > 0)
        return out


def _group_count(groups: RowGroups, n_groups: int | None) -> int:
    lowest = int(groups.min(initial=0))
    highest = int(groups.max(initial=-1))
    size = highest + 1 if n_groups is None else n_groups
    if lowest < 0 or highest >= size:
        found = f"groups {lowest} ... {highest}"
        raise UsageError("groups", found=found, expected=f"numbers from 0 to {size - 1}")
    return size


def _edges(scores: RowScores, most: int) -> RowScores:
    distinct = np.unique(scores)[::-1]
    if len(distinct) <= most:
        return distinct
    # Dense at the top, where few rows are accepted and precision moves most; the lowest edge is the
    # lowest positive score, so that every positive is accepted in the end.
    share = np.arange(1, most + 1) / most
    kept = np.unique(np.ceil(share**2 * len(distinct)).astype(np.intp)) - 1
    return np.asarray(distinct[kept])


def _histogram(
    groups: RowGroups,
    place: np.ndarray,
    shape: tuple[int, int],
    weights: np.ndarray | None = None,
) -> Float[np.ndarray, "group bin"]:
    flat = groups.astype(np.int64) * shape[1] + place
    counts = np.bincount(flat, weights=weights, minlength=shape[0] * shape[1])
    return counts.reshape(shape).astype(np.float64)


def _credit_in_bin(
    scores: RowScores, labels: Labels, place: np.ndarray, n_edges: int
) -> Float[np.ndarray, " negative"]:
    """Share of the positives in a negative's own bin that outscore it, ties counting half."""
    ranked = np.sort(scores[labels])
    negative, bins = scores[~labels], place[~labels]
    first = np.searchsorted(ranked, negative, side="left")
    last = np.searchsorted(ranked, negative, side="right")
    per_bin = np.bincount(place[labels], minlength=n_edges + 1)
    above_bin = np.concatenate([[0], np.cumsum(per_bin)])[bins]
    outscoring = len(ranked) - last + (last - first) / 2 - above_bin
    return np.asarray(np.where(per_bin[bins] > 0, outscoring / np.maximum(per_bin[bins], 1), 0.0))
