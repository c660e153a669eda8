"""Fit the whole grid of one site at once, choose strengths on validation, and score the rows.

The states stay on disk: every pass reads the store block by block.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from augury.evaluate.metrics import average_precision
from augury.probes.grid import LogisticGrid, fit_columns
from augury.probes.linear import LinearGrid, scores
from augury.probes.rows import States
from augury.studies.backtracking_lag.grid_plan import GridPlan
from augury.studies.crossing import Crossed
from augury.studies.scores import Scores

__all__ = ["fit_site"]


def fit_site(states: States, site: str, plan: GridPlan, out: Scores) -> list[dict[str, Any]]:
    """Put scores, weights and controls of a site into `out`; how each probe was fitted.

    The weights are those of the only split, or of the first fold.
    """
    grid = fit_columns(states, plan.data, plan.l2)
    chosen = [_choose(states, plan, grid, split) for split in range(len(plan.rows.sides))]
    names = [(target.label, site) for target in plan.targets]
    if plan.rows.crossed:
        _score_folds(states, plan, grid, chosen, (names, out))
    else:
        out.probes |= _shared(names, scores(states, _some(grid, chosen[0])), axis=1)
    out.weights |= _shared(names, grid.weight[chosen[0]])
    out.biases |= _shared(names, grid.bias[chosen[0]])
    shuffled = _some(grid, plan.numbers("shuffled"))
    out.controls |= _shared(names, scores(states, shuffled, plan.rows.side == 2), axis=1)
    out.control_task |= _shared(names, _control_task(states, plan, chosen[0]), axis=1)
    return [_told(site, plan, grid, number) for of_split in chosen for number in of_split]


def _shared(
    names: Sequence[tuple[str, str]], values: np.ndarray, axis: int = 0
) -> dict[tuple[str, str], np.ndarray]:
    """What belongs to each target, of values for every target x horizon."""
    return dict(zip(names, np.split(values, len(names), axis=axis), strict=True))


def _some(grid: LogisticGrid, columns: Sequence[int]) -> LinearGrid:
    return LinearGrid(grid.weight[columns], grid.bias[columns], ("",) * len(columns))


def _choose(states: States, plan: GridPlan, grid: LogisticGrid, split: int) -> list[int]:
    """Of each target x horizon, the column with the best average precision on validation."""
    numbers = plan.numbers("probe", split=split)
    at = plan.rows.sides[split] == 1
    values = scores(states, _some(grid, numbers), at)
    best: dict[tuple[int, int], tuple[float, int]] = {}
    for position, number in enumerate(numbers):
        column = plan.columns[number]
        target = plan.targets[column.target]
        use = target.use[at, column.horizon]
        found = average_precision(target.labels[at, column.horizon][use], values[use, position])
        place, value = (column.target, column.horizon), found.value or 0.0
        if place not in best or value > best[place][0]:
            best[place] = (value, number)
    return [number for _, number in best.values()]


def _score_folds(
    states: States,
    plan: GridPlan,
    grid: LogisticGrid,
    chosen: Sequence[list[int]],
    into: tuple[Sequence[tuple[str, str]], Scores],
) -> None:
    """Every row by the fold that tested it, settled on that fold's validation groups."""
    names, out = into
    labels, use = (
        np.concatenate([getattr(target, name) for target in plan.targets], axis=1)
        for name in ("labels", "use")
    )
    crossed = Crossed(labels, use, plan.rows.sides)
    for fold, columns in enumerate(chosen):
        at = plan.rows.sides[fold] != 0
        raw = np.zeros(labels.shape, dtype=np.float32)
        raw[at] = scores(states, _some(grid, columns), at)
        crossed.add(fold, raw)
        if fold == 0:
            out.first |= _shared(names, raw[plan.rows.side == 2], axis=1)
    crossed.close()
    out.probes |= _shared(names, crossed.scores, axis=1)
    out.called |= _shared(names, crossed.called, axis=1)
    out.log_odds |= _shared(names, crossed.log_odds, axis=1)
    out.validated |= _shared(names, crossed.validated, axis=1)
    out.settled |= _shared(names, crossed.settled[0])


def _control_task(states: States, plan: GridPlan, chosen: Sequence[int]) -> np.ndarray:
    """Scores on test rows of probes that learned random labels of tokens, [test row, place].

    These labels ask for a memory, and a memory takes long to fit: a fit to a thousandth is enough
    for the digits that an AUROC is told in.
    """
    data, l2 = plan.control_task(chosen)
    grid = fit_columns(states, data, l2, tolerance=1e-3)
    found = scores(states, grid, plan.rows.side == 2)
    # what had one class was not fitted, and says nothing about the probe
    found[:, ~grid.weight.any(axis=1)] = np.nan
    return found


def _told(site: str, plan: GridPlan, grid: LogisticGrid, number: int) -> dict[str, Any]:
    column = plan.columns[number]
    return {
        "site": site,
        "label": plan.targets[column.target].label,
        "horizon_index": column.horizon,
        "fold": column.split,
        "l2": column.l2,
        "converged": bool(grid.converged[number]),
        "relative_gradient": float(grid.gradient_norm[number]),
        "passes": grid.passes,
    }
