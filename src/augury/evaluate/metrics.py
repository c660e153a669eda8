"""The metrics of a binary target, each a `Score`: undefined metrics say why instead of guessing.

Definitions are those of scikit-learn and agree with it to 1e-9 wherever a value exists.
"""

from __future__ import annotations

import numpy as np

from augury.errors import DataError
from augury.evaluate.ranking import Ranking, check_rows, rank_rows
from augury.evaluate.score import Score
from augury.shapes import Labels, RowGroups, RowScores, RowWeights

__all__ = [
    "accuracy",
    "auroc",
    "auroc_of",
    "average_precision",
    "average_precision_of",
    "balanced_accuracy",
    "best_f1_threshold",
    "brier",
    "expected_calibration_error",
    "f1",
    "group_average_precision",
    "recall_at_fpr",
    "recall_at_fpr_of",
]

_NO_ROW = "no row"
_NO_POSITIVE = "no positive row"
_NO_NEGATIVE = "no negative row"


def average_precision(
    labels: Labels, scores: RowScores, *, weights: RowWeights | None = None
) -> Score:
    """Mean precision at the positive rows, tied rows accepted together; in [0, 1].

    Undefined without a positive row. A constant score gives the prevalence.
    """
    return average_precision_of(rank_rows(labels, scores, weights))


def group_average_precision(labels: Labels, scores: RowScores, groups: RowGroups) -> Score:
    """Mean of the average precisions within groups, each group counting alike; in [0, 1].

    Groups of one class only say nothing about order and are left out; undefined without another.
    """
    check_rows(labels, scores)
    order = np.lexsort((-np.asarray(scores, np.float64), groups))
    group, score, hit = groups[order], np.asarray(scores)[order], labels[order]
    last = np.append((group[1:] != group[:-1]) | (score[1:] != score[:-1]), True)[: len(group)]
    # Tied rows are accepted together, at the last of them.
    end = np.flatnonzero(last)[np.cumsum(last) - last]
    first = np.flatnonzero(np.append(True, group[1:] != group[:-1])[: len(group)])
    owner = np.searchsorted(first, np.arange(len(group)), side="right") - 1
    hits = np.concatenate([[0], np.cumsum(hit)])
    precision = (hits[end + 1] - hits[first[owner]]) / (end + 1 - first[owner])
    size, positives = np.bincount(owner), np.bincount(owner, hit)
    both = (positives > 0) & (positives < size)
    if not both.any():
        return Score.undefined("no group with rows of both classes")
    total = np.bincount(owner, hit * precision)
    return Score(float(np.mean(total[both] / positives[both])))


def auroc(labels: Labels, scores: RowScores, *, weights: RowWeights | None = None) -> Score:
    """Probability that a positive row outscores a negative one, ties counting half; in [0, 1].

    Undefined without a positive or without a negative row.
    """
    return auroc_of(rank_rows(labels, scores, weights))


def recall_at_fpr(labels: Labels, scores: RowScores, *, rate: float = 0.01) -> Score:
    """Largest share of positives accepted by a threshold that accepts at most `rate` of negatives.

    Undefined without a positive or without a negative row.
    """
    return recall_at_fpr_of(rank_rows(labels, scores), rate=rate)


def average_precision_of(ranking: Ranking) -> Score:
    """`average_precision` of rows that are ranked already."""
    if not ranking.positives:
        return Score.undefined(_NO_POSITIVE)
    gained = np.diff(ranking.true_positives, prepend=0.0)
    accepted = ranking.true_positives + ranking.false_positives
    counts = gained > 0
    precision = ranking.true_positives[counts] / accepted[counts]
    return Score(float(precision @ gained[counts]) / ranking.positives)


def auroc_of(ranking: Ranking) -> Score:
    """`auroc` of rows that are ranked already."""
    missing = _missing_class(ranking.positives, ranking.negatives)
    if missing:
        return Score.undefined(missing)
    hits = np.diff(ranking.true_positives, prepend=0.0)
    alarms = np.diff(ranking.false_positives, prepend=0.0)
    outscored = ranking.negatives - ranking.false_positives + alarms / 2
    return Score(float(hits @ outscored) / (ranking.positives * ranking.negatives))


def recall_at_fpr_of(ranking: Ranking, *, rate: float = 0.01) -> Score:
    """`recall_at_fpr` of rows that are ranked already."""
    missing = _missing_class(ranking.positives, ranking.negatives)
    if missing:
        return Score.undefined(missing)
    allowed = ranking.false_positives <= rate * ranking.negatives
    best = ranking.true_positives[allowed].max(initial=0.0)
    return Score(float(best) / ranking.positives)


def f1(labels: Labels, scores: RowScores, *, threshold: float) -> Score:
    """2 TP / (2 TP + FP + FN) of `score >= threshold`. Undefined without a positive row."""
    hit, alarm, missed, _ = _confusion(labels, scores, threshold)
    if hit + missed == 0:
        return Score.undefined(_NO_POSITIVE)
    return Score(2 * hit / (2 * hit + alarm + missed))


def balanced_accuracy(labels: Labels, scores: RowScores, *, threshold: float) -> Score:
    """Mean of recall and specificity of `score >= threshold`. Undefined if a class is absent."""
    hit, alarm, missed, right = _confusion(labels, scores, threshold)
    missing = _missing_class(hit + missed, alarm + right)
    if missing:
        return Score.undefined(missing)
    return Score((hit / (hit + missed) + right / (right + alarm)) / 2)


def accuracy(labels: Labels, scores: RowScores, *, threshold: float) -> Score:
    """Share of rows that `score >= threshold` labels rightly. Undefined without rows."""
    hit, alarm, missed, right = _confusion(labels, scores, threshold)
    total = hit + alarm + missed + right
    return Score((hit + right) / total) if total else Score.undefined(_NO_ROW)


def best_f1_threshold(labels: Labels, scores: RowScores) -> Score:
    """The score that, used as `score >= threshold`, gives the highest F1; the highest of equals.

    To be chosen on validation rows, never on the rows that are reported.
    """
    ranking = rank_rows(labels, scores)
    if not ranking.positives:
        return Score.undefined(_NO_POSITIVE)
    accepted = ranking.true_positives + ranking.false_positives
    values = 2 * ranking.true_positives / (accepted + ranking.positives)
    return Score(float(ranking.thresholds[int(np.argmax(values))]))


def brier(labels: Labels, probabilities: RowScores) -> Score:
    """Mean squared distance between probability and outcome; 0 is best. Undefined without rows.

    Raises:
        DataError: A probability lies outside [0, 1].
    """
    given = _probabilities(labels, probabilities)
    if not len(given):
        return Score.undefined(_NO_ROW)
    return Score(float(np.mean((given - labels) ** 2)))


def expected_calibration_error(
    labels: Labels, probabilities: RowScores, *, bins: int = 15
) -> Score:
    """Mean distance between stated and observed frequency over bins of equal mass; 0 is best.

    Equal probabilities share a bin, so the value does not depend on the order of the rows.
    Undefined without rows.

    Raises:
        DataError: A probability lies outside [0, 1].
    """
    given = _probabilities(labels, probabilities)
    if not len(given):
        return Score.undefined(_NO_ROW)
    cuts = np.sort(given)[np.arange(1, bins) * len(given) // bins]
    place = np.searchsorted(np.unique(cuts), given, side="right")
    gap = np.bincount(place, weights=given - labels, minlength=1)
    return Score(float(np.abs(gap).sum()) / len(given))


def _confusion(labels: Labels, scores: RowScores, threshold: float) -> tuple[int, int, int, int]:
    check_rows(labels, scores)
    accepted = np.asarray(scores) >= threshold
    hit = int(np.count_nonzero(accepted & labels))
    alarm = int(np.count_nonzero(accepted)) - hit
    missed = int(np.count_nonzero(labels)) - hit
    return hit, alarm, missed, len(labels) - hit - alarm - missed


def _missing_class(positives: float, negatives: float) -> str:
    absent = [name for name, n in ((_NO_POSITIVE, positives), (_NO_NEGATIVE, negatives)) if not n]
    return _NO_ROW if len(absent) == 2 else "".join(absent)


def _probabilities(labels: Labels, probabilities: RowScores) -> RowScores:
    check_rows(labels, probabilities, where="probabilities")
    given = np.asarray(probabilities, dtype=np.float64)
    outside = int(np.count_nonzero((given < 0) | (given > 1)))
    if outside:
        found = f"{outside} of {len(given)} outside [0, 1]"
        fix = "turn scores into probabilities first, see fit_platt"
        raise DataError("probabilities", found=found, expected="values in [0, 1]", fix=fix)
    return given
