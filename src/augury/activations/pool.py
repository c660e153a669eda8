"""How a span of tokens becomes one row: `last`, `mean`, `max` or `first`, on its own device."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int

from augury.activations.plan import Pooling

__all__ = ["Pooling", "pool"]


def pool(
    tokens: Float[torch.Tensor, "token hidden"],
    offsets: Int[torch.Tensor, " bound"],
    how: Pooling,
) -> Float[torch.Tensor, "span hidden"]:
    """Reduce every span to one row; nothing is padded and nothing leaves the device.

    Args:
        tokens: Hidden states of all spans, one span after the other.
        offsets: Span i is `tokens[offsets[i]:offsets[i + 1]]`; from 0 up to the number of tokens,
            no span empty, on the device of `tokens`.
        how: `mean` and `max` are taken coordinate by coordinate.

    Returns:
        Float32, so that a mean of bfloat16 rows keeps its digits. A span's row does not depend on
        the spans around it, bit for bit.
    """
    if how == "first":
        return tokens[offsets[:-1]].float()
    if how == "last":
        return tokens[offsets[1:] - 1].float()
    return torch.segment_reduce(tokens.float(), how, offsets=offsets, axis=0)
