"""How many operations a pass through the blocks of a model takes."""

from __future__ import annotations

from typing import Any

import numpy as np

from augury.models.blocks import Blocks

__all__ = ["operations"]

_EXPERTS = ("num_experts", "num_local_experts", "n_routed_experts")
"""What families call the number of experts of a block."""


def operations(blocks: Blocks, lengths: np.ndarray) -> float:
    """Products and sums of linear layers and of causal attention, in the blocks that are loaded.

    Of experts only those count that a token is sent to. Attention counts as full, an upper bound
    where a window leaves some out.

    Args:
        blocks: The model.
        lengths: Tokens of each text, int [text].
    """
    config = blocks.config
    share = _share_of_experts(config)
    weights = sum(
        weight.numel() * (share if ".experts." in f".{name}" else 1.0)
        for layer in blocks.layers
        for name, weight in layer.named_parameters()
        if weight.ndim > 1
    )
    heads = int(getattr(config, "num_attention_heads", 1))
    channels = heads * int(getattr(config, "head_dim", None) or config.hidden_size // heads)
    # Scores and mixing: each token meets half of its text, twice two operations per channel.
    pairs = float((lengths.astype(float) ** 2).sum()) / 2
    return 2.0 * weights * float(lengths.sum()) + 4.0 * channels * len(blocks.layers) * pairs


def _share_of_experts(config: Any) -> float:
    """Part of a block's experts that one token is sent to."""
    found = [int(n) for name in _EXPERTS if (n := getattr(config, name, None))]
    return int(config.num_experts_per_tok) / found[0] if found else 1.0
