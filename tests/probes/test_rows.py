"""Blocks tile the used rows, and moments are those of NumPy in float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from augury.probes.rows import block_rows, blocks, moments


@pytest.mark.parametrize("share", [0.02, 0.5, 1.0])
def test_blocks_hold_every_used_row_once_and_in_order(share: float) -> None:
    rng = np.random.default_rng(0)
    states = rng.normal(size=(40_000, 3)).astype(np.float32)
    used = rng.random(len(states)) < share
    used[: block_rows(3)] = False
    pieces = list(blocks(states, used)) if share < 1 else list(blocks(states, used | True))
    expected = states[used] if share < 1 else states
    assert len(pieces) > 1
    np.testing.assert_array_equal(np.concatenate([block for _, block in pieces]), expected)
    for rows, block in pieces:
        np.testing.assert_array_equal(states[rows], block)


def test_moments_agree_with_numpy_for_arrays_and_tensors() -> None:
    rng = np.random.default_rng(1)
    states = (rng.normal(size=(3000, 5)) * [1, 10, 1e-3, 1, 1] + [0, 1e3, 1, -5, 0]).astype(
        np.float32
    )
    used = rng.random(3000) < 0.7
    chosen = states[used].astype(np.float64)
    for held in (states, torch.from_numpy(states)):
        facts = moments(held, used)
        assert (np.abs(facts.mean - chosen.mean(0)) < 1e-6 * chosen.std(0)).all()
        np.testing.assert_allclose(facts.deviation, chosen.std(0), rtol=1e-6)
        assert facts.rows == used.sum()


def test_a_constant_feature_has_deviation_exactly_zero() -> None:
    states = np.full((5000, 2), [0.1, 12345.678], dtype=np.float32)
    assert not moments(states, np.ones(5000, bool)).deviation.any()


def test_an_enormous_first_token_costs_no_digits() -> None:
    states = np.random.default_rng(2).normal(size=(60_000, 3)).astype(np.float32)
    states[0] = 1e5
    chosen = states[1:].astype(np.float64)
    used = np.ones(len(states), bool)
    whole = moments(states, used).deviation
    np.testing.assert_allclose(whole, states.astype(np.float64).std(0), rtol=1e-6)
    used[0] = False
    np.testing.assert_allclose(moments(states, used).deviation, chosen.std(0), rtol=1e-6)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_other_number_types_come_as_float32_of_the_same_value(dtype: torch.dtype) -> None:
    states = torch.randn(30_000, 3, generator=torch.Generator().manual_seed(0)).to(dtype)
    used = np.arange(len(states)) % 5 > 0
    used[: block_rows(3)] = True
    found = torch.cat([block.clone() for _, block in blocks(states, used)])
    assert found.dtype == torch.float32
    assert torch.equal(found, states[torch.from_numpy(used)].float())
