"""Do our coefficients equal scikit-learn's at the same objective? Over shapes that hurt."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from augury.probes.grid import fit_logistic_grid, scores


class Problem(NamedTuple):
    """One column."""

    states: np.ndarray
    labels: np.ndarray
    weights: np.ndarray
    l2: float


class Agreement(NamedTuple):
    """How far apart the two fits are."""

    coefficients: float
    """Largest difference over the largest coefficient, both on standardised features."""

    scores: float
    """Spread of the difference of the scores over the spread of the scores."""

    auroc: float
    """Difference of the area under the curve of the scores on the fitted rows."""

    pairs: float
    """The same, in pairs of a positive and a negative row that swap places."""

    passes: int
    """Reads of the rows by ours."""


def problem(rows: int, hidden: int, *, l2: float = 1e-3, prevalence: float = 0.1) -> Problem:
    """Correlated features on unlike scales, labels from a logistic model on them."""
    rng = np.random.default_rng(rows + hidden)
    mixed = rng.normal(size=(rows, hidden)) @ (
        np.eye(hidden) + rng.normal(size=(hidden, hidden)) / np.sqrt(hidden)
    )
    logits = 2 * mixed @ rng.normal(size=hidden) / np.sqrt(2 * hidden)
    chance = logits - np.quantile(logits, 1 - prevalence) + rng.logistic(size=rows)
    labels = chance > np.quantile(chance, 1 - prevalence)
    states = mixed * np.exp(rng.normal(size=hidden)) + rng.normal(size=hidden)
    return Problem(states.astype(np.float32), labels, np.ones(rows, np.float32), l2)


def _weighted() -> Problem:
    base = problem(3000, 40)
    rng = np.random.default_rng(0)
    weights = rng.exponential(size=3000) * (rng.random(3000) < 0.7) * np.where(base.labels, 9, 1)
    return base._replace(weights=weights.astype(np.float32))


def _collinear(l2: float) -> Problem:
    base = problem(3000, 30, l2=l2)
    sums = base.states[:, :5] + base.states[:, 5:10]
    return base._replace(states=np.concatenate([base.states, base.states[:, :10], sums], axis=1))


def _constant() -> Problem:
    base = problem(3000, 30)
    return base._replace(states=np.insert(base.states, [0, 3, 30], np.float32(0.1), axis=1))


def _far() -> Problem:
    base = problem(3000, 30)
    rounded = np.round(base.states * 64) / 64
    return base._replace(states=(rounded + np.float32(500)).astype(np.float32))


CASES: dict[str, Callable[[], Problem]] = {
    "rows > features": lambda: problem(3000, 40),
    "rows > features, weak": lambda: problem(3000, 40, l2=1e-6),
    "rows > features, strong": lambda: problem(3000, 40, l2=1.0),
    "rows < features": lambda: problem(200, 400),
    "rows < features, weak": lambda: problem(200, 400, l2=1e-5),
    "masked, weighted": _weighted,
    "0.1 % positives": lambda: problem(40_000, 60, prevalence=0.001),
    "0.1 % positives, weak": lambda: problem(40_000, 60, prevalence=0.001, l2=1e-5),
    "duplicated and collinear": lambda: _collinear(1e-3),
    "duplicated, weak": lambda: _collinear(1e-5),
    "constant features": _constant,
    "means far from 0": _far,
}


def compare(case: Problem) -> Agreement:
    """Fit both, ours in float32 passes and scikit-learn's in float64 to a tight tolerance."""
    labels, weights = case.labels[:, None], case.weights[:, None]
    ours = fit_logistic_grid(case.states, labels, weights, np.array([case.l2]))
    if not ours.converged.all():
        raise RuntimeError(ours.problem[0])
    used = case.weights > 0
    states = case.states.astype(np.float64)
    mean, spread = states[used].mean(0), states[used].std(0)
    spread[np.ptp(states[used], axis=0) == 0] = np.inf
    standard = (states - mean) / spread
    total = case.weights.sum(dtype=np.float64)
    peer = LogisticRegression(
        C=1 / (case.l2 * total), solver="newton-cholesky", tol=1e-12, max_iter=1000
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns when rounding stops it short of 1e-12
        peer.fit(standard, case.labels, sample_weight=case.weights.astype(np.float64))
    theirs = peer.coef_[0]
    difference = np.abs(ours.weight[0] * np.where(np.isinf(spread), 0, spread) - theirs).max()
    said, expected = scores(case.states, ours)[used, 0], peer.decision_function(standard)[used]
    truth = case.labels[used]
    area = abs(roc_auc_score(truth, said) - roc_auc_score(truth, expected))
    return Agreement(
        coefficients=difference / np.abs(theirs).max(),
        scores=float((said - expected).std() / expected.std()),
        auroc=area,
        pairs=area * int(truth.sum()) * int((~truth).sum()),
        passes=ours.passes,
    )


def table() -> str:
    """One line per case."""
    lines = [
        f"{'case':26s}{'coefficients':>14s}{'scores':>9s}{'AUROC':>9s}{'pairs':>7s}{'reads':>7s}"
    ]
    for name, make in CASES.items():
        found = compare(make())
        lines.append(
            f"{name:26s}{found.coefficients:14.1e}{found.scores:9.1e}{found.auroc:9.1e}"
            f"{found.pairs:7.1f}{found.passes:7d}"
        )
    return "\n".join(lines)
