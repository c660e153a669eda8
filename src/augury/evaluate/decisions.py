"""Yes or no at a threshold: confusion counts, balanced accuracy, agreement of two deciders.

All are functions of counts, so a bootstrap draw of groups is one product of draws and counts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int, Num

from augury.evaluate.intervals import (
    Interval,
    effective_groups,
    group_draws,
    interval,
    left_out,
)
from augury.evaluate.ranking import check_rows, rank_rows
from augury.evaluate.score import Score
from augury.shapes import Labels, RowGroups, RowScores

__all__ = [
    "Agreement",
    "Decisions",
    "agreement",
    "best_balanced_threshold",
    "decide",
]

_Counts = Int[np.ndarray, "group four"]


@dataclass(frozen=True, slots=True)
class Decisions:
    """What `score >= threshold` says of some rows."""

    threshold: float
    """Chosen on other rows than these."""

    true_positives: int
    false_positives: int
    true_negatives: int
    false_negatives: int

    balanced_accuracy: Score
    """Mean of recall and specificity, in [0, 1]; chance is 0.5."""

    interval: Interval | None
    """95 % interval of it, groups resampled; None under 10 groups with positives."""

    @property
    def recall(self) -> float | None:
        """Share of positives that are called positive."""
        total = self.true_positives + self.false_negatives
        return self.true_positives / total if total else None

    @property
    def specificity(self) -> float | None:
        """Share of negatives that are called negative."""
        total = self.true_negatives + self.false_positives
        return self.true_negatives / total if total else None


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far two deciders say the same of the same rows."""

    kappa: Score
    """Cohen's kappa: 1 is full agreement, 0 what their shares of yes give by chance."""

    interval: Interval | None
    """95 % interval of it, groups resampled."""


def best_balanced_threshold(labels: Labels, scores: RowScores) -> Score:
    """The score that, used as `score >= threshold`, gives the highest balanced accuracy.

    The highest of equals. To be chosen on validation rows, never on the rows that are reported.
    Undefined where a class is absent.
    """
    ranking = rank_rows(labels, scores)
    if not ranking.positives or not ranking.negatives:
        return Score.undefined("validation has rows of one class only")
    found = ranking.true_positives / ranking.positives
    found = found - ranking.false_positives / ranking.negatives
    return Score(float(ranking.thresholds[int(np.argmax(found))]))


def decide(
    labels: Labels,
    scores: RowScores,
    groups: RowGroups,
    *,
    threshold: float,
    draws: int = 1000,
    seed: int = 0,
) -> Decisions:
    """Confusion counts at a threshold that was chosen elsewhere, with an interval over groups.

    Raises:
        DataError: Lengths differ, labels are not boolean, or a score is not finite.
    """
    check_rows(labels, scores)
    counts = _confusion(labels, scores >= threshold, groups)
    hits, alarms, right, missed = counts.sum(axis=0).tolist()
    point = float(_balanced(np.array([[hits, alarms, right, missed]]))[0])
    if not np.isfinite(point):
        value, spread = Score.undefined("rows of one class only"), None
    else:
        weights = group_draws(len(counts), draws, seed)
        carrying = int((counts[:, [0, 3]].sum(axis=1) > 0).sum())
        value = Score(point)
        spread = interval(
            point,
            _balanced(weights @ counts),
            carrying,
            effective=effective_groups(labels, groups),
            left=_balanced(left_out(len(counts)) @ counts),
        )
    return Decisions(threshold, hits, alarms, right, missed, value, spread)


def agreement(
    one: Bool[np.ndarray, " row"],
    other: Bool[np.ndarray, " row"],
    groups: RowGroups,
    *,
    draws: int = 1000,
    seed: int = 0,
) -> Agreement:
    """Cohen's kappa of two sets of decisions, with an interval over groups (Cohen 1960)."""
    check_rows(one, other.astype(np.float64))
    counts = _confusion(one, other, groups)
    point = float(_kappa(counts.sum(axis=0)[None])[0])
    if not np.isfinite(point):
        return Agreement(Score.undefined("both always say the same"), None)
    weights = group_draws(len(counts), draws, seed)
    left = _kappa(left_out(len(counts)) @ counts)
    return Agreement(
        Score(point), interval(point, _kappa(weights @ counts), len(counts), left=left)
    )


def _confusion(truth: Labels, called: Bool[np.ndarray, " row"], groups: RowGroups) -> _Counts:
    """Per group: hits, false alarms, rightly refused, missed."""
    place = np.unique(groups, return_inverse=True)[1]
    size = int(place.max(initial=-1)) + 1
    kinds = (truth & called, ~truth & called, ~truth & ~called, truth & ~called)
    return np.stack([np.bincount(place[kind], minlength=size) for kind in kinds], axis=1)


def _balanced(counts: Num[np.ndarray, "draw four"]) -> Float[np.ndarray, " draw"]:
    """Nan where a class is absent."""
    hits, alarms, right, missed = counts.T.astype(np.float64)
    return np.asarray((_share(hits, hits + missed) + _share(right, right + alarms)) / 2)


def _kappa(counts: Num[np.ndarray, "draw four"]) -> Float[np.ndarray, " draw"]:
    """Nan where chance alone agrees on every row."""
    both, second, neither, first = counts.T.astype(np.float64)
    rows = both + second + neither + first
    yes = (both + first) * (both + second)
    no = (neither + second) * (neither + first)
    expected = _share(yes + no, rows**2)
    return _share(_share(both + neither, rows) - expected, 1 - expected)


def _share(part: Float[np.ndarray, " draw"], whole: Float[np.ndarray, " draw"]) -> np.ndarray:
    out = np.full(len(part), np.nan)
    np.divide(part, whole, out=out, where=whole > 0)
    return out
