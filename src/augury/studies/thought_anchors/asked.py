"""What every site is asked: targets, residual targets, what place leaves over; fold by fold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from jaxtyping import Float

from augury.probes.residual import left_over
from augury.studies.thought_anchors.config import ThoughtAnchorsConfig, is_anchor
from augury.studies.thought_anchors.ladder import position_scores, sentence_features
from augury.studies.thought_anchors.residuals import left_of_targets
from augury.studies.thought_anchors.scores import Fold, fitted_together

__all__ = ["Asked", "ask"]

Columns = Float[np.ndarray, "row target"]


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """What every site is asked."""

    values: Columns
    """Targets; 0 and 1 for those that are yes or no."""

    is_anchor: tuple[bool, ...]
    """Which targets are yes or no, [target]."""

    position: Sequence[Columns]
    """Of each fold, the scores of the rung `position`."""

    left_over: Sequence[Columns]
    """Of each fold, what place leaves over of the targets, for `position+linear`."""

    residuals: Sequence[Columns]
    """Of each fold, the residual targets, [row, residual]; 0 and 1 for anchors."""

    residual_is_anchor: tuple[bool, ...]
    """Which residual targets are yes or no, [residual]."""

    problems: np.ndarray
    """Number of the problem of each row."""

    folds: Sequence[Fold]

    def of_fold(self, fold: int) -> Columns:
        """All that is fitted in a fold: targets, residual targets, what place leaves over."""
        return np.concatenate([self.values, self.residuals[fold], self.left_over[fold]], axis=1)

    @property
    def edges(self) -> tuple[int, int]:
        """Columns of `of_fold` where the residual targets begin, and what place leaves over."""
        count = len(self.is_anchor)
        return count, count + len(self.residual_is_anchor)


def ask(table: pl.DataFrame, folds: Sequence[Fold], config: ThoughtAnchorsConfig) -> Asked:
    """Put the questions of a config to the sentences of a table, all folds at once."""
    features, targets = sentence_features(table), config.labels.targets
    position = []
    for fold in folds:
        columns = np.zeros((len(table), len(targets)))
        for together in fitted_together(targets):
            at = [targets.index(target) for target in together]
            values = np.stack([table[target].to_numpy() for target in together], axis=1)
            columns[:, at] = position_scores(
                features,
                values,
                train=fold.train,
                validation=fold.validation,
                seed=config.evaluation.seed,
            )
        position.append(columns)
    values = np.stack([table[t].to_numpy().astype(np.float64) for t in targets], axis=1)
    return Asked(
        values=values,
        is_anchor=tuple(map(is_anchor, targets)),
        position=position,
        left_over=[
            left_over(values, features.position, train=fold.train, groups=features.traces)
            for fold in folds
        ],
        residuals=[left_of_targets(table, features, fold, config) for fold in folds],
        residual_is_anchor=tuple(map(is_anchor, config.residuals)),
        problems=features.traces,
        folds=folds,
    )
