"""Books that are nearly the same text: editions, copies, a part beside its whole.

Two books that share whole sentences must stand on one side of a split, whatever they are called.
They are compared by runs of eight words (shingles), of which every sixteenth, by its hash, is kept
(Broder 1997; the fixed share of the hash space makes sketches of a part and of its whole
comparable).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import xxhash
from scipy import sparse
from scipy.sparse.csgraph import connected_components

__all__ = ["NearDuplicate", "merge_groups", "near_duplicates", "sketch"]

_WORDS = 8
_EVERY = np.uint64(16)
_BASE = np.uint64(0x9E3779B97F4A7C15)
_FEWEST = 4
"""Sketches shorter than this say nothing: under about 64 words in common."""


@dataclass(frozen=True, slots=True)
class NearDuplicate:
    """Two texts of which much is the same."""

    first: str
    second: str
    shared: float
    """Share of the shorter one's sketch that is in the other's, 0 to 1."""


def sketch(text: str) -> np.ndarray:
    """Sorted hashes, uint64, of about one in sixteen runs of eight words; case and space ignored.

    Empty for a text of fewer words.
    """
    words = text.casefold().split()
    known = {word: xxhash.xxh3_64_intdigest(word.encode("utf-8", "replace")) for word in set(words)}
    codes = np.array([known[word] for word in words], dtype=np.uint64)
    count = len(codes) - _WORDS + 1
    if count < 1:
        return np.zeros(0, dtype=np.uint64)
    total = np.zeros(count, dtype=np.uint64)
    for offset in range(_WORDS):
        # Wraps around at 64 bits, as a polynomial hash is meant to.
        total = total * _BASE + codes[offset : offset + count]
    total ^= total >> np.uint64(29)
    return np.unique(total[total % _EVERY == 0])


def near_duplicates(
    sketches: Mapping[str, np.ndarray], *, least: float = 0.3
) -> tuple[NearDuplicate, ...]:
    """Pairs of texts of which at least the share `least` of the shorter one is in the other.

    Args:
        sketches: From `sketch`, by name.
        least: Share, 0 to 1.
    """
    names = list(sketches)
    hashes = [sketches[name] for name in names]
    owner = np.repeat(np.arange(len(names)), [len(each) for each in hashes])
    every = np.concatenate([*hashes, np.zeros(0, dtype=np.uint64)])
    distinct, column = np.unique(every, return_inverse=True)
    holds = sparse.csr_matrix(
        (np.ones(len(owner), dtype=np.int32), (owner, column)), shape=(len(names), len(distinct))
    )
    common = sparse.triu(holds @ holds.T, k=1).tocoo()
    pairs = []
    for a, b, count in zip(common.row, common.col, common.data, strict=True):
        size = min(len(hashes[a]), len(hashes[b]))
        if size >= _FEWEST and count / size >= least:
            pairs.append(NearDuplicate(names[a], names[b], float(count / size)))
    return tuple(pairs)


def merge_groups(names: list[str], pairs: tuple[NearDuplicate, ...]) -> dict[str, str]:
    """A group for each name: that of the first name which it is tied to by pairs."""
    number = {name: place for place, name in enumerate(names)}
    ends = np.array([[number[pair.first], number[pair.second]] for pair in pairs], dtype=np.int64)
    ends = ends.reshape(-1, 2)
    ties = sparse.csr_matrix(
        (np.ones(len(ends)), (ends[:, 0], ends[:, 1])), shape=(len(names), len(names))
    )
    _, component = connected_components(ties, directed=False)
    head: dict[int, str] = {}
    return {
        name: head.setdefault(int(label), name)
        for name, label in zip(names, component, strict=True)
    }
