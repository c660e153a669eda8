"""Fits of the linear kinds on pooled spans; the strength of each is chosen on validation spans."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from pydantic import Field

from augury.activations.pool import Pooling
from augury.config import Config
from augury.errors import CheckFailed, DataError
from augury.probes import closed_form
from augury.probes.grid import fit_logistic_grid
from augury.probes.linear import LinearGrid, scores
from augury.probes.pooled import PooledProbe
from augury.probes.ridge import fit_ridge
from augury.probes.score_fit import ScoreFit, fit_scores
from augury.probes.score_losses import HuberLoss, OrdinalLoss, PairLoss, ScoreLoss, SoftmaxLoss
from augury.probes.span_metric import validation_metric
from augury.probes.span_task import SpanTask
from augury.probes.spans import pooled

__all__ = [
    "HuberSettings",
    "LdaSettings",
    "PooledSettings",
    "RidgeSettings",
    "difference_of_means",
    "huber",
    "lda",
    "logistic",
    "multiclass",
    "ordinal",
    "pairwise",
    "ridge",
]


class PooledSettings(Config):
    """What every linear kind on spans needs to know."""

    pooling: Pooling = "mean"
    """How the tokens of a span become a row."""


class LdaSettings(PooledSettings):
    """Linear discriminant analysis."""

    shrinkage: float = Field(default=1e-2, ge=0, le=1)
    """Share of the mean variance mixed into the covariance."""


class RidgeSettings(PooledSettings):
    """Kinds with a ridge penalty on standardised features."""

    l2: tuple[float, ...] = Field(default=(1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0), min_length=1)
    """Strengths beside a mean loss per span; the best on validation is kept."""


class HuberSettings(RidgeSettings):
    """Robust regression."""

    bend: float = Field(default=1.35, ge=1)
    """Distance in scales from which a span pulls with constant force."""


def logistic(task: SpanTask, settings: RidgeSettings) -> tuple[PooledProbe, np.ndarray]:
    """Logistic regression of a binary target; scores are log-odds under the task's weights."""
    rows, l2 = _rows(task, settings.pooling), _strengths(settings)
    labels = np.repeat((task.train & (task.values == 1))[:, None], len(l2), axis=1)
    weights = np.repeat(task.train_weights[:, None], len(l2), axis=1).astype(np.float32)
    grid = fit_logistic_grid(rows, labels, weights, l2)
    probes = [
        PooledProbe(settings.pooling, grid.weight[c : c + 1], grid.bias[c : c + 1])
        for c in _converged(grid.converged, grid.gradient_norm)
    ]
    return _best(task, rows, probes)


def difference_of_means(task: SpanTask, settings: PooledSettings) -> tuple[PooledProbe, np.ndarray]:
    """Mean of the positive spans minus mean of the negative ones."""
    return _closed(task, settings, closed_form.difference_of_means)


def lda(task: SpanTask, settings: LdaSettings) -> tuple[PooledProbe, np.ndarray]:
    """Linear discriminant analysis with the covariance of the training spans."""

    def fit(shared: closed_form.SharedMoments) -> LinearGrid:
        return closed_form.lda(shared, shrinkage=settings.shrinkage)

    return _closed(task, settings, fit)


def ridge(task: SpanTask, settings: RidgeSettings) -> tuple[PooledProbe, np.ndarray]:
    """Ridge regression of a continuous target; scores are in its units."""
    rows = _rows(task, settings.pooling)
    values = np.where(task.train, task.values, 0.0)[:, None]
    grids = fit_ridge(rows, values, task.train_weights, _strengths(settings))
    probes = [PooledProbe(settings.pooling, grid.weight, grid.bias) for grid in grids]
    return _best(task, rows, probes)


def huber(task: SpanTask, settings: HuberSettings) -> tuple[PooledProbe, np.ndarray]:
    """Huber regression of a continuous target; scores are in its units."""
    fitted = task.train_weights > 0
    centre, spread = float(np.mean(task.values[fitted])), float(np.std(task.values[fitted]))
    values = (task.values[fitted] - centre) / spread
    loss = HuberLoss(values, task.train_weights[fitted], settings.bend)

    def probe(weight: np.ndarray, bias: np.ndarray, extra: np.ndarray) -> PooledProbe:
        middle = loss.start[0] + extra[0]
        scaled = (weight * spread).astype(np.float32)
        return PooledProbe(settings.pooling, scaled, (bias + middle) * spread + centre)

    return _by_loss(task, settings, loss, probe)


def multiclass(task: SpanTask, settings: RidgeSettings) -> tuple[PooledProbe, np.ndarray]:
    """Softmax regression; member k scores class k, and softmax gives the probabilities."""
    fitted = task.train_weights > 0
    loss = SoftmaxLoss(task.values[fitted].astype(np.int64), task.train_weights[fitted])

    def probe(weight: np.ndarray, bias: np.ndarray, extra: np.ndarray) -> PooledProbe:
        return PooledProbe(settings.pooling, weight, bias + loss.start + extra)

    return _by_loss(task, settings, loss, probe)


def ordinal(task: SpanTask, settings: RidgeSettings) -> tuple[PooledProbe, np.ndarray]:
    """Proportional odds: one direction, and a threshold between each two levels."""
    fitted = task.train_weights > 0
    loss = OrdinalLoss(task.values[fitted].astype(np.int64), task.train_weights[fitted])

    def probe(weight: np.ndarray, bias: np.ndarray, extra: np.ndarray) -> PooledProbe:
        return PooledProbe(settings.pooling, weight, bias, loss.start + extra)

    return _by_loss(task, settings, loss, probe)


def pairwise(task: SpanTask, settings: RidgeSettings) -> tuple[PooledProbe, np.ndarray]:
    """Logistic regression of which of two spans of one group has the higher value."""
    fitted = task.train_weights > 0
    loss = PairLoss(np.asarray(task.values[fitted], np.float64), task.groups[fitted])

    def probe(weight: np.ndarray, bias: np.ndarray, extra: np.ndarray) -> PooledProbe:
        return PooledProbe(settings.pooling, weight, bias)

    return _by_loss(task, settings, loss, probe)


def _by_loss(
    task: SpanTask,
    settings: RidgeSettings,
    loss: ScoreLoss,
    probe: Callable[[np.ndarray, np.ndarray, np.ndarray], PooledProbe],
) -> tuple[PooledProbe, np.ndarray]:
    rows = _rows(task, settings.pooling)
    fit: ScoreFit = fit_scores(rows, task.train_weights > 0, loss, _strengths(settings))
    sound = _converged(fit.converged, fit.gradient_norm)
    return _best(task, rows, [probe(fit.weight[c], fit.bias[c], fit.extra[c]) for c in sound])


def _closed(
    task: SpanTask,
    settings: PooledSettings,
    fit: Callable[[closed_form.SharedMoments], LinearGrid],
) -> tuple[PooledProbe, np.ndarray]:
    rows = _rows(task, settings.pooling)
    labels = (task.train & (task.values == 1))[:, None]
    weights = task.train_weights[:, None].astype(np.float32)
    grid = fit(closed_form.shared_moments(rows, labels, weights))
    return _best(task, rows, [PooledProbe(settings.pooling, grid.weight, grid.bias)])


def _rows(task: SpanTask, pooling: Pooling) -> np.ndarray:
    """Pooled rows of the used spans; 0 for the others."""
    rows = pooled(task.spans, pooling, task.used)
    if not np.ptp(rows[task.train_weights > 0], axis=0).any():
        raise DataError(
            "states",
            found=f"no feature varies over the training spans ({pooling} of their tokens)",
            expected="states that differ",
            fix="read another site, or pool otherwise",
        )
    return rows


def _strengths(settings: RidgeSettings) -> np.ndarray:
    """Strongest first, so that of equals the strongest is kept."""
    return np.array(sorted(settings.l2, reverse=True))


def _converged(converged: np.ndarray, norms: np.ndarray) -> np.ndarray:
    if not converged.any():
        raise CheckFailed(
            "fit",
            found=f"no strength converged; relative gradient norms {norms.tolist()}",
            expected="an optimum",
            fix="try stronger l2",
        )
    return np.flatnonzero(converged)


def _best(
    task: SpanTask, rows: np.ndarray, probes: Sequence[PooledProbe]
) -> tuple[PooledProbe, np.ndarray]:
    validation = rows[task.validation]
    metrics = [validation_metric(task, scores(validation, probe)) for probe in probes]
    chosen = int(np.argmax([metric.mean() for metric in metrics]))
    return probes[chosen], metrics[chosen]
