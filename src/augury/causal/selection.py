"""Select on one half of the problems, report on the other."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from augury.causal.paired import PairedEffects, paired_effects

__all__ = ["SplitEffects", "halves", "split_effects"]


@dataclass(frozen=True, eq=False, slots=True)
class SplitEffects:
    """Effects of every edit at events, less those at their controls, in two halves of the groups.

    The halves share no group. What is selected by `selection` may be quoted from `report` alone.
    """

    names: tuple[str, ...]
    """Of the edits."""

    selection: np.ndarray
    """float [edit], mean difference in the half on which is selected."""

    report: PairedEffects
    """The same in the other half, with intervals and p values corrected for all edits."""

    def strongest(self, names: Sequence[str], count: int) -> tuple[str, ...]:
        """The `count` of `names` that take most away from events, by the selection half.

        Edits that add something are never taken, so there may be fewer.
        """
        order = sorted(names, key=lambda name: self.selection[self.names.index(name)])
        return tuple(n for n in order[:count] if self.selection[self.names.index(n)] < 0)


def halves(groups: Sequence[str], *, seed: int) -> np.ndarray:
    """Half (0 select, 1 report) of each row, int; rows of one group are never parted.

    A group's half follows from its name and the seed alone, so that every part of a job that asks
    gets the same answer, whatever other groups are there.
    """
    names = {group: _bit(group, seed) for group in set(groups)}
    return np.array([names[group] for group in groups], dtype=int)


def _bit(group: str, seed: int) -> int:
    return hashlib.blake2b(f"{seed}/{group}".encode(), digest_size=1).digest()[0] & 1


def split_effects(
    names: Sequence[str],
    differences: np.ndarray,
    groups: Sequence[str],
    half: np.ndarray,
    *,
    draws: int = 2000,
    seed: int = 0,
) -> SplitEffects:
    """Mean differences by half.

    Args:
        names: Of the columns.
        differences: float [pair, edit], effect at the event minus effect at its control.
        groups: Of each event.
        half: 0 or 1 of each pair, from `halves`.
        draws: Resamples and sign flips.
        seed: Of these.

    Raises:
        DataError: The reporting half is empty.
    """
    reported = half == 1
    number = np.unique(np.asarray(groups), return_inverse=True)[1]
    chosen = differences[~reported]
    return SplitEffects(
        tuple(names),
        chosen.mean(axis=0) if len(chosen) else np.zeros(len(names)),
        paired_effects(differences[reported], number[reported], draws=draws, seed=seed),
    )
