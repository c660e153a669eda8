"""Selectivity: how much better a probe is at its task than at one that only asks for memory."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from augury.evaluate.counts import GroupCounts
from augury.evaluate.intervals import Interval, group_draws, interval
from augury.evaluate.metrics import auroc
from augury.evaluate.score import Score
from augury.shapes import Labels, RowGroups, RowScores

__all__ = ["Selectivity", "selectivity"]


@dataclass(frozen=True, slots=True)
class Selectivity:
    """A probe on its task and on the control task, on the same test rows."""

    real: Score
    """AUROC on the real labels."""

    control: Score
    """AUROC of a probe of the same kind, fitted on `control_labels`, on control labels."""

    difference: Score
    """Real minus control; near 0 means that the probe would have learned anything."""

    interval: Interval | None
    """95 % interval of the difference, groups resampled for both together."""


def selectivity(
    real: tuple[Labels, RowScores],
    control: tuple[Labels, RowScores],
    groups: RowGroups,
    *,
    draws: int = 1000,
    seed: int = 0,
) -> Selectivity:
    """Compare (labels, scores) of the real and of the control task on test rows of these groups.

    AUROC, because the control task has another prevalence and average precision would follow it.

    Raises:
        DataError: Lengths differ, labels are not boolean, or a score is not finite.
    """
    values = [auroc(*each) for each in (real, control)]
    missing = next((value.reason for value in values if value.value is None), "")
    if values[0].value is None or values[1].value is None:
        return Selectivity(values[0], values[1], Score.undefined(missing), None)
    place = np.unique(groups, return_inverse=True)[1]
    size = int(place.max()) + 1
    weights = group_draws(size, draws, seed)
    drawn = [
        GroupCounts.build(*each, place, n_groups=size).auroc(weights) for each in (real, control)
    ]
    lead = values[0].value - values[1].value
    carrying = len(np.unique(place[real[0]]))
    spread = interval(lead, drawn[0] - drawn[1], carrying)
    return Selectivity(values[0], values[1], Score(lead), spread)
