"""How the groups of a study are dealt: once three ways, or into folds that test every group."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field

from augury.config import Config
from augury.errors import DataError
from augury.runs.atomic import write_json
from augury.targets.folds import assert_folds, k_folds, leave_one_group_out
from augury.targets.splits import Split, assert_no_overlap, three_way
from augury.traces.trace import Trace

__all__ = ["MOST_FOLDS", "SplitConfig", "deal", "read_split", "sides", "write_split"]

MOST_FOLDS = 100
"""Each fold is one more fit of every probe and every baseline."""

_SIDES = ("train", "validation", "test")


class SplitConfig(Config):
    """How groups are dealt to train, validation and test."""

    kind: Literal["three-way", "folds", "leave-one-group-out"] = "three-way"
    """`three-way`: fitted, chosen and tested once, test groups never seen. The others test every
    group once, by probes that were fitted and settled without it: for few groups."""

    fractions: tuple[float, float, float] = (0.6, 0.2, 0.2)
    """With `three-way`: shares of the chains."""

    folds: int = Field(default=5, ge=3, le=MOST_FOLDS)
    """With `folds`: how many. Each validates on the groups of the next, and fits on the rest."""

    seed: int = Field(default=42, ge=0)

    @property
    def crossed(self) -> bool:
        """Whether every group is tested, and no single split is."""
        return self.kind != "three-way"


def deal(traces: Sequence[Trace], labels: Sequence[str], config: SplitConfig) -> tuple[Split, ...]:
    """One split, or one for each fold; no group and no text stands on two sides of any of them.

    Leaving one group out, a fifth of the groups validates: strength, threshold and calibration
    need events.

    Args:
        traces: All of them.
        labels: Of the spans that groups are to be alike in.
        config: How.

    Raises:
        DataError: There are too few groups, or too many to leave out one by one; or one text is in
            two groups.
    """
    groups = [trace.group for trace in traces]
    events = [sum(span.label in labels for span in trace.spans) for trace in traces]
    if config.kind == "three-way":
        split = three_way(groups, events, fractions=config.fractions, seed=config.seed)
        assert_no_overlap(traces, split)
        return (split,)
    if config.kind == "folds":
        dealt = k_folds(groups, events, k=config.folds, seed=config.seed)
    else:
        count = len(set(groups))
        if count > MOST_FOLDS:
            raise DataError(
                "split.kind: leave-one-group-out",
                found=f"{count} groups, each one more fit of every probe",
                expected=f"at most {MOST_FOLDS} groups",
                fix="set split.kind=folds",
            )
        dealt = leave_one_group_out(groups, validation=max(1, count // 5), seed=config.seed)
    assert_folds(traces, dealt)
    return dealt


def write_split(path: Path, dealt: Sequence[Split]) -> None:
    """Write the groups of every side; folds one after the other."""
    told = [{side: sorted(getattr(split, side)) for side in _SIDES} for split in dealt]
    write_json(path, told[0] if len(told) == 1 else {"folds": told})


def read_split(path: Path) -> tuple[Split, ...]:
    """Read what `write_split` wrote."""
    told = json.loads(path.read_text(encoding="utf-8"))
    folds = told.get("folds", [told])
    return tuple(Split(*(frozenset(fold[side]) for side in _SIDES)) for fold in folds)


def sides(dealt: Sequence[Split], groups: Sequence[str]) -> np.ndarray:
    """0 train, 1 validation, 2 test of each group in each split; int8 [split, group]."""
    return np.array([[split.part_of(g) for g in groups] for split in dealt], dtype=np.int8)
