"""The one number that chooses: by it strengths are picked and training stops, on validation spans.

| target       | number                                                                      |
|--------------|-----------------------------------------------------------------------------|
| `binary`     | average precision                                                           |
| `classes`    | average precision of each class against the others                          |
| `continuous` | Spearman correlation                                                        |
| `ordinal`    | Spearman correlation                                                        |
| `rank`       | mean over groups of the Spearman correlation within the group               |

Validation spans come from groups that are not in train; all of them count together, but for `rank`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import scipy.stats
from sklearn.metrics import average_precision_score

from augury.probes.span_task import SpanTask, TargetKind

__all__ = ["validation_metric"]


def validation_metric(task: SpanTask, scores: np.ndarray) -> np.ndarray:
    """Quality of each column, higher is better.

    Args:
        task: Its validation spans count.
        scores: Of the validation spans alone, [validation span, member]; for `classes` member k
            scores class k.

    Returns:
        Float64 [member].
    """
    values, groups = task.values[task.validation], task.groups[task.validation]
    measure = _METRICS[task.target]
    members = range(scores.shape[1])
    return np.array([measure(values, groups, scores[:, member], member) for member in members])


_Measure = Callable[[np.ndarray, np.ndarray, np.ndarray, int], float]


def _average_precision(
    values: np.ndarray, groups: np.ndarray, scores: np.ndarray, member: int
) -> float:
    return float(average_precision_score(values == 1, scores))


def _class_precision(
    values: np.ndarray, groups: np.ndarray, scores: np.ndarray, member: int
) -> float:
    return float(average_precision_score(values == member, scores))


def _correlation(values: np.ndarray, groups: np.ndarray, scores: np.ndarray, member: int) -> float:
    return _spearman(values, scores)


def _within_groups(
    values: np.ndarray, groups: np.ndarray, scores: np.ndarray, member: int
) -> float:
    sides = [groups == group for group in np.unique(groups)]
    return float(
        np.mean([_spearman(values[s], scores[s]) for s in sides if len(np.unique(values[s])) > 1])
    )


def _spearman(values: np.ndarray, scores: np.ndarray) -> float:
    """0 for a constant score: it orders nothing."""
    if len(np.unique(scores)) < 2:
        return 0.0
    return float(scipy.stats.spearmanr(values, scores).statistic)


_METRICS: dict[TargetKind, _Measure] = {
    "binary": _average_precision,
    "classes": _class_precision,
    "continuous": _correlation,
    "ordinal": _correlation,
    "rank": _within_groups,
}
