"""The columns of one site's fit: probes of every fold, shuffled labels, and the control task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Literal

import numpy as np

from augury.probes.columns import DenseColumns, JoinedColumns, SharedColumns
from augury.probes.control import rotate_within, weights_within
from augury.probes.control_task import control_labels
from augury.studies.backtracking_lag.config import BacktrackingLagConfig, ProbeConfig
from augury.studies.backtracking_lag.rows import RunRows, Target

__all__ = ["Column", "GridPlan", "plan_grid"]

_LEAST_SHARE = 0.1


@dataclass(frozen=True, slots=True)
class Column:
    """One fit of a site's grid."""

    role: Literal["probe", "shuffled"]
    """`shuffled`: labels rotated within their traces, for the tripwire; in the first split only."""

    split: int
    """Number of the split (the fold); of a shuffled one, of the rotation."""

    target: int
    horizon: int
    l2: float


@dataclass(frozen=True, eq=False)
class GridPlan:
    """What is fitted on the states of a site; the same at every site."""

    rows: RunRows
    targets: Sequence[Target]
    columns: tuple[Column, ...]
    data: JoinedColumns
    """Labels and weights of the columns."""

    masks: np.ndarray
    """Training rows of every split, bool [row, split x target x horizon]."""

    control: np.ndarray
    """Labels of the control task, random by token type: bool [row, target x horizon]."""

    config: ProbeConfig

    @property
    def l2(self) -> np.ndarray:
        """Strength of each column."""
        return np.array([column.l2 for column in self.columns])

    def numbers(self, role: str, split: int | None = None) -> list[int]:
        """Numbers of the columns of a role, in one split or in all."""
        return [
            number
            for number, column in enumerate(self.columns)
            if column.role == role and split in (None, column.split)
        ]

    def control_task(self, chosen: Sequence[int]) -> tuple[SharedColumns, np.ndarray]:
        """The control task for chosen probes of the first split: on their rows, at their strength.

        Args:
            chosen: Numbers of columns.

        Returns:
            A column for each, and its strength.
        """
        columns = [self.columns[number] for number in chosen]
        data = _shared(columns, self.control, self.masks, self.config)
        return data, np.array([column.l2 for column in columns])


def plan_grid(rows: RunRows, targets: Sequence[Target], study: BacktrackingLagConfig) -> GridPlan:
    """Lay out every column; labels and masks are shared, so memory does not grow with strengths."""
    config, ahead = study.probe, study.targets.ahead
    places = list(product(range(len(targets)), range(targets[0].labels.shape[1])))
    splits = range(len(rows.sides))
    probes = [
        Column("probe", split, *place, l2)
        for split, place, l2 in product(splits, places, config.l2)
    ]
    middle = config.l2[len(config.l2) // 2]
    shuffled = [
        Column("shuffled", draw, target, horizon, middle)
        for target, horizon, draw in product(
            range(len(targets)), ahead, range(config.control_draws)
        )
    ]
    labels = np.concatenate([target.labels for target in targets], axis=1)
    use = np.concatenate([target.use for target in targets], axis=1)
    masks = np.concatenate([use & (side == 0)[:, None] for side in rows.sides], axis=1)
    control = _control_task(rows, labels, masks, config)
    data = JoinedColumns(
        (
            _shared(probes, labels, masks, config),
            _shuffled(shuffled, rows, targets, config),
        )
    )
    return GridPlan(rows, targets, (*probes, *shuffled), data, masks, control, config)


def _shared(
    columns: Sequence[Column], labels: np.ndarray, masks: np.ndarray, config: ProbeConfig
) -> SharedColumns:
    width = labels.shape[1]
    horizons = max(column.horizon for column in columns) + 1
    target = np.array([column.target * horizons + column.horizon for column in columns])
    mask = target + width * np.array([column.split for column in columns])
    positive = np.ones(len(columns))
    if config.balance == "balanced":
        used = masks.sum(axis=0)
        hits = np.array([(labels[:, n % width] & masks[:, n]).sum() for n in range(masks.shape[1])])
        ratio = np.divide(used - hits, hits, out=np.ones(len(hits)), where=hits > 0)
        positive = ratio[mask]
    return SharedColumns(labels, masks, target, mask, positive, np.ones(len(columns)))


def _control_task(
    rows: RunRows, labels: np.ndarray, masks: np.ndarray, config: ProbeConfig
) -> np.ndarray:
    """A random label for each token type, positive as often as the target is in training.

    At least one type in ten is positive: of fewer, a few frequent tokens would decide.
    """
    ids = rows.gather([part.ids for part in rows.parts])
    found = []
    for number in range(labels.shape[1]):
        used = masks[:, number]
        share = labels[used, number].mean() if used.any() else 0.5
        share = float(np.clip(share, _LEAST_SHARE, 1 - _LEAST_SHARE))
        found.append(control_labels(ids, share=share, seed=config.control_seed + number))
    return np.stack(found, axis=1)


def _shuffled(
    columns: Sequence[Column], rows: RunRows, targets: Sequence[Target], config: ProbeConfig
) -> DenseColumns:
    """Labels rotated within the training traces of the first split, and their fair weights."""
    shape = (len(rows.trace), len(columns))
    labels, weights = np.zeros(shape, dtype=bool), np.zeros(shape, dtype=np.float32)
    train = np.flatnonzero(rows.side == 0)
    for number, column in enumerate(columns):
        target = targets[column.target]
        truth, use = target.labels[train, column.horizon], target.use[train, column.horizon]
        key = (config.control_seed, column.target, column.horizon, column.split)
        rotated = rotate_within(truth, use, rows.trace[train], np.random.default_rng(key))
        labels[train, number] = rotated
        weights[train, number] = weights_within(rotated, use, rows.trace[train])
    return DenseColumns(labels, weights)
