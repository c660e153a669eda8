"""A linear probe on pooled spans: one row per span, one vector per member."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy.special import expit

from augury.activations.pool import Pooling
from augury.probes.linear import scores
from augury.probes.spans import Spans, pooled

__all__ = ["PooledProbe", "level_probabilities"]


@dataclass(frozen=True, eq=False)
class PooledProbe:
    """score(span) = weight . pool(span) + bias on raw states; higher means more (likely)."""

    pooling: Pooling
    """How the tokens of a span become a row."""

    weight: np.ndarray
    """Float32 [member, hidden]."""

    bias: np.ndarray
    """Float64 [member]."""

    thresholds: np.ndarray = field(default_factory=lambda: np.zeros(0))
    """Of an ordinal fit: P(level > k) = 1 / (1 + exp(thresholds[k] - score)); rising, float64
    [level - 1]. Empty otherwise."""

    def score(self, spans: Spans) -> np.ndarray:
        """Score spans -> float32 [span, member]; a span's bits do not depend on the others.

        Raises:
            DataError: The states have another width, or one is not finite.
        """
        return scores(pooled(spans, self.pooling), self)


def level_probabilities(scores: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """Probability of each level, [span] and [level - 1] -> float64 [span, level]."""
    above = expit(np.asarray(scores, np.float64)[:, None] - thresholds)
    ends = np.ones((len(above), 1)), np.zeros((len(above), 1))
    return np.asarray(-np.diff(np.concatenate([ends[0], above, ends[1]], axis=1), axis=1))
