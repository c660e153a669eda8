"""Losses that read a linear score: Huber, softmax, proportional odds, and pairs of one group.

Each takes scores [row, output] without intercept, and extra parameters that start at 0 (the
intercept-only model), and gives the loss, its slope by every score and by every extra parameter.
All are convex, and all are divided by the sum of the weights.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import numpy as np
from scipy.special import expit, log_expit, log_softmax

__all__ = ["HuberLoss", "OrdinalLoss", "PairLoss", "ScoreLoss", "SoftmaxLoss", "Value"]


class Value(NamedTuple):
    """A loss and its derivatives."""

    loss: float
    """Infinite where the extra parameters are not allowed."""

    scores: np.ndarray
    """Slope by score, float64 [row, output]."""

    extra: np.ndarray
    """Slope by extra parameter, float64 [extra]."""


class ScoreLoss(Protocol):
    """What `fit_scores` minimises beside the ridge penalty."""

    @property
    def outputs(self) -> int:
        """Scores per row."""

    @property
    def extra(self) -> int:
        """Number of extra parameters."""

    @property
    def curvature(self) -> float:
        """About the mean second derivative by a score at the start; it only guides the search."""

    def at(self, scores: np.ndarray, extra: np.ndarray) -> Value:
        """Loss and slopes at scores [row, output] and extra parameters [extra]."""


@dataclass(frozen=True, eq=False)
class HuberLoss:
    """Scale-free regression that outliers cannot pull (Huber 1981, jointly in scale).

    sum_i w_i (sigma + sigma H((y_i - s_i - b) / sigma)) / sum w, with H(z) = z^2 up to |z| =
    `bend` and 2 bend |z| - bend^2 beyond. Extra: b and sigma, both from their start.
    """

    values: np.ndarray
    """Float64 [row], not all equal."""

    weights: np.ndarray
    """Float64 [row], above 0."""

    bend: float = 1.35
    """Distance in sigma from which a row pulls with constant force."""

    outputs: int = field(default=1, init=False)
    extra: int = field(default=2, init=False)

    @property
    def start(self) -> tuple[float, float]:
        """Median and median distance from it (as a normal deviation); never 0."""
        middle = float(np.median(self.values))
        distance = np.median(np.abs(self.values - middle)) / 0.6745
        return middle, float(distance if distance > 0 else np.std(self.values))

    @property
    def curvature(self) -> float:
        return 2 / self.start[1]

    def at(self, scores: np.ndarray, extra: np.ndarray) -> Value:
        middle, spread = self.start
        sigma = spread + extra[1]
        if sigma <= 0:
            return Value(np.inf, np.zeros_like(scores), np.zeros(2))
        share = self.weights / self.weights.sum()
        z = (self.values - scores[:, 0] - middle - extra[0]) / sigma
        far = np.abs(z) > self.bend
        height = np.where(far, 2 * self.bend * np.abs(z) - self.bend**2, z**2)
        slope = np.where(far, 2 * self.bend * np.sign(z), 2 * z)
        by_score = -share * slope
        by_sigma = float(share @ (1 + height - z * slope))
        loss = float(share @ (sigma + sigma * height))
        return Value(loss, by_score[:, None], np.array([by_score.sum(), by_sigma]))


@dataclass(frozen=True, eq=False)
class SoftmaxLoss:
    """Multi-class logistic: P(class k) is proportional to exp(s_k + b_k). Extra: every b."""

    values: np.ndarray
    """Int64 [row], classes from 0 without gaps."""

    weights: np.ndarray
    """Float64 [row], above 0."""

    @property
    def outputs(self) -> int:
        return int(self.values.max()) + 1

    @property
    def extra(self) -> int:
        return self.outputs

    @property
    def curvature(self) -> float:
        share = np.exp(self.start)
        return float((share * (1 - share)).mean())

    @property
    def start(self) -> np.ndarray:
        """Log of the share of each class, [class]."""
        return np.asarray(np.log(_shares(self.values, self.weights)))

    def at(self, scores: np.ndarray, extra: np.ndarray) -> Value:
        share = self.weights / self.weights.sum()
        logs = log_softmax(scores + self.start + extra, axis=1)
        rows = np.arange(len(logs))
        slope = np.exp(logs)
        slope[rows, self.values] -= 1
        slope *= share[:, None]
        return Value(float(-share @ logs[rows, self.values]), slope, slope.sum(axis=0))


@dataclass(frozen=True, eq=False)
class OrdinalLoss:
    """Proportional odds: P(level > k) = 1 / (1 + exp(-(s - theta_k))). Extra: every theta."""

    values: np.ndarray
    """Int64 [row], levels from 0 without gaps."""

    weights: np.ndarray
    """Float64 [row], above 0."""

    outputs: int = field(default=1, init=False)

    @property
    def extra(self) -> int:
        return int(self.values.max())

    @property
    def curvature(self) -> float:
        return 0.25

    @property
    def start(self) -> np.ndarray:
        """Log-odds of the levels up to k, [level - 1], in rising order."""
        below = np.cumsum(_shares(self.values, self.weights))[:-1]
        return np.asarray(np.log(below / (1 - below)))

    def at(self, scores: np.ndarray, extra: np.ndarray) -> Value:
        theta = self.start + extra
        if (np.diff(theta) <= 0).any():
            return Value(np.inf, np.zeros_like(scores), np.zeros(len(theta)))
        share, score = self.weights / self.weights.sum(), scores[:, 0]
        # P(level = k) = F(upper) - F(lower), with F the logistic distribution
        bounds = np.concatenate([[-np.inf], theta, [np.inf]])
        lower, upper = bounds[self.values] - score, bounds[self.values + 1] - score
        # F(u) - F(l) = F(u) F(-l) (1 - exp(l - u)), so no two near equals are subtracted
        gap = -np.expm1(lower - upper)
        loss = -share @ (log_expit(upper) + log_expit(-lower) + np.log(gap))
        by_upper, by_lower = expit(-upper), -expit(lower)
        squeeze = np.exp(lower - upper) / gap
        extra_slope = np.zeros(len(bounds))
        np.add.at(extra_slope, self.values + 1, -share * (by_upper + squeeze))
        np.add.at(extra_slope, self.values, -share * (by_lower - squeeze))
        return Value(float(loss), (share * (by_upper + by_lower))[:, None], extra_slope[1:-1])


@dataclass(frozen=True, eq=False)
class PairLoss:
    """Mean of log(1 + exp(-(s_i - s_j))) over pairs of one group whose value i is above value j."""

    values: np.ndarray
    """Float64 [row], read for their order."""

    groups: np.ndarray
    """[row]; some group holds two unlike values."""

    outputs: int = field(default=1, init=False)
    extra: int = field(default=0, init=False)

    @property
    def curvature(self) -> float:
        return 0.25

    def at(self, scores: np.ndarray, extra: np.ndarray) -> Value:
        loss, pairs = 0.0, 0
        slope = np.zeros(len(scores))
        for group in np.unique(self.groups):
            rows = np.flatnonzero(self.groups == group)
            above = self.values[rows, None] > self.values[rows]
            margin = scores[rows] - scores[rows].T
            loss -= float(log_expit(margin[above]).sum())
            pull = np.where(above, expit(-margin), 0.0)
            slope[rows] += pull.sum(axis=0) - pull.sum(axis=1)
            pairs += int(above.sum())
        return Value(loss / pairs, slope[:, None] / pairs, np.zeros(0))


def _shares(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return np.asarray(np.bincount(values, weights) / weights.sum())
