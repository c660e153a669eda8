from __future__ import annotations

from itertools import permutations

import numpy as np

from augury.evaluate.reorder import reorderings


def _all(traces: np.ndarray, n: int, seed: int = 0) -> np.ndarray:
    share = np.random.default_rng(seed).random((n, int(traces.max()) + 1))
    return np.concatenate([order for _, order in reorderings(traces, share)])


def test_rows_are_rotated_within_their_trace_even_where_traces_are_mixed() -> None:
    traces = np.array([0, 1, 0, 1, 0])
    found = {tuple(row) for row in _all(traces, 300)}
    expected = set()
    for a in range(3):
        for b in range(2):
            new = np.empty(5, int)
            new[[0, 2, 4]], new[[1, 3]] = np.roll([0, 2, 4], -a), np.roll([1, 3], -b)
            expected.add(tuple(new))
    assert found == expected


def test_traces_of_one_row_are_permuted_all_ways_alike() -> None:
    found, counts = np.unique(_all(np.arange(4), 4800), axis=0, return_counts=True)
    assert {tuple(row) for row in found} == set(permutations(range(4)))
    assert counts.min() > 140 and counts.max() < 260
