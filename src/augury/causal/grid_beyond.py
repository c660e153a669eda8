"""`beyond_draws` at several sites at once: p values that pay for having looked at all of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from augury.causal.paired import paired_effects
from augury.errors import DataError
from augury.evaluate.intervals import Interval

__all__ = ["GridBeyond", "grid_beyond"]


@dataclass(frozen=True, eq=False, slots=True)
class GridBeyond:
    """Effects of one kind of edit at every site, and those of draws like it."""

    effect: Float[np.ndarray, " site"]
    """Mean change of the outcome."""

    intervals: tuple[Interval | None, ...]
    """95 %, groups resampled; None under 10 groups."""

    p_zero: Float[np.ndarray, " site"]
    """That the effect is zero, signs of whole groups flipped, corrected for all sites; nan under 10
    groups."""

    p_draws: Float[np.ndarray, " site"]
    """Share of the draws, the edit itself among them, that anywhere reach as far, in either
    direction, each site measured in its own spread."""

    draws: Float[np.ndarray, "draw site"]
    """Mean change under each draw."""

    def moves(self, site: int, *, sign: int, alpha: float) -> bool:
        """Whether the edit at a site moved the outcome as `sign` says, and farther than draws."""
        sure = bool(self.p_zero[site] <= alpha and self.p_draws[site] <= alpha)
        return sure and float(self.effect[site]) * sign > 0


def grid_beyond(
    changes: Float[np.ndarray, "unit site"],
    draws: Float[np.ndarray, "draw unit site"],
    groups: Int[np.ndarray, " unit"],
    *,
    seed: int = 0,
) -> GridBeyond:
    """Compare an edit at every site with draws at the same sites, on the same units.

    Args:
        changes: Outcome under the edit less that without, or less that of a matched control.
        draws: The same under each draw. Draw k belongs together over the sites.
        groups: Group of each unit.
        seed: Of resamples and sign flips.

    Raises:
        DataError: Outcomes of other units or sites, or no draw.
    """
    if draws.ndim != 3 or not len(draws) or draws.shape[1:] != changes.shape:
        shapes = f"shapes {changes.shape} and {draws.shape}"
        raise DataError("changes", found=shapes, expected="[unit, site] and [draw, unit, site]")
    found = paired_effects(changes, groups, seed=seed)
    random = draws.mean(axis=1)
    together = np.abs(np.vstack([found.mean, random]))
    # The median: an effect far beyond its draws must not widen what it is measured in.
    scale = np.median(together, axis=0)
    z = together / np.where(scale > 0, scale, 1)
    # What nothing moves, neither the edit nor a draw, stands at 0 and is reached by every draw.
    as_far = z[1:].max(axis=1)[:, None] >= z[0] * (1 - 1e-12)
    p = (1 + as_far.sum(axis=0)) / (1 + len(draws))
    return GridBeyond(found.mean, found.intervals, found.p_corrected, p, random)
