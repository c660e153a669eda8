"""Judged cells whose numbers hang together, for whatever shows or concludes from a grid."""

from __future__ import annotations

import math

from augury.evaluate.intervals import Interval
from augury.evaluate.records import BaselineResult, CellResult, SplitScores
from augury.evaluate.score import Score


def split(rows: int, positives: int, ap: float | None) -> SplitScores:
    """One split whose other metrics follow from its average precision."""

    def score(value: float | None) -> Score:
        return Score.undefined("no positive row") if value is None else Score(value)

    return SplitScores(
        rows=rows,
        groups=rows // 500,
        positive_groups=min(positives, rows // 500),
        positives=positives,
        average_precision=score(ap),
        auroc=score(None if ap is None else 0.5 + 0.5 * math.sqrt(ap)),
        f1=score(None if ap is None else 0.9 * ap + 0.02),
        accuracy=score(None if ap is None else 0.97),
        balanced_accuracy=score(None if ap is None else 0.5 + 0.4 * ap),
        recall_at_1pct_fpr=score(ap),
    )


def cell(site: str, horizon: int, ap: float | None, *, beyond: bool = False) -> CellResult:
    """One result with plausible company: baselines below it, an interval around it."""
    near = max(0.0, 1 - abs(horizon) / 20)
    baselines = {"prevalence": 0.012, "position": 0.03, "last_three_tokens": 0.02 + 0.16 * near}
    baselines["own_probability"] = 0.02 + 0.22 * near**2
    interval = None if ap is None else Interval(max(ap - 0.06, 0), min(ap + 0.07, 1), 40)
    positives = 0 if ap is None else 120
    return CellResult(
        site=site,
        horizon=horizon,
        label="backtracking",
        kind="point",
        train=split(60_000, 700 - 6 * abs(horizon), ap),
        validation=split(20_000, 240 - 3 * abs(horizon), ap),
        test=split(20_000, positives, ap),
        threshold=Score(0.3),
        calibration=None,
        brier=Score(0.01),
        calibration_error=Score(0.002),
        interval=interval,
        auroc_interval=None
        if ap is None
        else Interval(0.46 + 0.5 * math.sqrt(ap), 0.53 + 0.5 * math.sqrt(ap), 40),
        f1_interval=None,
        baselines={
            name: BaselineResult(Score(value), Score(0.5 + value), None, None, None)
            for name, value in baselines.items()
        },
        best_baseline="own_probability",
        difference_low_simultaneous=0.02 if beyond else None,
        p=None,
        p_corrected=None,
        null_low=None,
        null_high=None,
        verdict="predictive beyond baselines" if beyond else "not predictive",
        why="",
    )
