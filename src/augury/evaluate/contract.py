"""judge_grid: from the scores of a grid of probes to what may be said about them.

The only place that touches test rows. Nothing is chosen on them: thresholds and calibration come
from validation, and the whole grid pays for its size in the p values and in the lower bounds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from augury.errors import UsageError
from augury.evaluate.cells import check_cells
from augury.evaluate.comparison import compare_with_baselines
from augury.evaluate.intervals import Interval, effective_groups, interval
from augury.evaluate.isotonic import CalibrationKind
from augury.evaluate.opened import OpenedCell, open_cell
from augury.evaluate.permutation import circular_shift_null, grid_p_values
from augury.evaluate.records import BaselineResult, CellResult, CellScores, SplitScores
from augury.evaluate.resample import Resampler
from augury.evaluate.score import Score
from augury.evaluate.verdict import best_baseline, verdict_of

__all__ = [
    "BaselineResult",
    "CellResult",
    "CellScores",
    "Interval",
    "Score",
    "SplitScores",
    "judge_grid",
]


@dataclass(frozen=True, slots=True)
class _Null:
    p: float | None = None
    p_corrected: float | None = None
    low: float | None = None
    high: float | None = None


def judge_grid(
    cells: Sequence[CellScores],
    *,
    draws: int = 1000,
    permutations: int = 1000,
    seed: int,
    alpha: float = 0.05,
    calibration: CalibrationKind = "platt",
) -> list[CellResult]:
    """Judge every cell of a grid, in its order.

    Cells with too little data get scores where these exist, the verdict `insufficient data`, and no
    part in the correction over the grid. The same arguments give the same results.

    Args:
        cells: All cells that were looked at; leaving some out makes the p values too small.
        draws: Bootstrap draws of groups.
        permutations: Rotations of the labels.
        seed: Of draws and rotations.
        alpha: Family-wise error rate of p values and lower bounds.
        calibration: How scores become probabilities; no verdict depends on it.

    Raises:
        DataError: A grid that cannot be judged; see `check_cells`.
        UsageError: So few permutations that no p value can reach alpha, or fewer than two draws.
    """
    if draws < 2 or not 0 < alpha < 1 or 1 / (permutations + 1) > alpha:
        found = f"draws {draws}, permutations {permutations}, alpha {alpha:g}"
        expected = "2 draws or more, alpha in (0, 1) and permutations >= 1 / alpha - 1"
        raise UsageError("judge_grid", found=found, expected=expected)
    check_cells(cells)
    of_draws, of_rotations = (int(s) for s in np.random.SeedSequence(seed).generate_state(2))
    opened = [open_cell(cell, calibration) for cell in cells]
    resampler = Resampler([each.rows.groups for each in opened], draws=draws, seed=of_draws)
    compared = compare_with_baselines(opened, resampler, alpha)
    nulls = _nulls(opened, permutations, of_rotations)
    return [
        _result(each, resampler, baselines, null, alpha)
        for each, baselines, null in zip(opened, compared, nulls, strict=True)
    ]


def _nulls(opened: Sequence[OpenedCell], permutations: int, seed: int) -> list[_Null]:
    results = [_Null()] * len(opened)
    judged = [index for index, each in enumerate(opened) if not each.lack]
    if not judged:
        return results
    rows = [opened[index].rows for index in judged]
    # Traces of one row cannot rotate; then labels move within their group.
    single = all(len(np.unique(each.traces)) == len(each.traces) for each in rows)
    null = circular_shift_null(
        [each.labels for each in rows],
        [each.scores for each in rows],
        [each.groups if single else each.traces for each in rows],
        n=permutations,
        seed=seed,
    )
    observed = np.array([opened[i].test.average_precision.value for i in judged], dtype=float)
    p = grid_p_values(observed, null)
    low, high = np.quantile(null, [0.025, 0.975], axis=0)
    for at, index in enumerate(judged):
        facts = (p.single[at], p.corrected[at], low[at], high[at])
        results[index] = _Null(*(float(fact) for fact in facts))
    return results


def _result(
    opened: OpenedCell,
    resampler: Resampler,
    baselines: Mapping[str, BaselineResult],
    null: _Null,
    alpha: float,
) -> CellResult:
    cell = opened.cell
    ap, area, at_threshold = _intervals(opened, resampler)
    bounds = [each.difference_low_simultaneous for each in baselines.values()]
    known = [bound for bound in bounds if bound is not None]
    verdict = verdict_of(opened.lack, null.p_corrected, baselines, alpha)
    return CellResult(
        site=cell.site,
        horizon=cell.horizon,
        label=cell.label,
        kind=cell.kind,
        train=opened.train,
        validation=opened.validation,
        test=opened.test,
        threshold=opened.threshold,
        calibration=opened.calibration,
        brier=opened.brier,
        calibration_error=opened.calibration_error,
        interval=ap,
        auroc_interval=area,
        f1_interval=at_threshold,
        baselines=baselines,
        best_baseline=best_baseline(baselines),
        difference_low_simultaneous=min(known) if len(known) == len(bounds) else None,
        p=null.p,
        p_corrected=null.p_corrected,
        null_low=null.low,
        null_high=null.high,
        verdict=verdict.text,
        why=verdict.why,
    )


def _intervals(
    opened: OpenedCell, resampler: Resampler
) -> tuple[Interval | None, Interval | None, Interval | None]:
    probe, test = resampler.of(opened.rows), opened.test
    effective = effective_groups(opened.rows.labels, opened.rows.groups)
    values = [test.average_precision.value, test.auroc.value, test.f1.value]
    drawn = [probe.ap_draws, probe.auroc_draws]
    if opened.threshold.value is not None:
        drawn.append(resampler.f1(opened.rows, threshold=opened.threshold.value))
    lefts = [probe.ap_left, probe.auroc_left, None]
    found = [
        None
        if value is None
        else interval(value, draws, test.positive_groups, effective=effective, left=left)
        for value, draws, left in zip(values, drawn, lefts, strict=False)
    ]
    ap, area, at_threshold = (*found, None)[:3]
    return ap, area, at_threshold
