"""Linear probes of one site: all targets, folds and strengths from one decomposition.

`linear` predicts the target, and each residual target (`residuals`). `position+linear` begins with
the score of the position at full weight and adds a probe of what a ridge regression on place leaves
over of the target, by as much as the problems that are not tested ask for: none, unless that helps
them by more than twice its standard error. So it cannot lose the position, as four columns beside
thousands of states do.

Strengths and weights are chosen in each fold on every problem that it does not test, each predicted
by a regression without it and without the tested ones. The probe itself is fitted on the fold's
training problems alone, as the ladder is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from augury.evaluate.group_scores import candidates_within
from augury.probes.fold_ridge import FoldRidge, HeldOut, Smoother
from augury.probes.linear import LinearGrid, scores
from augury.studies.thought_anchors.asked import Asked
from augury.studies.thought_anchors.scores import Fold

__all__ = ["FoldProbes", "fit_site", "shuffled_predictions"]

_MIXES = (0.25, 0.5, 1.0, 2.0, 4.0)
"""Weights of the probe beside the position, both in their own standard deviations."""

Columns = Float[np.ndarray, "row target"]


@dataclass(frozen=True, slots=True, eq=False)
class FoldProbes:
    """The probes of one fold. Scores are of the rows that were not trained on, [held, target]."""

    linear: np.ndarray
    residual: np.ndarray
    """Of the residual targets, [held, residual]."""

    left_over: np.ndarray
    """Predictions of what place leaves over."""

    mixed: np.ndarray
    """`position+linear`."""

    grid: LinearGrid
    """Probes on raw states, in the order of `Asked.of_fold`."""

    l2: tuple[float, ...]
    """Chosen strength of each column of the grid."""

    weights: tuple[float, ...]
    """What of the second probe was added to the position, [target]."""


def fit_site(
    states: Float[np.ndarray, "row hidden"], asked: Asked, l2: Sequence[float]
) -> list[FoldProbes]:
    """Fit both kinds in every fold.

    Args:
        states: One row per sentence.
        asked: Targets, position and folds.
        l2: Strengths to choose from.
    """
    ridge = FoldRidge(states)
    strengths = sorted(l2, reverse=True)  # of equals the strongest is chosen
    tried = [_at_strength(ridge.at(strength), asked) for strength in strengths]
    found = []
    for number, fold in enumerate(asked.folds):
        outside = np.stack([of_strength[number][0] for of_strength in tried])
        fits = [of_strength[number][1] for of_strength in tried]
        best = _best_strengths(outside, asked, number)
        grid = ridge.grid(_picked(fits, best))
        held = scores(states, grid, ~fold.train).astype(np.float64)
        chosen = np.stack([outside[s, :, column] for column, s in enumerate(best)], axis=1)
        linear, of_residuals, rest = np.split(held, asked.edges, axis=1)
        mixed, weights = _mixed(chosen[:, asked.edges[1] :], rest, asked, number)
        found.append(
            FoldProbes(
                linear=linear,
                residual=of_residuals,
                left_over=rest,
                mixed=mixed,
                grid=grid,
                l2=tuple(strengths[s] for s in best),
                weights=weights,
            )
        )
    return found


def shuffled_predictions(
    states: Float[np.ndarray, "row hidden"],
    values: Float[np.ndarray, "row draw"],
    folds: Sequence[Fold],
    l2: float,
) -> Float[np.ndarray, "row draw"]:
    """What a regression says of the problems that it was not fitted on, for many targets."""
    smoother = FoldRidge(states).at(l2)
    whole = smoother.solve(values)
    found = np.zeros(values.shape)
    for fold in folds:
        at = np.flatnonzero(~fold.train)
        found[at] = np.where(
            fold.test[at][:, None], values[at] - smoother.errors(whole, at), found[at]
        )
    return found


def _at_strength(smoother: Smoother, asked: Asked) -> list[tuple[np.ndarray, HeldOut]]:
    """Of each fold: predictions of untested problems from outside of them, and the fit."""
    of_targets = smoother.solve(asked.values)
    found = []
    for number, fold in enumerate(asked.folds):
        goals = asked.of_fold(number)
        own = smoother.solve(goals[:, asked.edges[0] :])
        whole = np.concatenate([of_targets, own], axis=1)
        outside = np.zeros(goals.shape)
        for problem in np.unique(asked.problems[~fold.test]):
            rows = asked.problems == problem
            at = np.flatnonzero(rows | fold.test)
            error = smoother.errors(whole, at)
            outside[rows] = goals[rows] - error[rows[at]]
        found.append((outside, smoother.without(goals, whole, ~fold.train)))
    return found


def _best_strengths(outside: np.ndarray, asked: Asked, fold: int) -> list[int]:
    """Number of the strength of each column that does best within the untested problems."""
    rows, goals = ~asked.folds[fold].test, asked.of_fold(fold)
    kinds = (*asked.is_anchor, *asked.residual_is_anchor, *(False for _ in asked.is_anchor))
    problems, best = asked.problems[rows], []
    for column, anchors in enumerate(kinds):
        values = _of_kind(goals[rows, column], anchors)
        quality = candidates_within(values, outside[:, rows, column].T, problems)
        best.append(int(np.argmax([_mean(each) for each in quality])))
    return best


def _picked(fits: Sequence[HeldOut], best: Sequence[int]) -> HeldOut:
    """The columns of the chosen strengths together."""
    columns = list(enumerate(best))
    return HeldOut(
        predictions=np.stack([fits[s].predictions[:, c] for c, s in columns], axis=1),
        dual=np.stack([fits[s].dual[:, c] for c, s in columns], axis=1),
        intercept=np.array([fits[s].intercept[c] for c, s in columns]),
    )


def _mixed(
    outside: Columns, held: Columns, asked: Asked, fold: int
) -> tuple[Columns, tuple[float, ...]]:
    """Position plus as much of the probe as helps the untested problems; the weight of each."""
    side = asked.folds[fold]
    known, problems = ~side.test, asked.problems[~side.test]
    result, weights = np.empty(held.shape), []
    for target in range(held.shape[1]):
        base = _in_deviations(asked.position[fold][:, target], known)
        spread = outside[known, target].std()
        spread = spread if spread > 0 else 1.0
        values = _of_kind(asked.values[known, target], asked.is_anchor[target])
        tried = base[known, None] + outside[known, target, None] * np.array([0.0, *_MIXES]) / spread
        alone, *mixes = candidates_within(values, tried, problems)
        gains = zip(_MIXES, (each - alone for each in mixes), strict=True)
        sure = {w: _mean(gain) for w, gain in gains if _mean(gain) > 2 * _error(gain)}
        weight = max(sure, key=lambda w: sure[w]) if sure else 0.0
        weights.append(weight)
        result[:, target] = base[~side.train] + weight / spread * held[:, target]
    return result, tuple(weights)


def _in_deviations(values: np.ndarray, rows: np.ndarray) -> np.ndarray:
    spread = values[rows].std()
    return np.asarray(values / (spread if spread > 0 else 1.0))


def _of_kind(values: np.ndarray, anchors: bool) -> np.ndarray:
    return values.astype(bool) if anchors else values


def _mean(values: np.ndarray) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else -np.inf


def _error(values: np.ndarray) -> float:
    known = values[np.isfinite(values)]
    return float(known.std(ddof=1) / np.sqrt(len(known))) if len(known) > 1 else np.inf
