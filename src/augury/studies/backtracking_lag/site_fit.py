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
from augury.studies.backtracking_lag.scores import Scores
from augury.studies.crossing import Crossed

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
    _score_controls(states, plan, grid, chosen[0], (names, out))
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
    crossed.close()
    out.probes |= _shared(names, crossed.log_odds, axis=1)
    out.called |= _shared(names, crossed.called, axis=1)
    out.validated |= _shared(names, crossed.validated, axis=1)
    out.settled |= _shared(names, crossed.settled[0])


def _score_controls(
    states: States,
    plan: GridPlan,
    grid: LogisticGrid,
    chosen: Sequence[int],
    into: tuple[Sequence[tuple[str, str]], Scores],
) -> None:
    """Control tasks at the strengths that the probes chose, and shuffled labels, on test rows."""
    names, out = into
    test = plan.rows.side == 2
    tasks = []
    for number in chosen:
        own = plan.columns[number]
        tasks += plan.numbers("control task", target=own.target, horizon=own.horizon, l2=own.l2)
    shuffled = plan.numbers("shuffled")
    values = scores(states, _some(grid, [*tasks, *shuffled]), test)
    task = values[:, : len(tasks)]
    # what had one class was not fitted, and says nothing about the probe
    task[:, [bool(grid.problem[n]) and not grid.weight[n].any() for n in tasks]] = np.nan
    out.control_task |= _shared(names, task, axis=1)
    out.controls |= _shared(names, values[:, len(tasks) :], axis=1)


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
