"""Fit a whole grid of logistic probes on the same rows at once.

Objective of column c, with y = +1 / -1 and row weights w:

    (1 / sum w) sum_i w_i log(1 + exp(-y_i (x_i . beta + b))) + (l2_c / 2) |S beta|^2

S holds the standard deviation of every feature over the pooled rows (those with a positive weight
in at least one column), so this is ridge on standardised features; b is not penalised. The result
acts on raw states. The same optimum comes from scikit-learn's `LogisticRegression` on
standardised states with `C = 1 / (l2 sum w)` and `sample_weight=w`.

Each pass reads the rows once and serves every column that has not converged yet, in float32; where
features are so collinear that rounding shows in the coefficients, some passes in float64 follow
for these columns. Memory is a few
blocks of rows and about 25 vectors per column, however many rows there are.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from threadpoolctl import threadpool_limits

from augury.errors import DataError, UsageError
from augury.probes.columns import Columns, DenseColumns, Mass, mass
from augury.probes.linear import Linears, scores
from augury.probes.objective import LogisticObjective, Null, read_null
from augury.probes.rows import Moments, States, inverse_deviation, shape_of
from augury.probes.search import Search
from augury.probes.whitening import Whitening, sampled_gram, whitening

__all__ = ["LogisticGrid", "fit_columns", "fit_logistic_grid", "scores"]

_COEFFICIENT_STEP = 4e-5
"""Largest relative step that coefficients may still be from the optimum."""
_SHARP_FROM = 1e-5
"""A fit with a looser tolerance is not asked for its last digits."""
_MOST_SHARPENING = 20


@dataclass(frozen=True)
class LogisticGrid:
    """Logistic probes on raw states, one per column; scores are log-odds."""

    weight: np.ndarray
    """Float32 [column, hidden], on raw states; 0 for constant features."""

    bias: np.ndarray
    """Float64 [column]."""

    gradient_norm: np.ndarray
    """Norm of the gradient over that of the weights, in coordinates where the Hessian is near the
    identity: about the relative error of the weights; float64 [column]."""

    passes: int
    """Reads of all rows, the one for the moments counted, the sampled Gram matrix not."""

    converged: np.ndarray
    """Whether `gradient_norm` reached the tolerance, bool [column]."""

    problem: tuple[str, ...]
    """One per column: '' where it converged, else what happened. A column without rows or with a
    single class keeps weight 0 and bias 0."""


def fit_logistic_grid(
    states: States,
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
        states: Raw states [row, hidden], NumPy or torch, float32 or bfloat16, or rows of a store.
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
    weights, labels = np.asarray(weights), np.asarray(labels, dtype=bool)
    if labels.ndim != 2 or weights.shape != labels.shape:
        raise DataError(
            "labels and weights",
            found=f"shapes {labels.shape} and {weights.shape}",
            expected="both [row, column]",
        )
    columns = DenseColumns(labels, weights)
    return fit_columns(states, columns, l2, tolerance=tolerance, max_passes=max_passes, start=start)


def fit_columns(
    states: States,
    columns: Columns,
    l2: np.ndarray,
    *,
    tolerance: float = 1e-5,
    max_passes: int = 300,
    start: Linears | None = None,
) -> LogisticGrid:
    """`fit_logistic_grid` for columns that share targets and masks; see `SharedColumns`."""
    l2 = np.asarray(l2, dtype=np.float64)
    _check(states, columns, l2)
    sums = mass(columns)
    null = read_null(states, columns, sums)
    gram = sampled_gram(states, sums.used, null.facts)
    space = whitening(gram, sums.share * (1 - sums.share), l2)
    objective = LogisticObjective(states, columns, sums, l2, null.facts)
    search = Search(objective, space, tolerance, np.flatnonzero(sums.sound))
    search.passes = 1
    at = None if start is None else _standardised(start, null)
    # NumPy's products here are small, and its idle threads would take the cores from torch's.
    with threadpool_limits(1, user_api="blas"):
        search.begin(np.log(sums.share / (1 - sums.share)), at, null.value)
        search.run(max_passes)
        if tolerance <= _SHARP_FROM:
            spare = min(_MOST_SHARPENING, max_passes - search.passes)
            search.sharpen(replace(objective, exact=True), _COEFFICIENT_STEP, spare)
        return _result(search, space, null.facts, sums)


def _result(search: Search, space: Whitening, facts: Moments, sums: Mass) -> LogisticGrid:
    sound = sums.sound
    coefficients = space.coefficients(search.point, np.arange(len(sound)))
    raw = coefficients[:, :-1] * inverse_deviation(facts)
    weight = np.where(sound[:, None], raw, 0).astype(np.float32)
    # the bias answers for the rounded weights, so a large mean does not shift the scores
    folded = weight.astype(np.float64) @ facts.mean
    bias = np.where(sound, coefficients[:, -1] - folded, 0.0)
    norm = np.where(sound, search.relative_norm(), np.inf)
    converged = sound & (norm <= search.tolerance)
    problem = tuple(
        "" if converged[column] else _problem(search, sums, column) for column in range(len(sound))
    )
    return LogisticGrid(weight, bias, norm, search.passes, converged, problem)


def _problem(search: Search, sums: Mass, column: int) -> str:
    if sums.total[column] <= 0:
        return "no rows"
    if sums.positive[column] <= 0:
        return "no positive rows"
    if sums.negative[column] <= 0:
        return "no negative rows"
    if search.stalled[column]:
        return f"no further progress after {search.passes} passes"
    return f"not converged after {search.passes} passes"


def _standardised(start: Linears, null: Null) -> np.ndarray:
    """Raw weights and bias as standardised coefficients [column, hidden + 1]."""
    expected = null.value.gradient[:, :-1].shape
    if start.weight.shape != expected:
        raise DataError(
            "start", found=f"weights of shape {start.weight.shape}", expected=f"{expected}"
        )
    raw = start.weight.astype(np.float64)
    intercept = start.bias + raw @ null.facts.mean
    return np.concatenate([raw * null.facts.deviation, intercept[:, None]], axis=1)


def _check(states: States, columns: Columns, l2: np.ndarray) -> None:
    shape, (rows, count) = shape_of(states), columns.shape
    if rows != shape[0] or l2.shape != (count,):
        raise DataError(
            "labels",
            found=f"shape {(rows, count)} and {l2.shape} strengths beside states {shape}",
            expected="labels [row, column] and l2 [column] beside states [row, hidden]",
        )
    if not np.isfinite(l2).all() or (l2 < 0).any():
        raise UsageError(
            "l2", found="a value that is negative or not finite", expected="values of 0 or more"
        )
