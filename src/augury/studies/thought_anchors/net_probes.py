"""Probes of one site that are fitted fold by fold: nets, and logistic regression of anchors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool

from augury.activations.pool import Pooling
from augury.evaluate.group_scores import scores_within
from augury.probes.grid import fit_logistic_grid
from augury.probes.kinds import FittedKind, fit_kind
from augury.probes.pooled import PooledProbe
from augury.probes.pooled_fits import RidgeSettings
from augury.probes.rows import StateArray
from augury.probes.span_task import SpanTask
from augury.probes.spans import Spans
from augury.studies.thought_anchors.reading_config import ProbeConfig
from augury.studies.thought_anchors.scores import Fold

__all__ = ["fit_logistic_folds", "fit_net_folds", "some_spans"]


def fit_logistic_folds(
    states: np.ndarray,
    anchors: Bool[np.ndarray, " row"],
    problems: np.ndarray,
    folds: Sequence[Fold],
    settings: tuple[Pooling, Sequence[float]],
) -> list[FittedKind]:
    """Logistic regression in every fold, all folds and strengths in one fit.

    Args:
        states: One row per sentence, float32 [row, hidden].
        anchors: True for an anchor.
        problems: Number of the problem of each row.
        folds: Train, validation and test.
        settings: How the rows were pooled, for the card; strengths, chosen on validation.
    """
    pooling, l2 = settings
    strengths = np.array(sorted(l2, reverse=True), dtype=np.float64)
    train = np.stack([fold.train for fold in folds], axis=1).astype(np.float32)
    weights = np.repeat(train, len(strengths), axis=1)
    labels = np.repeat(anchors[:, None], weights.shape[1], axis=1)
    grid = fit_logistic_grid(states, labels, weights, np.tile(strengths, len(folds)))
    found = []
    for number, fold in enumerate(folds):
        own = range(number * len(strengths), (number + 1) * len(strengths))
        probes = [PooledProbe(pooling, grid.weight[[c]], grid.bias[[c]]) for c in own]
        rows = some_spans(states, np.arange(len(states) + 1), fold.validation)
        values, groups = anchors[fold.validation], problems[fold.validation]
        quality = [_mean(scores_within(values, p.score(rows)[:, 0], groups)) for p in probes]
        best = int(np.argmax(quality))
        chosen = RidgeSettings(pooling=pooling, l2=(float(strengths[best]),))
        found.append(
            FittedKind("logistic", chosen, probes[best], ("score",), np.array([quality[best]]))
        )
    return found


def fit_net_folds(
    kind: str,
    spans: Spans,
    values: np.ndarray,
    problems: np.ndarray,
    folds: Sequence[Fold],
    config: ProbeConfig,
) -> list[FittedKind]:
    """Train a net in every fold, all seeds at once.

    Args:
        kind: `mlp`, `attention` or `multimax`.
        spans: All sentences.
        values: Bool for anchors, or numbers; [sentence].
        problems: Number of the problem of each sentence.
        folds: Train, validation (to stop early on) and test.
        config: Width, epochs and seeds.
    """
    found = []
    for fold in folds:
        task = SpanTask(
            spans=spans,
            target="binary" if values.dtype == bool else "continuous",
            values=values.astype(np.float64),
            groups=problems,
            train=fold.train,
            validation=fold.validation,
        )
        found.append(fit_kind(kind, task, settings=config.net(kind), seeds=config.seeds))
    return found


def some_spans(tokens: StateArray, offsets: np.ndarray, wanted: Bool[np.ndarray, " span"]) -> Spans:
    """Chosen spans and no other, copied."""
    lengths = np.diff(offsets)
    kept = np.repeat(wanted, lengths)
    return Spans(tokens[kept], np.concatenate([[0], np.cumsum(lengths[wanted])]))


def _mean(values: np.ndarray) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else 0.0
