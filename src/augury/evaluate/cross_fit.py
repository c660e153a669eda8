"""Cross-fitting: every row is scored by a model that never saw its group, and so can be tested.

Whatever is chosen in a fold (the strength, the threshold, the calibration) is chosen by inner folds
of its training groups, so the tested group has no say in it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int

from augury.errors import DataError, UsageError
from augury.evaluate.calibrate import Platt, fit_platt
from augury.evaluate.metrics import average_precision, best_f1_threshold
from augury.shapes import Labels, RowGroups, RowScores

__all__ = ["CrossFit", "Fit", "Settled", "cross_fit", "settle"]

Fit = Callable[[Bool[np.ndarray, " row"], int], RowScores]
"""(rows to train on, number of the candidate) -> scores of all rows."""


@dataclass(frozen=True, slots=True)
class Settled:
    """What a fold chooses once its model is fitted."""

    platt: Platt
    """From raw scores to log-odds, which are comparable between folds."""

    threshold: float
    """Raw score with the best F1."""


def settle(labels: Labels, scores: RowScores) -> Settled | None:
    """Choose calibration and threshold on rows that are not tested; None where a class is absent.

    Args:
        labels: True where the row is positive.
        scores: Raw scores by a model that was not fitted on these rows.
    """
    platt = fit_platt(labels, scores)
    threshold = best_f1_threshold(labels, scores).value
    return None if platt is None or threshold is None else Settled(platt, threshold)


@dataclass(frozen=True, slots=True, eq=False)
class CrossFit:
    """Scores from outside of their group, comparable between folds."""

    scores: RowScores
    """Log-odds, calibrated in each fold on its training groups alone. The calibration is linear:
    scores with long tails should be ranked first, or folds do not mix well."""

    called: Labels
    """True where the row's score reaches the best F1 threshold of its fold's training groups."""

    fold: RowGroups
    """Fold that tested the row."""

    candidates: tuple[int, ...]
    """Candidate that each fold chose."""


def cross_fit(
    fit: Fit,
    labels: Labels,
    groups: RowGroups,
    folds: RowGroups,
    *,
    candidates: int = 1,
    inner: int = 5,
    seed: int = 0,
) -> CrossFit:
    """Fit each fold on the others, with a candidate that inner folds of the others choose.

    The best candidate has the highest average precision of its inner out-of-fold scores. To judge
    the result, give all its rows to `judge_grid` as test rows, with baselines cross-fitted on the
    same folds.

    Args:
        fit: Trains on the rows it is told, and on no others, and scores every row.
        labels: True where the row is positive.
        groups: Number of the group of each row.
        folds: Fold that tests the row, from 0; one per group.
        candidates: What `fit` can be asked for: strengths, sites.
        inner: Inner folds.
        seed: Of the inner folds.

    Raises:
        DataError: A group is in two folds, a fold's training groups have one class or are fewer
            than the inner folds, or a score is not finite.
        UsageError: Fewer than two folds, or no candidate.
    """
    numbers = np.unique(folds)
    if len(numbers) < 2 or inner < 2 or candidates < 1:
        found = f"{len(numbers)} folds, {inner} inner folds, {candidates} candidates"
        raise UsageError("cross_fit", found=found, expected="at least 2, 2 and 1")
    _check_nested(groups, folds)
    scores, called = np.full(len(labels), np.nan), np.zeros(len(labels), dtype=bool)
    chosen = []
    for number in numbers:
        train, test = folds != number, folds == number
        within = _inner_folds(groups, train, inner, (seed, int(number)))
        outside = [_outside(fit, train, within, n) for n in range(candidates)]
        quality = [average_precision(labels[train], each[train]).value for each in outside]
        best = int(np.argmax([-1.0 if value is None else value for value in quality]))
        settled = settle(labels[train], outside[best][train])
        if settled is None:
            expected = "rows of both classes in the groups that the fold trains on"
            raise DataError(f"fold {number}", found="one class", expected=expected)
        found = np.asarray(fit(train.copy(), best), dtype=np.float64)[test]
        scores[test] = settled.platt.slope * found + settled.platt.intercept
        called[test] = found >= settled.threshold
        chosen.append(best)
    return CrossFit(scores, called, folds, tuple(chosen))


def _outside(
    fit: Fit, train: Bool[np.ndarray, " row"], within: Int[np.ndarray, " row"], candidate: int
) -> RowScores:
    """Scores of the training rows by inner folds that did not hold their group."""
    scores = np.zeros(len(train))
    for number in range(int(within.max()) + 1):
        held = within == number
        scores[held] = np.asarray(fit(train & ~held, candidate), dtype=np.float64)[held]
    return scores


def _inner_folds(
    groups: RowGroups, train: Bool[np.ndarray, " row"], inner: int, seed: tuple[int, int]
) -> Int[np.ndarray, " row"]:
    """Inner fold of each training row, -1 for the others; groups are dealt whole."""
    names = np.unique(groups[train])
    if len(names) < inner:
        found = f"{len(names)} training groups"
        raise DataError("inner folds", found=found, expected=f"at least {inner}")
    dealt = np.random.default_rng(seed).permutation(np.arange(len(names)) % inner)
    within = np.full(len(groups), -1)
    within[train] = dealt[np.searchsorted(names, groups[train])]
    return within


def _check_nested(groups: RowGroups, folds: RowGroups) -> None:
    pairs = np.unique(np.stack([groups, folds]), axis=1)
    names, counts = np.unique(pairs[0], return_counts=True)
    if (counts > 1).any():
        raise DataError(
            f"group {names[counts > 1][0]}",
            found="in two folds",
            expected="every group in one fold",
            fix="deal folds by group",
        )
