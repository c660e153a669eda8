"""Each net is the formula of its docstring, for every member at once."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch

from augury.probes.net_config import (
    AttentionNet,
    EmaNet,
    MultiMaxNet,
    Net,
    RollingNet,
    SoftmaxNet,
)
from augury.probes.segments import Segments
from augury.probes.token_net import forward, initial_weights, weight_shapes

NETS = (
    AttentionNet(width=6, heads=3),
    AttentionNet(depth=0, heads=2),
    MultiMaxNet(depth=2, width=6),
    SoftmaxNet(temperature=0.5),
    RollingNet(window=3),
    EmaNet(half_life=2.0),
)
BOUNDS = (0, 1, 8, 12)


def one_span(net: Net, weights: dict[str, np.ndarray], states: np.ndarray) -> float:
    """The score of one span by one member, straight from the formulas."""
    values = states
    for layer in range(net.depth):
        layered = values @ weights[f"layer{layer}.weight"] + weights[f"layer{layer}.bias"]
        values = np.maximum(layered, 0)
    scores = values @ weights["value"]
    total = float(weights["bias"])
    for head in range(net.heads):
        s = scores[:, head]
        if isinstance(net, AttentionNet):
            share = np.exp(values @ weights["query"][:, head])
            aggregate = share @ s / share.sum()
        elif isinstance(net, SoftmaxNet):
            share = np.exp(s / net.temperature)
            aggregate = share @ s / share.sum()
        elif isinstance(net, RollingNet):
            size = min(net.window, len(s))
            aggregate = max(s[i : i + size].mean() for i in range(len(s) - size + 1))
        elif isinstance(net, EmaNet):
            decay, state, seen = 2 ** (-1 / net.half_life), 0.0, []
            for value in s:
                state = decay * state + (1 - decay) * value
                seen.append(state)
            aggregate = max(seen)
        else:
            aggregate = s.max()
        total += float(weights["mix"][head] * aggregate)
    return total


@pytest.mark.parametrize("net", NETS, ids=lambda net: type(net).__name__)
def test_a_net_is_its_formula_for_every_member_and_span(net: Net) -> None:
    weights = initial_weights(net, 5, (3, 4))
    weights = {name: weight.double() + 0.1 for name, weight in weights.items()}
    states = torch.randn(12, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    found = forward(net, weights, states, Segments(torch.tensor(BOUNDS)))
    for member in range(2):
        own = {name: weight[member].numpy() for name, weight in weights.items()}
        for span, (first, last) in enumerate(pairwise(BOUNDS)):
            expected = one_span(net, own, states[first:last].numpy())
            assert float(found[member, span]) == pytest.approx(expected, rel=1e-9)


def test_a_seed_draws_the_same_weights_in_any_company() -> None:
    net = AttentionNet(width=6)
    among, alone = initial_weights(net, 5, (0, 7, 2)), initial_weights(net, 5, (7,))
    for name, shape in weight_shapes(net, 5).items():
        assert alone[name].shape == (1, *shape)
        assert torch.equal(among[name][1], alone[name][0])
    assert not torch.equal(among["value"][0], among["value"][1])


def test_heads_start_as_opposite_pairs_of_either_sign() -> None:
    """A maximum that never takes the telling token never learns of it."""
    for heads in (1, 3, 4):
        weights = initial_weights(AttentionNet(heads=heads), 5, (0,))
        for name in ("value", "query"):
            drawn = weights[name][0]
            assert torch.equal(drawn[:, 1::2], -drawn[:, 0::2][:, : heads // 2])
        assert np.sign(weights["mix"][0].tolist()).tolist() == [1, 1, -1, -1][:heads]
