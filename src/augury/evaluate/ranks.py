"""Ranks of a few values, ties sharing their mean rank.

What scipy's `rankdata` gives, where it would be called on every problem of every fold: on twenty
values most of its time goes into checks of its arguments.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

__all__ = ["mean_ranks", "ranks_among"]


def mean_ranks(values: Float[np.ndarray, " row"]) -> Float[np.ndarray, " row"]:
    """Ranks from 1; values are finite."""
    return ranks_among(values, values)


def ranks_among(
    values: Float[np.ndarray, ...], all_values: Float[np.ndarray, " row"]
) -> Float[np.ndarray, ...]:
    """Rank that each of `values` has among all values, of which it is one.

    Args:
        values: In any shape, such as many reorderings of all values.
        all_values: Finite.
    """
    ordered = np.sort(all_values)
    below = np.searchsorted(ordered, values, side="left")
    within = np.searchsorted(ordered, values, side="right")
    return np.asarray((below + within + 1) / 2)
