"""Labels and weights of the shuffled-label control: nothing in them can be learned honestly."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float

from augury.shapes import Labels, RowGroups

__all__ = ["rotate_within", "weights_within"]


def rotate_within(
    labels: Labels, use: Bool[np.ndarray, " row"], traces: RowGroups, rng: np.random.Generator
) -> Labels:
    """Labels rotated among the used rows of each trace, by any shift, none included.

    A rotation that could not be none would put positives anywhere but where they belong, and a
    probe would learn to point away from the event.
    """
    rotated = labels.copy()
    usable = np.flatnonzero(use)
    borders = np.flatnonzero(np.diff(traces[usable])) + 1
    for rows in np.split(usable, borders):
        if len(rows):
            rotated[rows] = np.roll(labels[rows], int(rng.integers(len(rows))))
    return rotated


def weights_within(
    labels: Labels, use: Bool[np.ndarray, " row"], traces: RowGroups
) -> Float[np.ndarray, " row"]:
    """Weights under which every trace has as much positive as negative weight.

    A rotation keeps how many events a trace has, so a probe could learn honestly what rich traces
    look like (long ones, say), and find events late in a text by it. With these weights every row
    of every trace is positive as often as negative over all rotations: there is nothing to learn.
    Traces of one class, and rows that are not used, get weight 0.

    Returns:
        float32; each positive row 1.
    """
    trace = np.unique(traces, return_inverse=True)[1]
    positives = np.bincount(trace, labels & use)
    negatives = np.bincount(trace, ~labels & use)
    both = (positives > 0) & (negatives > 0)
    share = np.divide(positives, negatives, out=np.zeros(len(both)), where=both)
    weights = np.where(labels, 1.0, share[trace]) * (use & both[trace])
    return np.asarray(weights, np.float32)
