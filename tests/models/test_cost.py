"""Operations are those that torch counts while the model runs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import LlamaConfig, LlamaForCausalLM, MixtralConfig, MixtralForCausalLM

from augury.models.blocks import locate
from augury.models.cost import operations

SMALL: dict[str, Any] = {
    "vocab_size": 32,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "attn_implementation": "eager",
}
LENGTH = 24


@pytest.mark.parametrize(
    "model",
    [
        LlamaForCausalLM(LlamaConfig(**SMALL)),
        LlamaForCausalLM(LlamaConfig(**SMALL, head_dim=16)),
        MixtralForCausalLM(MixtralConfig(**SMALL, num_local_experts=8, num_experts_per_tok=2)),
    ],
    ids=["heads as wide as the model", "wider heads", "two of eight experts"],
)
def test_operations_are_those_that_torch_counts(model: Any) -> None:
    blocks = locate(model.eval())
    # torch does not count what fused kernels do.
    model.config._experts_implementation = "eager"
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        blocks.decoder(torch.zeros((1, LENGTH), dtype=torch.long), use_cache=False)
    # Eager attention computes what the causal mask throws away, too.
    channels = (model.config.head_dim or 8) * model.config.num_attention_heads
    thrown_away = 2 * channels * LENGTH**2 * len(blocks.layers)
    ours = operations(blocks, np.array([LENGTH])) + thrown_away
    assert counter.get_total_flops() == pytest.approx(ours, rel=0.02)
