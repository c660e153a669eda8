"""Train, validation and test by group: nothing of a group, and no text, is on two sides."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from augury.errors import DataError, UsageError
from augury.traces.text import normalised_hash
from augury.traces.trace import Trace

__all__ = ["Split", "assert_no_overlap", "three_way"]

PARTS = ("train", "validation", "test")


@dataclass(frozen=True, slots=True)
class Split:
    """Which groups stand on which side."""

    train: frozenset[str]
    """Groups that probes and baselines are fitted on."""

    validation: frozenset[str]
    """Groups that thresholds and strengths are chosen on."""

    test: frozenset[str]
    """Groups that are opened once, at the end."""

    def part_of(self, group: str) -> int:
        """0 train, 1 validation, 2 test.

        Raises:
            DataError: The group is on no side.
        """
        for part, name in enumerate(PARTS):
            if group in getattr(self, name):
                return part
        raise DataError(
            f"group {group!r}",
            found="it is on no side of the split",
            expected="every group on one side",
            fix="make the split again from these traces",
        )


def three_way(
    groups: Sequence[str],
    strata: Sequence[int],
    *,
    fractions: tuple[float, float, float] = (0.6, 0.2, 0.2),
    counts: tuple[int, int, int] | None = None,
    seed: int,
) -> Split:
    """Split groups three ways, alike in their number of events; deterministic in all arguments.

    Groups are dealt whole, sorted by their events, to the side that is furthest behind its share
    of traces; which of the neighbours in that order goes where is drawn from `seed`. Every side
    with a share gets a group with events as long as there are enough of them.

    Args:
        groups: Group of each trace.
        strata: Events of each trace, >= 0.
        fractions: Shares of traces for train, validation and test; they sum to 1.
        counts: Numbers of traces instead, for instance `(800, 0, 200)`; they sum to the number of
            traces and are met exactly where every group is one trace, else as nearly as groups
            allow.
        seed: Of the draw.

    Raises:
        DataError: There are fewer groups than sides (three, unless a share is 0).
        UsageError: The shares are negative or do not sum to the whole.
    """
    if len(groups) != len(strata):
        raise UsageError(
            "split", found=f"{len(groups)} groups, {len(strata)} strata", expected="one per trace"
        )
    shares = _shares(fractions, counts, len(groups))
    sides = [part for part in range(3) if shares[part] > 0]
    traces_of = Counter(groups)
    if len(traces_of) < len(sides):
        raise DataError(
            "split",
            found=f"{len(traces_of)} group(s) in {len(groups)} trace(s)",
            expected=f"at least {len(sides)} groups, one for each side",
            fix="add traces of other groups (problems, books)",
        )
    events: dict[str, int] = defaultdict(int)
    for group, stratum in zip(groups, strata, strict=True):
        events[group] += int(stratum)
    rng = np.random.default_rng(seed)
    taken = np.zeros(3)
    dealt: dict[str, int] = {}
    for has_events in (True, False):
        order = [group for group in sorted(traces_of) if (events[group] > 0) == has_events]
        order = [order[k] for k in rng.permutation(len(order))]
        order.sort(key=lambda group: -events[group])
        _deal(order, traces_of, shares, taken, dealt, rng)
    return Split(*(frozenset(g for g, part in dealt.items() if part == side) for side in range(3)))


def assert_no_overlap(traces: Sequence[Trace], split: Split) -> None:
    """Prove that no group and no text stands on two sides.

    Texts are compared without letter case and white space.

    Raises:
        DataError: Lists the groups, or the pairs of traces, on two sides.
    """
    sides = [split.train, split.validation, split.test]
    shared = [
        f"{group!r} in {PARTS[a]} and {PARTS[b]}"
        for a, b in combinations(range(3), 2)
        for group in sorted(sides[a] & sides[b])
    ]
    if shared:
        raise DataError("split: groups", found=_listed(shared), expected="groups on one side only")
    first: dict[tuple[str, int], Trace] = {}
    for trace in traces:
        first.setdefault((normalised_hash(trace.text), split.part_of(trace.group)), trace)
    pairs = [
        f"{first[text, a].id!r} in {PARTS[a]} and {first[text, b].id!r} in {PARTS[b]}"
        for text, a in first
        for b in range(a + 1, 3)
        if (text, b) in first
    ]
    if pairs:
        raise DataError(
            "split: texts",
            found=f"the same text on two sides: {_listed(pairs)}",
            expected="every text on one side",
            fix="give traces with the same text the same group",
        )


def _shares(
    fractions: tuple[float, float, float], counts: tuple[int, int, int] | None, traces: int
) -> np.ndarray:
    given = np.asarray(fractions if counts is None else counts, dtype=float)
    whole = 1.0 if counts is None else float(traces)
    if np.any(given < 0) or not np.isclose(given.sum(), whole):
        raise UsageError(
            "split sizes",
            found=str(fractions if counts is None else counts),
            expected=f"three sizes >= 0 that sum to {whole:g}",
        )
    return given / given.sum() if given.sum() else given


def _deal(
    order: Sequence[str],
    traces_of: Counter[str],
    shares: np.ndarray,
    taken: np.ndarray,
    dealt: dict[str, int],
    rng: np.random.Generator,
) -> None:
    """Deal groups block by block; a block is as long as the smallest side needs to get one."""
    sides = np.flatnonzero(shares > 0)
    block = max(len(sides), int(np.ceil(1 / shares[sides].min())))
    for first in range(0, len(order), block):
        members = order[first : first + block]
        for k in rng.permutation(len(members)):
            size = traces_of[members[k]]
            behind = shares * (taken.sum() + size) - taken
            behind[shares <= 0] = -np.inf
            empty = [side for side in sides if side not in dealt.values()]
            side = int(empty[0]) if empty else int(np.argmax(behind))
            dealt[members[k]] = side
            taken[side] += size


def _listed(items: Sequence[str]) -> str:
    more = f" and {len(items) - 5} more" if len(items) > 5 else ""
    return "; ".join(items[:5]) + more
