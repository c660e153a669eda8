"""Fixed scorers on groups that differ, with the scores that they would have on endless groups."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.signal import lfilter
from scipy.special import expit, logit

from augury.evaluate.contract import judge_grid
from augury.evaluate.metrics import auroc, average_precision
from augury.evaluate.records import CellScores

PREVALENCES = (0.03, 0.1)
SCORES = ("average precision", "AUROC", "difference")
_OTHERS, _LENGTHS, _POPULATION = 12, (60, 180), 60_000


@dataclass(frozen=True)
class Sample:
    """Rows of many groups, scored by two fixed predictors."""

    labels: np.ndarray
    """Bool [row]."""

    scores: np.ndarray
    """Of the predictor that is judged, float [row]."""

    rival: np.ndarray
    """Of its baseline, float [row]."""

    groups: np.ndarray
    """Int [row]."""


def draw(rng: np.random.Generator, groups: int, prevalence: float) -> Sample:
    """Groups that differ in length, in how many events they have and how well these are seen."""
    lengths = rng.integers(*_LENGTHS, groups)
    group = np.repeat(np.arange(groups), lengths)
    rate = expit(logit(prevalence) + 0.6 * rng.normal(size=groups))
    labels = rng.random(len(group)) < rate[group]
    shift = 0.5 * rng.normal(size=groups)[group]
    seen = (1.2 + 0.5 * rng.normal(size=groups))[group]
    drift = 0.6 * _ar1(rng, lengths)
    noise = 0.8 * rng.normal(size=(2, len(group)))
    common = shift + drift
    return Sample(
        labels, common + seen * labels + noise[0], common + 0.9 * labels + noise[1], group
    )


def _ar1(rng: np.random.Generator, lengths: np.ndarray) -> np.ndarray:
    """A slow series of unit variance in each group, float [row]."""
    noise = rng.normal(size=(len(lengths), _LENGTHS[1])) * np.sqrt(1 - 0.9**2)
    noise[:, 0] /= np.sqrt(1 - 0.9**2)
    series = lfilter([1.0], [1.0, -0.9], noise, axis=1)
    return series[np.arange(_LENGTHS[1]) < lengths[:, None]]


def truth(prevalence: float) -> tuple[float, ...]:
    """The three scores on so many groups that their own error does not matter."""
    sums = np.zeros(3)
    parts = 4
    for part in range(parts):
        rows = draw(np.random.default_rng((part, 99)), _POPULATION // parts, prevalence)
        ap = average_precision(rows.labels, rows.scores).value or 0.0
        rival = average_precision(rows.labels, rows.rival).value or 0.0
        sums += ap, auroc(rows.labels, rows.scores).value or 0.0, ap - rival
    return tuple(float(value) for value in sums / parts)


def misses(
    groups: int, prevalence: float, right: tuple[float, ...], seed: int
) -> tuple[int, ...] | None:
    """For each score: 0 if its 95 % interval holds the truth, -1 or 1 if that lies below or above.

    None where no interval is given, because fewer than 10 groups have an event.
    """
    rng = np.random.default_rng((seed, groups, int(1000 * prevalence)))
    rows = draw(rng, 2 * _OTHERS + groups, prevalence)
    side = np.repeat([0, 1, 2], [_OTHERS, _OTHERS, groups])[rows.groups]
    cell = CellScores(
        site="resid.0",
        horizon=1,
        label="event",
        kind="point",
        labels=rows.labels,
        scores=rows.scores,
        groups=rows.groups,
        traces=rows.groups,
        split=side,
        baselines={"rival": rows.rival},
    )
    (result,) = judge_grid([cell], draws=600, permutations=19, seed=seed)
    found = (result.interval, result.auroc_interval, result.baselines["rival"].interval)
    if any(interval is None for interval in found):
        return None
    return tuple(
        int(value > interval.high) - int(value < interval.low)
        for value, interval in zip(right, found, strict=True)
    )
