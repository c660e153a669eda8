"""A constructed Llama in which it is known what makes it say a word, and what only looks like it.

Tokens are words. After the word SLIP anywhere in its context the model says WAIT with a probability
of about 0.4, else 0.05. Attention of block 1 copies SLIP into two coordinates, FLAG and ECHO; the
MLP of block 2 turns FLAG into a logit; nothing reads ECHO. The MLP of block 0 writes a constant
without which neither of them works. All other sub-layers write noise that the head hardly reads.
"""

from __future__ import annotations

import numpy as np
import torch
from tests.families import loaded_from
from transformers import LlamaConfig, LlamaForCausalLM

from augury.causal.moments import Moment
from augury.models.load import LoadedModel

WORDS, WIDTH, BLOCKS, INNER = 16, 48, 4, 32
BOS, EOS, SLIP, WAIT, JUNK = 1, 2, 13, 14, 15
FILLERS = np.arange(3, 13)
CONSTANT, FLAG, ECHO, OUT, NOISE = 16, 17, 18, 19, 20
SITES = tuple(f"{kind}.{block}" for block in range(BLOCKS) for kind in ("attn", "mlp"))


def planted_model() -> LoadedModel:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=WORDS,
        hidden_size=WIDTH,
        intermediate_size=INNER,
        num_hidden_layers=BLOCKS,
        num_attention_heads=4,
        max_position_embeddings=64,
        rope_theta=1e8,
        bos_token_id=BOS,
        eos_token_id=EOS,
        tie_word_embeddings=False,
    )
    model = LlamaForCausalLM(config).eval().requires_grad_(False)
    noise = torch.randn(WORDS, WIDTH - NOISE)
    embed = model.model.embed_tokens.weight
    embed.zero_()
    embed[:, :WORDS] = torch.eye(WORDS)
    embed[:, NOISE:] = 1.5 * noise / noise.norm(dim=1, keepdim=True)
    for layer in model.model.layers:
        for part in (layer.self_attn.o_proj, layer.mlp.down_proj):
            part.weight.zero_()
            part.weight[NOISE:].normal_(0, 0.03)
    _plant(model)
    return loaded_from(model)


def _plant(model: LlamaForCausalLM) -> None:
    first, second, third = model.model.layers[:3]
    _only_row(first.mlp.gate_proj.weight, 0, slice(0, WORDS), 1.0)
    _only_row(first.mlp.up_proj.weight, 0, slice(0, WORDS), 1.0)
    first.mlp.down_proj.weight.zero_()
    first.mlp.down_proj.weight[CONSTANT, 0] = 0.3
    # Channel 5 of a head turns so slowly with the position that it does not matter.
    attention = second.self_attn
    for part in (attention.q_proj, attention.k_proj, attention.v_proj):
        part.weight[:12].zero_()
    attention.q_proj.weight[5, CONSTANT] = 2.0
    attention.k_proj.weight[5, SLIP] = 3.0
    attention.v_proj.weight[0, SLIP] = 1.0
    attention.o_proj.weight[:, :12].zero_()
    attention.o_proj.weight[[FLAG, ECHO], 0] = 1.3
    _only_row(third.mlp.gate_proj.weight, 0, FLAG, 1.0)
    _only_row(third.mlp.up_proj.weight, 0, CONSTANT, 0.2)
    third.mlp.down_proj.weight[:, 0] = 0.0
    third.mlp.down_proj.weight[OUT, 0] = 1.0
    head = model.lm_head.weight
    head.zero_()
    head[3:13, NOISE:].normal_(0, 0.1)
    head[WAIT, CONSTANT], head[WAIT, OUT] = -0.12, 0.6
    head[[0, BOS, EOS, SLIP], CONSTANT] = -3.0
    head[JUNK, CONSTANT] = -1.5


def _only_row(weight: torch.Tensor, row: int, columns: slice | int, value: float) -> None:
    weight[row] = 0.0
    weight[row, columns] = value


def prompts(count: int, *, slips: bool, seed: int) -> list[list[int]]:
    """Prompts of 8 to 12 words, with one SLIP each or none."""
    rng = np.random.default_rng(seed)
    out = []
    for _ in range(count):
        words = rng.choice(FILLERS, rng.integers(7, 12)).tolist()
        if slips:
            words[int(rng.integers(0, len(words) - 2))] = SLIP
        out.append([BOS, *words])
    return out


def moments(count: int, *, slips: bool, seed: int) -> list[Moment]:
    """The end of each prompt, one prompt per group."""
    kind = "slip" if slips else "none"
    return [
        Moment(f"{kind}{n}", f"group{n}", np.array(ids))
        for n, ids in enumerate(prompts(count, slips=slips, seed=seed))
    ]


def axis(coordinate: int) -> np.ndarray:
    return np.eye(WIDTH)[coordinate]
