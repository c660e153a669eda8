"""What a value of an axis changes: the same configs but for it, compared group by group."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np

from augury.evaluate.standing import GroupValues
from augury.report.tables import CellValue
from augury.sweeps.entries import Entry, mean_interval, mean_of, paired

__all__ = ["delta_rows"]


def delta_rows(entries: Sequence[Entry]) -> list[dict[str, CellValue]]:
    """One row per axis, value and league: test score less that of the axis's first value.

    Compared are entries of one league that agree in every other axis. An axis that changes the
    question (a target, a percentile) has no such pair, and no row.

    Returns:
        `axis`, `value`, `against`, `target`, `setting`, `metric`, `pairs`, `groups`, `delta` (mean
        over groups of the mean over pairs), its 95 % interval `low`, `high` (None under 10 groups).
    """
    axes = list(dict.fromkeys(name for entry in entries for name in entry.setting))
    leagues: dict[str, list[Entry]] = {}
    for entry in entries:
        leagues.setdefault(entry.standing.league, []).append(entry)
    rows = []
    for axis, league in product(axes, leagues.values()):
        labels = list(dict.fromkeys(e.setting[axis] for e in entries if axis in e.setting))
        rows += [
            row
            for label in labels[1:]
            if (row := _compared(league, axis, label, labels[0])) is not None
        ]
    return rows


def _compared(
    league: Sequence[Entry], axis: str, label: str, reference: str
) -> dict[str, CellValue] | None:
    rest = {_rest(e, axis): e for e in league if e.setting.get(axis) == reference}
    pairs = [
        (entry, rest[_rest(entry, axis)])
        for entry in league
        if entry.setting.get(axis) == label and _rest(entry, axis) in rest
    ]
    by_group = _mean_over([paired(a.standing.test, b.standing.test) for a, b in pairs])
    if not by_group:
        return None
    held, of = mean_interval(by_group), league[0].standing
    return {
        "axis": axis,
        "value": label,
        "against": reference,
        "target": of.target,
        "setting": of.setting,
        "metric": of.metric,
        "sees": of.sees,
        "pairs": len(pairs),
        "groups": len(by_group),
        "delta": mean_of(by_group),
        "low": held.low if held else None,
        "high": held.high if held else None,
    }


def _rest(entry: Entry, axis: str) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(item for item in entry.setting.items() if item[0] != axis))


def _mean_over(each: Sequence[GroupValues]) -> GroupValues:
    names = dict.fromkeys(name for one in each for name in one)
    return {name: float(np.mean([one[name] for one in each if name in one])) for name in names}
