"""The same row scores to the same bits, whatever surrounds it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from augury.errors import DataError
from augury.probes.linear import LinearGrid, LinearProbe, probe_of, rescore, scores


def probe_and_states(hidden: int, rows: int = 300) -> tuple[LinearProbe, np.ndarray]:
    rng = np.random.default_rng(hidden)
    states = (rng.normal(size=(rows, hidden)) * 10 ** rng.uniform(-3, 3, hidden)).astype(np.float32)
    return LinearProbe(rng.normal(size=hidden).astype(np.float32), 0.3), states


@settings(max_examples=60, deadline=None)
@given(
    hidden=st.sampled_from([1, 2, 3, 7, 64, 129, 768, 4099]),
    first=st.integers(0, 299),
    count=st.integers(1, 300),
    stride=st.sampled_from([1, 2, 5]),
)
def test_any_slice_of_rows_scores_to_the_same_bits(
    hidden: int, first: int, count: int, stride: int
) -> None:
    probe, states = probe_and_states(hidden)
    rows = slice(first, first + count, stride)
    np.testing.assert_array_equal(probe.score(states[rows]), probe.score(states)[rows])


def test_layout_and_memory_offset_do_not_change_a_bit() -> None:
    probe, states = probe_and_states(67)
    expected = probe.score(states)
    np.testing.assert_array_equal(probe.score(np.asfortranarray(states)), expected)
    shifted = np.empty(states.size + 1, dtype=np.float32)[1:].reshape(states.shape)
    shifted[:] = states
    np.testing.assert_array_equal(probe.score(shifted), expected)
    np.testing.assert_array_equal(probe.score(torch.from_numpy(states)), expected)


def test_bfloat16_rows_score_as_their_float32_values() -> None:
    probe, states = probe_and_states(64)
    half = torch.from_numpy(states).bfloat16()
    np.testing.assert_array_equal(probe.score(half), probe.score(half.float().numpy()))


def test_scores_are_the_product_plus_the_bias() -> None:
    probe, states = probe_and_states(129)
    expected = states.astype(np.float64) @ probe.weight.astype(np.float64) + probe.bias
    np.testing.assert_allclose(probe.score(states), expected, rtol=1e-6, atol=1e-4)


def test_a_column_of_a_grid_scores_as_the_probe_taken_out_of_it() -> None:
    _, states = probe_and_states(50)
    rng = np.random.default_rng(0)
    weight = rng.normal(size=(5, 50)).astype(np.float32)
    grid = LinearGrid(weight, rng.normal(size=5), ("",) * 5)
    together = scores(states, grid)
    for column in range(5):
        np.testing.assert_array_equal(probe_of(grid, column).score(states), together[:, column])


def test_states_of_another_width_are_refused() -> None:
    probe, states = probe_and_states(64)
    with pytest.raises(DataError, match=r"expected \[row, 64\]"):
        probe.score(states[:, :63])


def test_chosen_rows_score_as_they_do_among_the_others() -> None:
    probe, states = probe_and_states(50)
    other, _ = probe_and_states(50)
    used = np.random.default_rng(1).random(len(states)) < 0.3
    expected = np.stack([probe.score(states), other.score(states)], axis=1)[used]
    for kind in (states, torch.from_numpy(states)):
        np.testing.assert_array_equal(rescore(kind, [probe, other], used), expected)
    assert rescore(states, [probe], np.zeros(300, dtype=bool)).shape == (0, 1)
