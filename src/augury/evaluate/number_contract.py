"""judge_numbers: the contract for numeric targets, by the same rule as `judge_grid`.

The headline is a rank correlation, so neither the scale of a score nor a skewed target decides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from augury.errors import DataError
from augury.evaluate.cells import TEST, TRAIN, VALIDATION, check_cells
from augury.evaluate.intervals import FEWEST_GROUPS, group_draws, interval, simultaneous_lower
from augury.evaluate.number_records import (
    Headline,
    NumberBaseline,
    NumberCell,
    NumberResult,
    NumberSplit,
)
from augury.evaluate.permutation import grid_p_values
from augury.evaluate.rank_metrics import (
    GroupSpearman,
    NumberRows,
    RankMetric,
    Spearman,
    r_squared,
    top_recall,
)
from augury.evaluate.records import CellScores
from augury.evaluate.reorder import reorderings
from augury.evaluate.score import Score
from augury.evaluate.verdict import best_baseline, verdict_of
from augury.shapes import RowScores

__all__ = ["judge_numbers"]

_METRICS: dict[Headline, RankMetric] = {
    "spearman": Spearman(),
    "group_spearman": GroupSpearman(),
}
_NOT_JUDGED = (None, None, None, None)


_Known = dict[tuple[str, bytes, bytes, bytes], tuple[Score, Float[np.ndarray, " draw"]]]


@dataclass(frozen=True, slots=True, eq=False)
class _Opened:
    cell: NumberCell
    rows: NumberRows
    splits: tuple[NumberSplit, NumberSplit, NumberSplit]
    line: tuple[float, float] | None
    point: Score
    draws: Float[np.ndarray, " draw"]
    """Headline of each bootstrap draw; empty where `lack` says why nothing is judged."""
    carrying: int
    """Groups that the headline rests on."""
    lack: str
    baselines: dict[str, tuple[Score, Float[np.ndarray, " draw"]]]


def judge_numbers(
    cells: Sequence[NumberCell],
    *,
    headline: Headline = "spearman",
    draws: int = 1000,
    permutations: int = 1000,
    seed: int,
    alpha: float = 0.05,
) -> list[NumberResult]:
    """Judge every cell of a grid with a numeric target, in its order.

    Args:
        cells: All cells that were looked at.
        headline: What interval, lead, p and verdict are about. `group_spearman` asks for the order
            within groups alone, as where groups differ in difficulty.
        draws: Bootstrap draws of groups.
        permutations: Reorderings of the values within traces.
        seed: Of draws and reorderings.
        alpha: Family-wise error rate of p values and lower bounds.

    Raises:
        DataError: A grid that cannot be judged, see `check_cells`; a value is not finite.
    """
    check_cells([_structure(cell) for cell in cells])
    of_draws, of_orders = (int(s) for s in np.random.SeedSequence(seed).generate_state(2))
    groups = np.unique(np.concatenate([cell.groups[cell.split == TEST] for cell in cells]))
    weights = group_draws(max(1, len(groups)), draws, of_draws)
    known: _Known = {}
    opened = [_open(cell, _METRICS[headline], groups, weights, known) for cell in cells]
    judged = [number for number, each in enumerate(opened) if not each.lack]
    leads = [_leads(each) for each in opened]
    _bound(opened, leads, judged, alpha)
    found = _p_values([opened[n] for n in judged], headline, permutations, of_orders)
    nulls = dict.fromkeys(range(len(cells)), _NOT_JUDGED) | dict(zip(judged, found, strict=True))
    return [
        _result(each, lead, nulls[number], headline, alpha)
        for number, (each, lead) in enumerate(zip(opened, leads, strict=True))
    ]


def _structure(cell: NumberCell) -> CellScores:
    """The same rows with a binary label, for the checks that both kinds of target share."""
    if not np.isfinite(cell.values).all():
        where = f"cell {cell.label} at {cell.site}, horizon {cell.horizon}"
        raise DataError(where, found="a value that is not finite", expected="a number in every row")
    return CellScores(
        site=cell.site,
        horizon=cell.horizon,
        label=cell.label,
        kind="number",
        labels=np.asarray(cell.values) > 0,
        scores=cell.scores,
        groups=cell.groups,
        traces=cell.traces,
        split=cell.split,
        baselines=cell.baselines,
    )


def _open(
    cell: NumberCell,
    metric: RankMetric,
    groups: np.ndarray,
    weights: np.ndarray,
    known: _Known,
) -> _Opened:
    at = np.flatnonzero(cell.split == TEST)
    place = np.searchsorted(groups, cell.groups[at])
    rows = NumberRows(cell.values[at], cell.scores[at], place, cell.traces[at])
    line = _line(cell)
    splits = [_split(cell, side, line) for side in (TRAIN, VALIDATION, TEST)]
    point = metric.value(rows)
    carrying = len(np.unique(place))
    lack = point.reason
    if not lack and carrying < FEWEST_GROUPS:
        lack = f"{carrying} test groups, at least {FEWEST_GROUPS} needed"
    baselines = {}
    for name, scores in cell.baselines.items():
        base = replace(rows, scores=scores[at])
        # Cells at different sites share their baselines, which are resampled once.
        key = (lack, base.values.tobytes(), base.scores.tobytes(), base.groups.tobytes())
        if key not in known:
            known[key] = (metric.value(base), _drawn(metric, base, weights, lack))
        baselines[name] = known[key]
    return _Opened(
        cell,
        rows,
        (splits[0], splits[1], splits[2]),
        line,
        point,
        _drawn(metric, rows, weights, lack),
        carrying,
        lack,
        baselines,
    )


def _drawn(metric: RankMetric, rows: NumberRows, weights: np.ndarray, lack: str) -> np.ndarray:
    return np.zeros(0) if lack else metric.draws(rows, weights)


def _line(cell: NumberCell) -> tuple[float, float] | None:
    """Slope and intercept of the value on the score, least squares on validation."""
    at = cell.split == VALIDATION
    values, scores = cell.values[at], cell.scores[at]
    if len(values) < 2 or np.ptp(scores) == 0:
        return None
    centred = scores - scores.mean()
    slope = float(centred @ values / (centred @ centred))
    return slope, float(values.mean() - slope * scores.mean())


def _split(cell: NumberCell, side: int, line: tuple[float, float] | None) -> NumberSplit:
    at = np.flatnonzero(cell.split == side)
    values, scores, groups = cell.values[at], cell.scores[at], cell.groups[at]
    rows = NumberRows(values, scores, groups, cell.traces[at])
    fitted = Score.undefined("validation fits no line")
    return NumberSplit(
        rows=len(at),
        groups=len(np.unique(groups)),
        spearman=Spearman().value(rows),
        group_spearman=GroupSpearman().value(rows),
        r2=fitted if line is None else r_squared(values, line[0] * scores + line[1]),
        top_recall=top_recall(values, scores, groups),
    )


def _leads(opened: _Opened) -> dict[str, NumberBaseline]:
    found = {}
    for name, (point, draws) in opened.baselines.items():
        if opened.lack or point.value is None or opened.point.value is None:
            found[name] = NumberBaseline(point, None, None, None)
            continue
        lead = opened.point.value - point.value
        spread = interval(lead, opened.draws - draws, opened.carrying)
        found[name] = NumberBaseline(point, lead, spread, None)
    return found


def _bound(
    opened: Sequence[_Opened],
    leads: Sequence[dict[str, NumberBaseline]],
    judged: Sequence[int],
    alpha: float,
) -> None:
    """Write the bounds that hold for all judged cells at once into `leads`."""
    for name in sorted({name for number in judged for name in leads[number]}):
        members = [n for n in judged if name in leads[n] and leads[n][name].difference is not None]
        if not members:
            continue
        points = np.array([leads[n][name].difference for n in members], dtype=np.float64)
        draws = np.stack([opened[n].draws - opened[n].baselines[name][1] for n in members], axis=1)
        groups = np.array([opened[n].carrying for n in members])
        lower = simultaneous_lower(points, draws, alpha=alpha, n_groups=groups)
        for number, bound in zip(members, lower, strict=True):
            found = leads[number][name]
            leads[number][name] = replace(found, difference_low_simultaneous=float(bound))


def _p_values(
    opened: Sequence[_Opened], headline: Headline, permutations: int, seed: int
) -> list[tuple[float, float, float, float]]:
    """P, corrected p, and the ends of the null, of every judged cell."""
    if not opened:
        return []
    # Traces of one row cannot rotate; then values move within their group.
    single = all(len(np.unique(e.rows.traces)) == len(e.rows.traces) for e in opened)
    units: list[RowScores] = [e.rows.groups if single else e.rows.traces for e in opened]
    names = np.unique(np.concatenate(units))
    share = np.random.default_rng(seed).random((permutations, len(names)))
    null = np.empty((permutations, len(opened)))
    for column, (each, unit) in enumerate(zip(opened, units, strict=True)):
        for draws, order in reorderings(np.searchsorted(names, unit), share):
            null[draws, column] = _METRICS[headline].null(each.rows, order)
    observed = np.array([each.point.value for each in opened], dtype=np.float64)
    # The maximum is taken over standardised logs, which suits a ratio; a correlation is no ratio.
    p = grid_p_values(np.exp(observed), np.exp(null))
    low, high = np.quantile(null, [0.025, 0.975], axis=0)
    facts = zip(p.single, p.corrected, low, high, strict=True)
    return [(float(a), float(b), float(c), float(d)) for a, b, c, d in facts]


def _result(
    opened: _Opened,
    leads: dict[str, NumberBaseline],
    null: tuple[float | None, ...],
    headline: Headline,
    alpha: float,
) -> NumberResult:
    cell, point = opened.cell, opened.point.value
    bounds = [lead.difference_low_simultaneous for lead in leads.values()]
    known = [bound for bound in bounds if bound is not None]
    verdict = verdict_of(opened.lack, null[1], leads, alpha)
    judged = point is not None and not opened.lack
    return NumberResult(
        site=cell.site,
        horizon=cell.horizon,
        label=cell.label,
        headline=headline,
        train=opened.splits[0],
        validation=opened.splits[1],
        test=opened.splits[2],
        slope=opened.line[0] if opened.line else None,
        intercept=opened.line[1] if opened.line else None,
        interval=interval(point or 0.0, opened.draws, opened.carrying) if judged else None,
        baselines=leads,
        best_baseline=best_baseline(leads),
        difference_low_simultaneous=min(known) if len(known) == len(bounds) else None,
        p=null[0],
        p_corrected=null[1],
        null_low=null[2],
        null_high=null[3],
        verdict=verdict.text,
        why=verdict.why,
    )
