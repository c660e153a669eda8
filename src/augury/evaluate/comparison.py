"""Paired comparison of every cell with every baseline, with bounds that hold over the grid.

Bounds are found for the log of the ratio of the two average precisions and turned back into a
difference, which keeps their sign. A baseline that was unlucky on the test groups has both a low
score and a low spread; on the plain difference this let 35 cells no better than their baseline
win too often (10 % of grids of 36 groups at a nominal 5 %, against 6 % on the log ratio).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from augury.evaluate.intervals import effective_groups, interval, simultaneous_lower
from augury.evaluate.opened import OpenedCell
from augury.evaluate.records import BaselineResult
from augury.evaluate.resample import Resampled, Resampler

__all__ = ["compare_with_baselines"]


def compare_with_baselines(
    cells: Sequence[OpenedCell], resampler: Resampler, alpha: float
) -> list[dict[str, BaselineResult]]:
    """The lead of each cell over each of its baselines, from the same draws of groups.

    The simultaneous bound of a baseline runs over the cells that carry a verdict and have that
    baseline.
    """
    results = [_one_by_one(opened, resampler) for opened in cells]
    names = sorted({name for opened in cells for name in opened.baselines})
    for name in names:
        members = [
            index
            for index, opened in enumerate(cells)
            if not opened.lack and name in opened.baselines
        ]
        if not members:
            continue
        bounds = _bounds([cells[index] for index in members], name, resampler, alpha)
        for index, bound in zip(members, bounds, strict=True):
            found = results[index][name]
            results[index][name] = replace(found, difference_low_simultaneous=bound)
    return results


def _one_by_one(opened: OpenedCell, resampler: Resampler) -> dict[str, BaselineResult]:
    probe = resampler.of(opened.rows)
    return {
        name: _paired(probe, resampler.of(opened.baselines[name]), opened)
        for name in opened.baselines
    }


def _paired(probe: Resampled, baseline: Resampled, opened: OpenedCell) -> BaselineResult:
    value = opened.test.average_precision.value
    if value is None or baseline.ap.value is None:
        return BaselineResult(baseline.ap, baseline.auroc, None, None, None)
    lead = value - baseline.ap.value
    left = None
    if probe.ap_left is not None and baseline.ap_left is not None:
        left = probe.ap_left - baseline.ap_left
    spread = interval(
        lead,
        probe.ap_draws - baseline.ap_draws,
        opened.test.positive_groups,
        effective=effective_groups(opened.rows.labels, opened.rows.groups),
        left=left,
    )
    return BaselineResult(baseline.ap, baseline.auroc, lead, spread, None)


def _bounds(
    cells: Sequence[OpenedCell], name: str, resampler: Resampler, alpha: float
) -> list[float]:
    pairs = [(resampler.of(c.rows), resampler.of(c.baselines[name])) for c in cells]
    draws = np.stack([np.log(probe.ap_draws / base.ap_draws) for probe, base in pairs], axis=1)
    points = np.array([[each.ap.value for each in pair] for pair in pairs], dtype=np.float64)
    groups = np.array([effective_groups(c.rows.labels, c.rows.groups) for c in cells])
    ratio = np.log(points[:, 0] / points[:, 1])
    lower = simultaneous_lower(ratio, draws, alpha=alpha, n_groups=groups)
    return [float(bound) for bound in points[:, 1] * np.expm1(lower)]
