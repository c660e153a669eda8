"""What the model itself says next, from stored final states: no second reading is needed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from augury.activations.store import Store
from augury.models.load import ModelConfig, load_model

__all__ = ["map_logits"]

_FINAL = "final"
_LARGEST = 1 << 26
"""Logits that are held at once: 256 MB of them in float32."""


def map_logits(
    store: Store, model: ModelConfig, function: Callable[[torch.Tensor], torch.Tensor]
) -> np.ndarray:
    """Apply `function` to the next-token logits [row, vocabulary] of all rows, block by block.

    Args:
        store: With the site `final`.
        model: Whose states they are.
        function: From float32 logits to one value, or a few, per row.

    Returns:
        [row] or [row, value], in the order of the store.

    Raises:
        UsageError: The store has no final states.
    """
    loaded = load_model(model)
    states = store[_FINAL]
    with torch.no_grad():
        width = loaded.blocks.logits(states[:1].to(loaded.device, loaded.dtype)).shape[1]
        step = max(1, _LARGEST // int(width))
        blocks = []
        for first in range(0, store.n_rows, step):
            block = states[first : first + step].to(loaded.device, loaded.dtype)
            blocks.append(function(loaded.blocks.logits(block).float()).cpu())
    return torch.cat(blocks).numpy()
