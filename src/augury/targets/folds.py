"""Folds by group: every group is tested once, by what was fitted without it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from augury.errors import CheckFailed, DataError, UsageError
from augury.targets.splits import Split, assert_no_overlap
from augury.traces.trace import Trace

__all__ = ["assert_folds", "k_folds", "leave_one_group_out"]


def k_folds(
    groups: Sequence[str], strata: Sequence[int], *, k: int, seed: int
) -> tuple[Split, ...]:
    """Deal groups into k folds, alike in their number of events; deterministic in all arguments.

    Fold i tests its own groups, validates on those of fold i + 1, and trains on the others, so
    every group is validation once, too.

    Args:
        groups: Group of each trace.
        strata: Events of each trace, >= 0.
        k: Folds, at least 3.
        seed: Of the deal.

    Raises:
        UsageError: k is below 3, or lengths differ.
        DataError: There are fewer groups than folds.
    """
    if k < 3 or len(groups) != len(strata):
        found = f"{k} folds, {len(groups)} groups, {len(strata)} strata"
        expected = "at least 3 folds, and a group and a stratum for each trace"
        raise UsageError("folds", found=found, expected=expected)
    events: dict[str, int] = defaultdict(int)
    for group, stratum in zip(groups, strata, strict=True):
        events[group] += int(stratum)
    _need(len(events), k)
    rng = np.random.default_rng(seed)
    order = [sorted(events)[n] for n in rng.permutation(len(events))]
    order.sort(key=lambda group: -events[group])
    dealt: list[list[str]] = [[] for _ in range(k)]
    for first in range(0, len(order), k):
        for group, fold in zip(order[first : first + k], rng.permutation(k), strict=False):
            dealt[fold].append(group)
    return _rotated(dealt, 1)


def leave_one_group_out(groups: Sequence[str], *, validation: int, seed: int) -> tuple[Split, ...]:
    """One split per group: it is test, the next `validation` groups of a drawn circle validate.

    The circle makes every group validation equally often. Splits come in the order of the circle.

    Args:
        groups: Group of each trace.
        validation: Groups to validate on, at least 1.
        seed: Of the order of the circle.

    Raises:
        UsageError: `validation` is below 1.
        DataError: No group would be left to train on.
    """
    if validation < 1:
        raise UsageError("validation groups", found=str(validation), expected="at least 1")
    names = sorted(set(groups))
    _need(len(names), validation + 2)
    circle = np.random.default_rng(seed).permutation(len(names))
    return _rotated([[names[n]] for n in circle], validation)


def assert_folds(traces: Sequence[Trace], folds: Sequence[Split]) -> None:
    """Prove that each group is test once, and that no group and no text is on two sides of a fold.

    Raises:
        CheckFailed: A group is tested never, or more than once.
        DataError: A group or a text stands on two sides, see `assert_no_overlap`.
    """
    tested = [group for fold in folds for group in fold.test]
    every = {trace.group for trace in traces}
    if len(tested) != len(set(tested)) or set(tested) != every:
        twice = sorted({group for group in tested if tested.count(group) > 1})
        never = sorted(every - set(tested))
        found = f"tested twice: {twice[:5]}; never: {never[:5]}"
        raise CheckFailed("folds", found=found, expected="each group in one test fold")
    for fold in folds:
        assert_no_overlap(traces, fold)


def _rotated(parts: Sequence[Sequence[str]], validation: int) -> tuple[Split, ...]:
    splits = []
    for n in range(len(parts)):
        turned = [*parts[n:], *parts[:n]]
        test, chooser, rest = turned[0], turned[1 : 1 + validation], turned[1 + validation :]
        train, validated = (frozenset(g for part in some for g in part) for some in (rest, chooser))
        splits.append(Split(train, validated, frozenset(test)))
    return tuple(splits)


def _need(groups: int, least: int) -> None:
    if groups < least:
        raise DataError(
            "folds",
            found=f"{groups} group(s)",
            expected=f"at least {least}",
            fix="add traces of other groups, or ask for fewer folds",
        )
