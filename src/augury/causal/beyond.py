"""Did an edit move behaviour more than draws that are like it in all but what was asked?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from augury.causal.paired import paired_effects
from augury.errors import DataError
from augury.evaluate.intervals import Interval

__all__ = ["FEWEST_DRAWS", "Beyond", "beyond_draws"]

FEWEST_DRAWS = 19
"""With fewer draws not even the largest effect of all is rare at the level of 5 %."""


@dataclass(frozen=True, eq=False, slots=True)
class Beyond:
    """An effect, and those of the draws."""

    effect: float
    """Mean change of the outcome from the unedited model, over the same units."""

    interval: Interval | None
    """95 %, groups resampled; None under 10 groups."""

    p_zero: float
    """That the effect is zero, by flipping the sign of whole groups; nan under 10 groups."""

    draws: tuple[float, ...]
    """Mean change under each draw."""

    p_draws: float
    """Share of the draws, the effect itself among them, that moved the outcome as far, in either
    direction; 1 over one more than the number of draws at best."""

    def moves(self, *, sign: int, alpha: float = 0.05) -> bool:
        """Whether it moved the outcome in the direction `sign`, and farther than the draws."""
        return self.effect * sign > 0 and self.p_zero <= alpha and self.p_draws <= alpha


def beyond_draws(
    clean: Float[np.ndarray, " unit"],
    own: Float[np.ndarray, " unit"],
    draws: Sequence[Float[np.ndarray, " unit"]],
    groups: Int[np.ndarray, " unit"],
    *,
    seed: int = 0,
) -> Beyond:
    """Compare one edit with the unedited model and with its draws, on the same units.

    Args:
        clean: Outcome of each unit without edits, e.g. 1 where its text holds an event.
        own: The same under the edit.
        draws: The same under each draw.
        groups: Group of each unit.
        seed: Of resamples and sign flips.

    Raises:
        DataError: Outcomes of other units.
    """
    shapes = {outcome.shape for outcome in (clean, own, *draws)}
    if len(shapes) != 1:
        raise DataError("outcomes", found=f"shapes {sorted(shapes)}", expected="the same units")
    found = paired_effects((own - clean)[:, None], groups, seed=seed)
    effects = [float((draw - clean).mean()) for draw in draws]
    effect = float(found.mean[0])
    as_far = sum(abs(other) >= abs(effect) - 1e-12 for other in effects)
    return Beyond(
        effect,
        found.intervals[0],
        float(found.p[0]),
        tuple(effects),
        (1 + as_far) / (1 + len(effects)),
    )
