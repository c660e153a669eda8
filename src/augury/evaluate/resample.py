"""Resampler: the scores of every bootstrap draw of groups, computed once per distinct rows."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int

from augury.evaluate.cells import SplitRows
from augury.evaluate.counts import GroupCounts
from augury.evaluate.intervals import group_draws, left_out
from augury.evaluate.metrics import auroc_of, average_precision_of
from augury.evaluate.ranking import rank_rows
from augury.evaluate.score import Score
from augury.shapes import RowGroups

__all__ = ["Resampled", "Resampler"]

_EDGES = 1024
_MOST_LEFT_OUT = 200
"""Groups beyond which bootstrap and jackknife hardly differ, and the jackknife would cost most."""


@dataclass(frozen=True, slots=True, eq=False)
class Resampled:
    """One predictor on one set of rows: its scores, and those of every draw."""

    ap: Score
    """Average precision of the rows as they are."""

    auroc: Score
    """AUROC of the rows as they are."""

    ap_draws: Float[np.ndarray, " draw"]
    """Average precision of each draw; nan where undefined."""

    auroc_draws: Float[np.ndarray, " draw"]
    """AUROC of each draw; nan where undefined."""

    ap_left: Float[np.ndarray, " group"] | None = None
    """Average precision without each group; None where groups are so many that it adds nothing."""

    auroc_left: Float[np.ndarray, " group"] | None = None
    """AUROC without each group."""


class Resampler:
    """One table of draws for a whole grid. Equal rows and scores are computed once.

    A baseline of one horizon is the same at every site, so a grid of sites x horizons costs the
    probes of all cells and the baselines of one site.

    Args:
        groups: The groups of each cell's rows; their union is resampled.
        draws: Number of draws.
        seed: Of the draws.
    """

    def __init__(self, groups: Sequence[RowGroups], *, draws: int, seed: int) -> None:
        """Draw the table. No group at all is allowed: then every score is undefined."""
        self._groups = np.unique(np.concatenate([np.unique(each) for each in groups]))
        self._weights = group_draws(max(1, len(self._groups)), draws, seed)
        self._done: dict[bytes, Resampled] = {}

    def of(self, rows: SplitRows) -> Resampled:
        """Scores of all draws of these rows."""
        kinds = (rows.scores.dtype.str, rows.groups.dtype.str, len(rows.scores))
        digest = hashlib.blake2b(str(kinds).encode(), digest_size=16)
        for part in (rows.labels, rows.scores, rows.groups):
            digest.update(np.ascontiguousarray(part).data)
        key = digest.digest()
        if key not in self._done:
            self._done[key] = self._resample(rows)
        return self._done[key]

    def f1(self, rows: SplitRows, *, threshold: float) -> Float[np.ndarray, " draw"]:
        """F1 at `score >= threshold` of every draw; nan where a draw has no positive row."""
        size, place = self._weights.shape[1], self._place(rows.groups)
        accepted = rows.scores >= threshold
        hit = self._weights @ np.bincount(place[rows.labels & accepted], minlength=size)
        total = self._weights @ np.bincount(place[rows.labels], minlength=size)
        called = self._weights @ np.bincount(place[accepted], minlength=size)
        out = np.full(len(hit), np.nan)
        np.divide(2 * hit, called + total, out=out, where=total > 0)
        return out

    def _place(self, groups: RowGroups) -> Int[np.ndarray, " row"]:
        return np.searchsorted(self._groups, groups)

    def _resample(self, rows: SplitRows) -> Resampled:
        ranking = rank_rows(rows.labels, rows.scores)
        place = self._place(rows.groups)
        size = self._weights.shape[1]
        counts = GroupCounts.build(rows.labels, rows.scores, place, n_groups=size, max_edges=_EDGES)
        exact, drawn = average_precision_of(ranking), counts.average_precision(self._weights)
        if exact.value is not None:
            # Quantile edges lower every draw and the plain rows by nearly the same amount.
            drawn += exact.value - counts.average_precision(np.ones((1, size)))[0]
        drawn_too = Resampled(exact, auroc_of(ranking), drawn, counts.auroc(self._weights))
        if size > _MOST_LEFT_OUT:
            return drawn_too
        left = left_out(size)
        return replace(
            drawn_too, ap_left=counts.average_precision(left), auroc_left=counts.auroc(left)
        )
