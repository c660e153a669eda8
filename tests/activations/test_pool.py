"""Pooling agrees with a loop over spans, keeps digits, and does not see the neighbours."""

from __future__ import annotations

import pytest
import torch

from augury.activations.pool import Pooling, pool

OFFSETS = torch.tensor([0, 3, 4, 9])


@pytest.mark.parametrize("how", ["first", "last", "mean", "max"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_it_is_what_a_loop_over_spans_gives(how: Pooling, dtype: torch.dtype) -> None:
    tokens = (torch.randn(9, 5, generator=torch.Generator().manual_seed(0)) * 100 - 300).to(dtype)
    by_hand = {
        "first": lambda span: span[0],
        "last": lambda span: span[-1],
        "mean": lambda span: span.mean(dim=0),
        "max": lambda span: span.amax(dim=0),
    }[how]
    expected = torch.stack([by_hand(tokens[a:b].float()) for a, b in ((0, 3), (3, 4), (4, 9))])
    found = pool(tokens, OFFSETS, how)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=0)


@pytest.mark.parametrize("how", ["first", "last", "mean", "max"])
def test_a_row_has_the_same_bits_alone_and_among_others(how: Pooling) -> None:
    tokens = torch.randn(9, 5, generator=torch.Generator().manual_seed(1))
    alone = pool(tokens[4:], torch.tensor([0, 5]), how)
    assert torch.equal(pool(tokens, OFFSETS, how)[2:], alone)
