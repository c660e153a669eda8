"""Stated confidence against what happened, for one maker and for two on the same questions.

| measure           | what it asks                                                     | best |
|-------------------|------------------------------------------------------------------|------|
| accuracy          | share of right answers                                           | 1    |
| stated            | mean stated confidence                                           |      |
| calibration error | distance of stated and observed shares, bins of equal mass       | 0    |
| Brier             | mean squared distance of confidence and outcome                  | 0    |
| AUROC2            | is a right answer given with more confidence than a wrong one?   | 1    |
| tracking          | rank correlation of confidence with minus the answer's entropy   | 1    |

AUROC2 is the type-2 AUROC of signal detection: of confidence for correctness.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.stats import rankdata

from augury.errors import DataError
from augury.evaluate.intervals import Interval, group_draws, interval
from augury.evaluate.metrics import brier, expected_calibration_error
from augury.evaluate.rank_columns import rank_columns
from augury.evaluate.reliability import ReliabilityBin, reliability
from augury.shapes import Labels, RowScores

__all__ = ["MEASURES", "Difference", "Measured", "Stated", "compare", "measure"]

_PERFECT = 200


@dataclass(frozen=True, slots=True, eq=False)
class Stated:
    """Answers of one maker, one row per question (and group)."""

    right: Labels
    confidence: RowScores
    """Stated, in [0, 1]."""
    certainty: RowScores
    """Minus the entropy of the answer, any unit."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What one maker's confidence is worth."""

    values: Mapping[str, float | None]
    """By name of the measure; None where it is undefined."""
    intervals: Mapping[str, Interval | None]
    """95 %, questions resampled."""
    perfect_error: float
    """Mean calibration error if every stated confidence were exactly true: what chance alone
    leaves of it with so many questions."""
    bins: tuple[ReliabilityBin, ...]
    rows: int


@dataclass(frozen=True, slots=True)
class Difference:
    """One measure of two makers on the same questions."""

    value: float | None
    """Of the second less that of the first."""
    interval: Interval | None
    """95 %, questions resampled for both together."""
    p: float | None
    """Two-sided, both makers' answers exchanged question by question."""
    p_corrected: float | None
    """The same for having looked at all measures."""


def _error(of: Stated) -> float:
    return expected_calibration_error(of.right, of.confidence).value or 0.0


def _brier(of: Stated) -> float:
    return brier(of.right, of.confidence).value or 0.0


def _auroc(of: Stated) -> float:
    positives = int(of.right.sum())
    negatives = len(of.right) - positives
    if not positives or not negatives:
        return float("nan")
    rank = rankdata(of.confidence)[of.right].sum()
    return float((rank - positives * (positives + 1) / 2) / (positives * negatives))


def _tracking(of: Stated) -> float:
    return float(rank_columns(of.certainty[:, None], of.confidence[:, None])[0])


MEASURES: Mapping[str, Callable[[Stated], float]] = {
    "accuracy": lambda of: float(of.right.mean()),
    "stated": lambda of: float(of.confidence.mean()),
    "calibration error": _error,
    "Brier": _brier,
    "AUROC2": _auroc,
    "tracking": _tracking,
}


def measure(of: Stated, *, draws: int = 1000, seed: int) -> Measured:
    """All measures of one maker, with intervals.

    Raises:
        DataError: Lengths differ, no row, or a confidence outside [0, 1].
    """
    _check(of)
    rows = len(of.right)
    drawn = np.array([_all(_taken(of, at)) for at in _resamples(rows, draws, seed)])
    values = dict(zip(MEASURES, _all(of), strict=True))
    rng = np.random.default_rng([seed, 1])
    lucky = [
        expected_calibration_error(rng.random(rows) < of.confidence, of.confidence).value or 0.0
        for _ in range(_PERFECT)
    ]
    return Measured(
        {name: _known(value) for name, value in values.items()},
        {
            name: None if np.isnan(value) else interval(value, drawn[:, column], rows)
            for column, (name, value) in enumerate(values.items())
        },
        float(np.mean(lucky)),
        reliability(of.right, of.confidence, bins=10),
        rows,
    )


def compare(
    first: Stated, second: Stated, *, draws: int = 1000, permutations: int = 1000, seed: int
) -> dict[str, Difference]:
    """Every measure of the second maker less that of the first, question by question.

    Raises:
        DataError: As `measure`; other questions.
    """
    _check(first)
    _check(second)
    rows = len(first.right)
    if len(second.right) != rows:
        found = f"{rows} and {len(second.right)} rows"
        raise DataError("answers", found=found, expected="the same questions")
    point = _apart(first, second)
    drawn = np.array(
        [_apart(_taken(first, at), _taken(second, at)) for at in _resamples(rows, draws, seed)]
    )
    null = _exchanged(first, second, permutations, seed)
    p, corrected = _p_values(point, null)
    return {
        name: Difference(
            _known(point[column]),
            None if np.isnan(point[column]) else interval(point[column], drawn[:, column], rows),
            _known(p[column]),
            _known(corrected[column]),
        )
        for column, name in enumerate(MEASURES)
    }


def _exchanged(
    first: Stated, second: Stated, permutations: int, seed: int
) -> Float[np.ndarray, "draw measure"]:
    """Differences where makers are exchanged at random, each question for itself.

    Certainties are laid out by rank first: two makers' entropies have no common scale.
    """
    rng = np.random.default_rng([seed, 2])
    one, two = (
        Stated(each.right, each.confidence, rankdata(each.certainty)) for each in (first, second)
    )
    out = []
    for _ in range(permutations):
        swap = rng.random(len(one.right)) < 0.5
        out.append(_apart(_mixed(one, two, swap), _mixed(two, one, swap)))
    return np.array(out)


def _p_values(point: np.ndarray, null: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    together = np.abs(np.vstack([point, null]))
    scale = np.sqrt(np.nanmean(together**2, axis=0))
    z = together / np.where(scale > 0, scale, 1)
    size = len(null) + 1
    reach = z[0] * (1 - 1e-12)
    best = np.nanmax(z[1:], axis=1)
    single = (1 + (z[1:] >= reach).sum(axis=0)) / size
    corrected = (1 + (best[:, None] >= reach).sum(axis=0)) / size
    undefined = np.isnan(point)
    return np.where(undefined, np.nan, single), np.where(undefined, np.nan, corrected)


def _apart(first: Stated, second: Stated) -> np.ndarray:
    return np.asarray(_all(second) - _all(first))


def _all(of: Stated) -> np.ndarray:
    return np.array([found(of) for found in MEASURES.values()])


def _taken(of: Stated, at: np.ndarray) -> Stated:
    return Stated(of.right[at], of.confidence[at], of.certainty[at])


def _mixed(one: Stated, other: Stated, swap: np.ndarray) -> Stated:
    return Stated(
        np.where(swap, other.right, one.right),
        np.where(swap, other.confidence, one.confidence),
        np.where(swap, other.certainty, one.certainty),
    )


def _resamples(rows: int, draws: int, seed: int) -> list[np.ndarray]:
    return [np.repeat(np.arange(rows), counts) for counts in group_draws(rows, draws, seed)]


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _check(of: Stated) -> None:
    if not len(of.right) or {len(of.confidence), len(of.certainty)} != {len(of.right)}:
        found = f"{len(of.right)}, {len(of.confidence)} and {len(of.certainty)} rows"
        raise DataError("answers", found=found, expected="as many of each, at least one")
    brier(of.right, of.confidence)
