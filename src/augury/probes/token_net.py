"""Networks that score a span of tokens: one forward pass, for all seeds at once.

Every token's standardised state z runs through the same small network, heads score the result,
each head's token scores become one number per span, and a linear mix of the heads is the score:

    y_t = relu(... relu(z_t W_1 + c_1) ... W_depth + c_depth)        (y_t = z_t at depth 0)
    score = sum_h mix_h aggregate_h(u_h . y_1, ..., u_h . y_T) + bias

| kind        | aggregate over the tokens t of a span                                         |
|-------------|-------------------------------------------------------------------------------|
| `mlp`       | none: the span was pooled to one row before                                   |
| `attention` | sum_t softmax_t(q_h . y_t) (v_h . y_t)                                        |
| `multimax`  | max_t u_h . y_t                                                               |
| `softmax`   | sum_t softmax_t(s_t / temperature) s_t with s_t = u_h . y_t                   |
| `rolling`   | max_t of the mean of s over the last `window` tokens                          |
| `ema`       | max_t of the exponential moving average of s                                  |

`attention` and `multimax` are those of Kramár et al. 2026 (arXiv:2601.11516) as the thought-anchor
probes use them: one hidden layer of width 128 and 4 heads. The weights of all seeds are stacked, so
a step of eight seeds is one matrix product and not eight.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeAlias

import torch
from jaxtyping import Float

from augury.probes.net_config import (
    AttentionNet,
    EmaNet,
    MlpNet,
    MultiMaxNet,
    Net,
    RollingNet,
    SoftmaxNet,
)
from augury.probes.segments import Segments

__all__ = ["Weights", "forward", "initial_weights", "weight_shapes"]

Weights: TypeAlias = dict[str, torch.Tensor]
"""Name -> weights of all members, [member, ...]."""


_HEADS = {"value", "query"}


def weight_shapes(net: Net, hidden: int) -> dict[str, tuple[int, ...]]:
    """Shapes of one member's weights, in the order in which they are drawn."""
    shapes: dict[str, tuple[int, ...]] = {}
    width = hidden
    for layer in range(net.depth):
        shapes[f"layer{layer}.weight"] = (width, net.width)
        shapes[f"layer{layer}.bias"] = (net.width,)
        width = net.width
    shapes["value"] = (width, net.heads)
    if isinstance(net, AttentionNet):
        shapes["query"] = (width, net.heads)
    return shapes | {"mix": (net.heads,), "bias": ()}


def initial_weights(net: Net, hidden: int, seeds: tuple[int, ...]) -> Weights:
    """Draw each seed's weights from its own generator, whatever other seeds are there.

    Hidden layers and heads are uniform within 1 / sqrt(inputs). Heads come in opposite pairs (u and
    -u), and pairs are mixed with alternating signs: a maximum teaches only the token that it took,
    so whichever way a telling token deviates, a head of either sign has to take it from the start.
    """
    members = [_draw(net, hidden, seed) for seed in seeds]
    return {name: torch.stack([member[name] for member in members]) for name in members[0]}


def _draw(net: Net, hidden: int, seed: int) -> Weights:
    generator = torch.Generator().manual_seed(seed)
    drawn, bound = {}, 1.0
    for name, shape in weight_shapes(net, hidden).items():
        if len(shape) == 2:
            bound = 1 / math.sqrt(shape[0])
        drawn[name] = (2 * torch.rand(shape, generator=generator) - 1) * bound
    for name in _HEADS & drawn.keys():
        drawn[name][:, 1::2] = -drawn[name][:, 0 : net.heads - 1 : 2]
    signs = [(-1.0) ** (head // 2) for head in range(net.heads)]
    drawn["mix"] = torch.tensor(signs) / net.heads
    drawn["bias"] = torch.zeros(())
    return drawn


def forward(
    net: Net, weights: Weights, states: Float[torch.Tensor, "token hidden"], segments: Segments
) -> Float[torch.Tensor, "member span"]:
    """Score the spans of a batch with every member; `states` are standardised."""
    values = states
    for layer in range(net.depth):
        product = _times(values, weights[f"layer{layer}.weight"])
        values = (product + weights[f"layer{layer}.bias"][:, None]).relu_()
    heads = _AGGREGATES[type(net)](weights, values, segments, net)
    return torch.einsum("msh,mh->ms", heads, weights["mix"]) + weights["bias"][:, None]


def _times(values: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Product of each member, [token, in] or [member, token, in] -> [member, token, out]."""
    if values.ndim == 3:
        return torch.bmm(values, weight)
    # members that share their input are one wide product; eight narrow ones cost many times more
    members, _, out = weight.shape
    wide = values @ weight.transpose(0, 1).reshape(len(weight[0]), members * out)
    return wide.reshape(len(values), members, out).transpose(0, 1)


def _row(weights: Weights, values: torch.Tensor, segments: Segments, net: Net) -> torch.Tensor:
    return _times(values, weights["value"])


def _attention(
    weights: Weights, values: torch.Tensor, segments: Segments, net: Net
) -> torch.Tensor:
    shares = segments.softmax(_times(values, weights["query"]))
    return segments.sum(shares * _times(values, weights["value"]))


def _max(weights: Weights, values: torch.Tensor, segments: Segments, net: Net) -> torch.Tensor:
    return segments.max(_times(values, weights["value"]))


def _softmax(
    weights: Weights, values: torch.Tensor, segments: Segments, net: SoftmaxNet
) -> torch.Tensor:
    scores = _times(values, weights["value"])
    return segments.sum(segments.softmax(scores / net.temperature) * scores)


def _rolling(
    weights: Weights, values: torch.Tensor, segments: Segments, net: RollingNet
) -> torch.Tensor:
    return segments.max(segments.rolling_mean(_times(values, weights["value"]), net.window))


def _ema(weights: Weights, values: torch.Tensor, segments: Segments, net: EmaNet) -> torch.Tensor:
    return segments.max(segments.moving_average(_times(values, weights["value"]), net.half_life))


_AGGREGATES: dict[type[Net], Callable[..., torch.Tensor]] = {
    MlpNet: _row,
    AttentionNet: _attention,
    MultiMaxNet: _max,
    SoftmaxNet: _softmax,
    RollingNet: _rolling,
    EmaNet: _ema,
}
