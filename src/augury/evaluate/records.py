"""The records of the evaluation contract: what goes into a judgement and what comes out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from augury.evaluate.calibrate import Platt
from augury.evaluate.intervals import Interval
from augury.evaluate.isotonic import Isotonic
from augury.evaluate.reliability import ReliabilityBin
from augury.evaluate.score import Score
from augury.evaluate.selectivity import Selectivity
from augury.shapes import Labels, RowGroups, RowScores

__all__ = [
    "BaselineResult",
    "CellResult",
    "CellScores",
    "ControlScores",
    "FoldScores",
    "SplitScores",
]

_NOT_COMPUTED = Score.undefined("not computed")


@dataclass(frozen=True, slots=True, eq=False)
class ControlScores:
    """A probe of the same kind on the control task: random labels of token types."""

    rows: RowGroups
    """Rows of the cell that it was tested on, from 0; test rows, each once."""

    labels: Labels
    """The control labels of these rows."""

    scores: RowScores
    """Its scores on them."""


@dataclass(frozen=True, slots=True, eq=False)
class FoldScores:
    """What the folds chose, where every row was tested by the fold that never saw its group.

    Then every row is a test row, and the scores of the cell are comparable between folds.
    """

    called: Labels
    """True where the row reaches the threshold of the fold that tested it."""

    log_odds: RowScores
    """Of a positive, calibrated on the validation groups of the fold that tested the row."""

    validated: RowScores
    """Scores by a fold that the row's group validated: they rank sites, and calibrate what is
    shown."""


@dataclass(frozen=True, slots=True, eq=False)
class CellScores:
    """The rows of one cell, all splits together. Rows of one trace stand in token order."""

    site: str
    """Where the states were read, e.g. `resid.3`."""

    horizon: int
    """Tokens from state to label; h > 0 looks ahead, lag = -h."""

    label: str
    """Name of the target, e.g. `backtracking`."""

    kind: str
    """How the target is read: `point`, `within` or `span`; `row` where the label is the row's."""

    labels: Labels
    """True where the row is positive."""

    scores: RowScores
    """The probe's score; higher means more positive, any scale."""

    groups: RowGroups
    """Number of the group (0 or above) that the row belongs to, the same in every cell."""

    traces: RowGroups
    """Number of the trace (0 or above) that the row belongs to, the same in every cell."""

    split: RowGroups
    """0 train, 1 validation, 2 test; one value per group."""

    baselines: Mapping[str, RowScores]
    """Scores of predictors that never see activations, on the same rows; at least one."""

    control: ControlScores | None = None
    """What selectivity is measured against; None where no control task was fitted."""

    folds: FoldScores | None = None
    """None where groups were split once."""

    @property
    def name(self) -> str:
        """How messages call this cell."""
        return f"cell {self.label}/{self.kind} at {self.site}, horizon {self.horizon}"


@dataclass(frozen=True, slots=True)
class SplitScores:
    """One cell on the rows of one split."""

    rows: int
    """Rows that the cell uses."""

    groups: int
    """Groups with at least one row."""

    positive_groups: int
    """Groups with at least one positive row; intervals rest on these."""

    positives: int
    """Positive rows."""

    average_precision: Score
    """In [0, 1]; chance is the prevalence."""

    auroc: Score
    """In [0, 1]; chance is 0.5."""

    f1: Score
    """In [0, 1], at the validation threshold."""

    accuracy: Score
    """Share of rows labelled rightly, at the validation threshold."""

    balanced_accuracy: Score
    """Mean of recall and specificity, in [0, 1], at the validation threshold; chance is 0.5."""

    recall_at_1pct_fpr: Score
    """Share of positives found while 1 % of negatives are accepted."""

    group_average_precision: Score = _NOT_COMPUTED
    """Mean over groups with rows of both classes of the average precision within the group: what is
    left when groups are not compared with each other."""

    @property
    def prevalence(self) -> float | None:
        """Share of positive rows; None without rows."""
        return self.positives / self.rows if self.rows else None


@dataclass(frozen=True, slots=True)
class BaselineResult:
    """A predictor without activations on the test rows of a cell, and the cell's lead over it."""

    ap: Score
    """Average precision of the baseline, in [0, 1]."""

    auroc: Score
    """AUROC of the baseline, in [0, 1]."""

    difference: float | None
    """Average precision of the probe minus that of the baseline; > 0 means the probe is better."""

    interval: Interval | None
    """95 % interval of the difference, groups resampled for both together."""

    difference_low_simultaneous: float | None
    """Lower bound of the difference that holds for all judged cells of the grid at once."""

    @property
    def headline(self) -> Score:
        """The metric that verdicts are about: average precision."""
        return self.ap


@dataclass(frozen=True, slots=True)
class CellResult:
    """Everything that is reported of one cell. A number that does not exist carries its reason."""

    site: str
    """Where the states were read, e.g. `resid.3`."""

    horizon: int
    """Tokens from state to label; h > 0 looks ahead."""

    label: str
    """Name of the target."""

    kind: str
    """`point`, `within`, `span` or `row`."""

    train: SplitScores
    """On the rows the probe was fitted on."""

    validation: SplitScores
    """On the rows that chose strength, threshold and calibration."""

    test: SplitScores
    """On rows that chose nothing."""

    threshold: Score
    """A row is called positive at score >= threshold; best F1 on validation."""

    calibration: Platt | Isotonic | None
    """Score to probability, fitted on validation; None where validation has one class. With folds,
    on the validation scores of all, while Brier and calibration error are of each fold's own."""

    brier: Score
    """Mean squared error of the calibrated probability on test, in [0, 1]; 0 is best."""

    calibration_error: Score
    """Expected calibration error on test, equal-mass bins, in [0, 1]; 0 is best."""

    interval: Interval | None
    """95 % interval of the test average precision; None under 10 groups with positives."""

    auroc_interval: Interval | None
    """95 % interval of the test AUROC."""

    f1_interval: Interval | None
    """95 % interval of the test F1 at the fixed threshold."""

    baselines: Mapping[str, BaselineResult]
    """By name, on the same test rows."""

    best_baseline: str | None
    """The baseline with the highest average precision on test."""

    difference_low_simultaneous: float | None
    """Smallest of the baselines' simultaneous lower bounds; > 0 means every baseline is beaten."""

    p: float | None
    """Permutation p of the test average precision, this cell alone."""

    p_corrected: float | None
    """The same, corrected by the maximum over all judged cells of the grid."""

    null_low: float | None
    """2.5 % point of average precision under the null."""

    null_high: float | None
    """97.5 % point of average precision under the null."""

    verdict: str
    """From the closed list in `verdict.py`."""

    why: str
    """The evidence behind the verdict, in a phrase."""

    selectivity: Selectivity | None = None
    """AUROC less that of the same kind of probe on the control task; None where none was fitted."""

    reliability: tuple[ReliabilityBin, ...] = ()
    """Stated and observed shares on test, by bins of equal mass; empty without calibration."""

    @property
    def lag(self) -> int:
        """`-horizon`: the older sign convention, in which looking ahead is negative."""
        return -self.horizon

    @property
    def average_precision(self) -> Score:
        """On test."""
        return self.test.average_precision

    @property
    def auroc(self) -> Score:
        """On test."""
        return self.test.auroc

    @property
    def f1(self) -> Score:
        """On test, at the validation threshold."""
        return self.test.f1

    @property
    def balanced_accuracy(self) -> Score:
        """On test, at the validation threshold."""
        return self.test.balanced_accuracy

    @property
    def recall_at_1pct_fpr(self) -> Score:
        """On test."""
        return self.test.recall_at_1pct_fpr
