"""Turn token facts into features for the baselines.

Counts become hat functions of their logarithm (a piecewise linear curve for the logistic model);
ids become sparse one-hot blocks, and neighbouring pairs are hashed.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse

from augury.probes.facts import TokenFacts

__all__ = ["count_hats", "event_hats", "last_three", "one_hot", "text_features"]

_KNOTS = np.log1p(np.array([0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 4096]))
_PAIRS = 1 << 16


def count_hats(counts: np.ndarray) -> np.ndarray:
    """Hat functions of log(1 + count): each row has at most two entries, which sum to 1.

    Args:
        counts: Int [row]; negative counts ("none") get a column of their own.

    Returns:
        Float32 [row, knots + 1].
    """
    place = np.clip(np.log1p(np.maximum(counts, 0)), 0, _KNOTS[-1])
    left = np.clip(np.searchsorted(_KNOTS, place, side="right") - 1, 0, len(_KNOTS) - 2)
    share = (place - _KNOTS[left]) / (_KNOTS[left + 1] - _KNOTS[left])
    row = np.arange(len(counts))
    hats = np.zeros((len(counts), len(_KNOTS) + 1), dtype=np.float32)
    hats[row, left], hats[row, left + 1] = 1 - share, share
    none = counts < 0
    hats[none] = 0
    hats[none, -1] = 1
    return hats


def event_hats(facts: TokenFacts, column: int) -> np.ndarray:
    """Time since the last event, number of earlier ones and of recent ones; float32 [row, feature].

    Labels are known up to this token only: `gather_facts` counts what happened before it.
    """
    counts = (facts.since_event, facts.earlier_events, facts.recent_events)
    hats = [
        count_hats(array if array.ndim == 1 else array[:, column])
        for array in counts
        if array is not None
    ]
    return np.concatenate(hats, axis=1)


def one_hot(names: tuple[str, ...]) -> np.ndarray:
    """Float32 [row, distinct name], columns in sorted order."""
    known, codes = np.unique(np.array(names), return_inverse=True)
    return np.asarray(np.eye(len(known), dtype=np.float32)[codes.ravel()])


def last_three(facts: TokenFacts) -> sparse.csr_matrix:
    """One-hot current, previous and pre-previous id, and the hashed pair of the last two."""
    ids = facts.recent[:, :3].astype(np.int64) + 1
    size = int(facts.recent.max(initial=0)) + 2
    mixed = ids[:, 0].astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    mixed ^= ids[:, 1].astype(np.uint64) * np.uint64(0xC2B2AE3D27D4EB4F)
    pair = (mixed >> np.uint64(40)).astype(np.int64) % _PAIRS
    places = np.concatenate([ids + size * np.arange(3), pair[:, None] + 3 * size], axis=1)
    return _indicator(places, 3 * size + _PAIRS)


def text_features(facts: TokenFacts) -> sparse.csr_matrix:
    """The last three tokens, a bag of the recent ones, and the two counts from the text."""
    size = int(facts.recent.max(initial=0)) + 2
    bag = _indicator(facts.recent.astype(np.int64) + 1, size)
    counts = np.concatenate([count_hats(facts.position), count_hats(facts.since_sentence)], axis=1)
    stacked = sparse.hstack([last_three(facts), bag, sparse.csr_matrix(counts)], format="csr")
    return sparse.csr_matrix(stacked, dtype=np.float32)


def _indicator(places: np.ndarray, width: int) -> sparse.csr_matrix:
    """Sparse counts [row, width] from column numbers [row, entry]."""
    rows, entries = places.shape
    bounds = np.arange(0, rows * entries + 1, entries)
    data = np.ones(rows * entries, dtype=np.float32)
    matrix = sparse.csr_matrix((data, places.ravel(), bounds), shape=(rows, width))
    matrix.sum_duplicates()
    return matrix
