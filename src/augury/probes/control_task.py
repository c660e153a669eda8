"""The control task of Hewitt and Liang (2019): labels that only a memory for token types can learn.

Each token type gets a random label, fixed by a hash, so every occurrence has the same. A probe that
is as good at this as at the real task is strong, rather than the states informative.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Int

from augury.errors import UsageError
from augury.shapes import Labels

__all__ = ["control_labels"]

_STEPS = ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB), (31, 1))
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def control_labels(tokens: Int[np.ndarray, " row"], *, share: float, seed: int) -> Labels:
    """A random label for each token type, the same wherever and whenever it occurs.

    Args:
        tokens: Id of the token whose type decides: the current one, or the one at the horizon.
        share: Expected share of positive types. Rows come near to it where no type is frequent; the
            area under the ROC curve does not depend on it, average precision does.
        seed: Of the labels.

    Raises:
        UsageError: The share is not between 0 and 1.
    """
    if not 0 < share < 1:
        raise UsageError("control task", found=f"share {share:g}", expected="between 0 and 1")
    # splitmix64 (Steele, Lea and Flood 2014), so that the labels outlive any random generator.
    start = np.uint64((seed + 1) * 0xD1B54A32D192ED03 % 2**64)
    mixed = tokens.astype(np.uint64) * _GOLDEN + start
    for shift, factor in _STEPS:
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    return np.asarray(mixed.astype(np.float64) < share * 2.0**64)
