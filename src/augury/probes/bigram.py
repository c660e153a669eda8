"""The bigram baseline: how often the target follows this very token."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int

from augury.errors import DataError

__all__ = ["bigram_log_odds"]

_PRIOR_ROWS = 1.0
"""Rows of the overall share that every token has seen before it is counted."""


def bigram_log_odds(
    ids: Int[np.ndarray, " row"],
    labels: Bool[np.ndarray, "row column"],
    counted: Bool[np.ndarray, "row column"],
) -> Float[np.ndarray, "row column"]:
    """Log-odds of a label given the current token, from counts.

    At horizon 1 this is the bigram model; at horizon 0 it is the token's identity. A token that was
    never counted gets the overall share.

    Args:
        ids: Current token of each row.
        labels: What is predicted.
        counted: Rows that are counted: those of training books.

    Returns:
        Float32.

    Raises:
        DataError: A column without a counted row of each class.
    """
    size = int(ids.max(initial=0)) + 1
    out = np.empty(labels.shape, dtype=np.float32)
    for column in range(labels.shape[1]):
        use, truth = counted[:, column], labels[:, column]
        positives = int((use & truth).sum())
        if not positives or positives == int(use.sum()):
            raise DataError(
                "bigram baseline",
                found=f"{positives} positive rows of {int(use.sum())}",
                expected="rows of both classes to count",
            )
        share = positives / int(use.sum())
        hits = np.bincount(ids[use & truth], minlength=size) + _PRIOR_ROWS * share
        misses = np.bincount(ids[use & ~truth], minlength=size) + _PRIOR_ROWS * (1 - share)
        out[:, column] = np.log(hits / misses)[ids]
    return out
