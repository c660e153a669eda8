"""What place, or place and text, leave over of the targets: what probes are asked for beyond them.

A residual anchor is a sentence that matters more than place (and text) foretell: one of the top
share of its problem by the residual of the size, as an anchor is one by the size itself.

All of it depends on the fold, whose train rows alone are fitted on.
"""

from __future__ import annotations

import numpy as np
import polars as pl
from jaxtyping import Bool, Float

from augury.probes.residual import left_over
from augury.probes.text_features import tfidf
from augury.shapes import RowGroups, RowScores
from augury.studies.thought_anchors.config import ThoughtAnchorsConfig, is_anchor
from augury.studies.thought_anchors.ladder import Features
from augury.studies.thought_anchors.scores import Fold
from augury.targets.importance import anchors

__all__ = ["left_of_targets", "residual_anchors"]

Columns = Float[np.ndarray, "row target"]


def left_of_targets(
    table: pl.DataFrame, features: Features, fold: Fold, config: ThoughtAnchorsConfig
) -> Columns:
    """The residual targets of a fold, in the order of `config.residuals`; 0 and 1 for anchors.

    Args:
        table: That stage `sentences` wrote.
        features: Of the same sentences.
        fold: Its train rows are fitted on.
        config: Which targets, and what is taken away.
    """
    if not config.residuals:
        return np.zeros((len(table), 0))
    named = ["importance_abs" if is_anchor(target) else target for target in config.residuals]
    sources = list(dict.fromkeys(named))
    values = np.stack([table[source].to_numpy() for source in sources], axis=1)
    with_text = config.probes.residual == "position+text"
    words = tfidf(features.texts, fold.train) if with_text else None
    left = left_over(values, features.position, words, train=fold.train, groups=features.traces)
    sizes, percentile = table["importance_abs"].to_numpy(), config.labels.percentile
    columns = [left[:, sources.index(source)] for source in named]
    return np.stack(
        [
            residual_anchors(own, sizes, features.traces, percentile=percentile)
            if is_anchor(target)
            else own
            for target, own in zip(config.residuals, columns, strict=True)
        ],
        axis=1,
    )


def residual_anchors(
    left: RowScores, sizes: RowScores, problems: RowGroups, *, percentile: float
) -> Bool[np.ndarray, " row"]:
    """The top share of each problem by what is left over of the size.

    A sentence without measured importance is none, wherever its place is expected to matter less.

    Args:
        left: Residual of the sizes.
        sizes: Of the importances.
        problems: Number of the problem of each row.
        percentile: As of the anchors themselves.
    """
    measured = np.where(sizes > 0, left, 0.0)
    found = np.zeros(len(left), dtype=bool)
    for problem in np.unique(problems):
        own = problems == problem
        found[own] = anchors(measured[own], percentile=percentile)[0]
    return found
