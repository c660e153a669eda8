"""Fit a whole grid of logistic probes on the same rows at once.

Objective of column c, with y = +1 / -1 and row weights w:

    (1 / sum w) sum_i w_i log(1 + exp(-y_i (x_i . beta + b))) + (l2_c / 2) |S beta|^2

S holds the standard deviation of every feature over the pooled rows (those with a positive weight
in at least one column), so this is ridge on standardised features; b is not penalised. The result
acts on raw states. The same optimum comes from scikit-learn's `LogisticRegression` on
standardised states with `C = 1 / (l2 sum w)` and `sample_weight=w`.

Each pass reads the rows once and serves every column that has not converged yet.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from augury.errors import DataError, UsageError
from augury.probes.linear import Linears, scores
from augury.probes.objective import LogisticObjective, inverse_deviation
from augury.probes.rows import StateArray, moments
from augury.probes.search import Search
from augury.probes.whitening import Whitening, sampled_gram, whitening

__all__ = ["LogisticGrid", "fit_logistic_grid", "scores"]


@dataclass(frozen=True)
class LogisticGrid:
    """Logistic probes on raw states, one per column; scores are log-odds."""

    weight: np.ndarray
    """Float32 [column, hidden], on raw states; 0 for constant features."""

    bias: np.ndarray
    """Float64 [column]."""

    gradient_norm: np.ndarray
    """Norm of the gradient in whitened coordinates, divided by its norm at the intercept-only
    model; float64 [column]."""

    passes: int
    """Reads of the rows by the solver, the moments and the sampled Gram matrix not counted."""

    converged: np.ndarray
    """Whether `gradient_norm` reached the tolerance, bool [column]."""

    problem: tuple[str, ...]
    """One per column: '' where it converged, else what happened. A column without rows or with a
    single class keeps weight 0 and bias 0."""


def fit_logistic_grid(
    states: StateArray,
    labels: np.ndarray,
    weights: np.ndarray,
    l2: np.ndarray,
    *,
    tolerance: float = 1e-5,
    max_passes: int = 300,
    start: Linears | None = None,
) -> LogisticGrid:
    """Fit every column of a grid to its optimum, by preconditioned L-BFGS on all at once.

    Args:
        states: Raw states [row, hidden], NumPy or torch, float32 or bfloat16.
        labels: True for the positive class, bool [row, column].
        weights: Not negative; 0 = the column does not use the row. Float32 [row, column].
        l2: Ridge strength of each column on standardised features, [column].
        tolerance: A column is done when its relative gradient norm is at most this.
        max_passes: Reads of the rows after which the fit stops.
        start: A fit of the same columns to begin from, for example at the next strength.

    Raises:
        DataError: Shapes disagree, no row is used, or a used state is not finite.
        UsageError: A weight or strength is negative or not finite.
    """
    weights, l2 = np.asarray(weights), np.asarray(l2, dtype=np.float64)
    labels = np.asarray(labels, dtype=bool)
    _check(states, labels, weights, l2)
    objective = _objective(states, labels, weights, l2)
    positive = np.einsum("rc,rc->c", labels, weights, dtype=np.float64)
    sound = (positive > 0) & (positive < objective.total)
    share = np.where(sound, positive / np.where(sound, objective.total, 1), 0.5)
    inverse = inverse_deviation(objective.facts)
    gram = sampled_gram(states, objective.used, objective.facts, inverse)
    space = whitening(gram, share * (1 - share), l2)
    search = Search(objective, space, tolerance, np.flatnonzero(sound))
    search.begin(np.log(share / (1 - share)), _standardised(start, objective))
    search.run(max_passes)
    return _result(search, objective, space, sound)


def _objective(
    states: StateArray, labels: np.ndarray, weights: np.ndarray, l2: np.ndarray
) -> LogisticObjective:
    used = np.asarray((weights > 0).any(axis=1))
    total = weights.sum(axis=0, dtype=np.float64)
    facts = moments(states, used)
    return LogisticObjective(states, labels, weights, total, l2, used, facts)


def _result(
    search: Search, objective: LogisticObjective, space: Whitening, sound: np.ndarray
) -> LogisticGrid:
    inverse = inverse_deviation(objective.facts)
    coefficients = space.coefficients(search.point, np.arange(len(sound)))
    weight = np.where(sound[:, None], coefficients[:, :-1] * inverse, 0).astype(np.float32)
    # the bias answers for the rounded weights, so a large mean does not shift the scores
    folded = weight.astype(np.float64) @ objective.facts.mean
    bias = np.where(sound, coefficients[:, -1] - folded, 0.0)
    norm = np.where(sound, search.relative_norm(), np.inf)
    converged = sound & (norm <= search.tolerance)
    problem = tuple(
        _problem(search, objective, column, bool(converged[column])) for column in range(len(sound))
    )
    return LogisticGrid(weight, bias, norm, search.passes, converged, problem)


def _problem(search: Search, objective: LogisticObjective, column: int, converged: bool) -> str:
    if converged:
        return ""
    if objective.total[column] <= 0:
        return "no rows"
    positive = objective.labels[:, column] & (objective.weights[:, column] > 0)
    if not positive.any():
        return "no positive rows"
    if np.array_equal(positive, objective.weights[:, column] > 0):
        return "no negative rows"
    if search.stalled[column]:
        return f"no further progress after {search.passes} passes"
    return f"not converged after {search.passes} passes"


def _standardised(start: Linears | None, objective: LogisticObjective) -> np.ndarray | None:
    """Raw weights and bias as standardised coefficients [column, hidden + 1]."""
    if start is None:
        return None
    expected = (objective.labels.shape[1], objective.states.shape[1])
    if start.weight.shape != expected:
        raise DataError(
            "start", found=f"weights of shape {start.weight.shape}", expected=f"{expected}"
        )
    raw = start.weight.astype(np.float64)
    intercept = start.bias + raw @ objective.facts.mean
    return np.concatenate([raw * objective.facts.deviation, intercept[:, None]], axis=1)


def _check(states: StateArray, labels: np.ndarray, weights: np.ndarray, l2: np.ndarray) -> None:
    if states.ndim != 2 or labels.ndim != 2 or labels.shape[0] != states.shape[0]:
        raise DataError(
            "labels",
            found=f"shape {labels.shape} beside states {tuple(states.shape)}",
            expected="labels [row, column] beside states [row, hidden]",
        )
    if weights.shape != labels.shape or l2.shape != labels.shape[1:]:
        raise DataError(
            "weights and l2",
            found=f"shapes {weights.shape} and {l2.shape}",
            expected=f"{labels.shape} and {labels.shape[1:]}",
        )
    for name, values in (("weights", weights), ("l2", l2)):
        if not np.isfinite(values).all() or (values < 0).any():
            raise UsageError(
                name, found="a value that is negative or not finite", expected="values of 0 or more"
            )
