"""The records of a judged numeric target: what goes in and what comes out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from augury.evaluate.intervals import Interval
from augury.evaluate.score import Score
from augury.shapes import RowGroups, RowScores

__all__ = ["Headline", "NumberBaseline", "NumberCell", "NumberResult", "NumberSplit"]

Headline = Literal["spearman", "group_spearman"]
"""The metric that interval, lead, p and verdict are about."""


@dataclass(frozen=True, slots=True, eq=False)
class NumberCell:
    """The rows of one cell with a numeric target, all splits together."""

    site: str
    """Where the states were read, or the name of the score."""

    horizon: int
    """Rows from state to value; h > 0 looks ahead."""

    label: str
    """Name of the target."""

    values: RowScores
    """The target, any unit; its order is what counts."""

    scores: RowScores
    """The probe's score; higher means a higher value, any scale."""

    groups: RowGroups
    """Number of the group, from 0."""

    traces: RowGroups
    """Number of the trace, from 0; rows of one trace stand in order."""

    split: RowGroups
    """0 train, 1 validation, 2 test; one value per group."""

    baselines: Mapping[str, RowScores]
    """Scores of predictors that never see activations; at least one."""


@dataclass(frozen=True, slots=True)
class NumberSplit:
    """One cell on the rows of one split."""

    rows: int
    """Rows that the cell uses."""

    groups: int
    """Groups with at least one row."""

    spearman: Score
    """Rank correlation over all rows together, in [-1, 1]; chance is 0."""

    group_spearman: Score
    """Mean of the rank correlations within groups, in [-1, 1]; chance is 0."""

    r2: Score
    """1 - squared error over that of the mean, after the line that validation fits; at most 1."""

    top_recall: Score
    """Share of each group's top tenth of values among its top tenth of scores, in [0, 1]."""


@dataclass(frozen=True, slots=True)
class NumberBaseline:
    """A predictor without activations on the same test rows, and the cell's lead over it."""

    headline: Score
    """Its value of the headline metric."""

    difference: float | None
    """Headline of the probe minus that of the baseline; > 0 means the probe is better."""

    interval: Interval | None
    """95 % interval of the difference, groups resampled for both together."""

    difference_low_simultaneous: float | None
    """Lower bound of the difference that holds for all judged cells of the grid at once."""


@dataclass(frozen=True, slots=True)
class NumberResult:
    """Everything that is reported of one cell. A number that does not exist carries its reason."""

    site: str
    """As in the cell."""

    horizon: int
    """As in the cell."""

    label: str
    """As in the cell."""

    headline: Headline
    """The metric that interval, lead, p and verdict are about."""

    train: NumberSplit
    """On the rows the probe was fitted on."""

    validation: NumberSplit
    """On the rows that fitted the line from score to value."""

    test: NumberSplit
    """On rows that chose nothing."""

    slope: float | None
    """Value per unit of score, least squares on validation; None where that cannot be fitted."""

    intercept: float | None
    """Value at score 0, in the unit of the target."""

    interval: Interval | None
    """95 % interval of the headline on test, groups resampled; None under 10 groups."""

    baselines: Mapping[str, NumberBaseline]
    """By name, on the same test rows."""

    best_baseline: str | None
    """The baseline with the highest headline on test."""

    difference_low_simultaneous: float | None
    """Smallest of the baselines' simultaneous lower bounds; > 0 means every baseline is beaten."""

    p: float | None
    """Permutation p of the headline, this cell alone; one-sided."""

    p_corrected: float | None
    """The same, corrected by the maximum over all judged cells of the grid."""

    null_low: float | None
    """2.5 % point of the headline under the null."""

    null_high: float | None
    """97.5 % point of the headline under the null."""

    verdict: str
    """From the closed list in `verdict.py`."""

    why: str
    """The evidence behind the verdict, in a phrase."""
