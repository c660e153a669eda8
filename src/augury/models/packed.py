"""Dense packing: linear layers see one row of all tokens, attention runs one sequence at a time.

No token of padding is ever computed. transformers hands the attention of (almost) every family to
a function that can be registered; ours cuts the row at the borders of the sequences and lets
`scaled_dot_product_attention` work on each as if it were alone. Positions are those of each
sequence, so learned positions are right too. A family that computes attention by itself never
calls us, which `supports_packing` finds out by trying.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface

from augury.errors import CheckFailed
from augury.models.attention import (
    UNKNOWN,
    attention_named,
    show_attention,
    visible,
    weights_of_heads,
)
from augury.models.blocks import Blocks
from augury.models.hooks import capture

__all__ = ["Packed", "pack", "packed_attention", "supports_packing"]

_NAME = "augury_packed"
_lengths: ContextVar[list[int] | None] = ContextVar("lengths of the packed sequences", default=None)
_AGREEMENT = (1e-3, 0.1)
"""Relative distance of one token's state that right readings stay below: float32, and less."""


class Packed(NamedTuple):
    """Inputs of one forward pass, each int64 [1, token]."""

    input_ids: torch.Tensor
    """Token ids of all sequences, one behind the other."""

    position_ids: torch.Tensor
    """Position of each token in its own sequence, from 0."""


def pack(sequences: Sequence[np.ndarray], device: torch.device) -> Packed:
    """Sequences of ids in one row."""
    ids = np.concatenate(sequences).astype(np.int64)
    positions = np.concatenate([np.arange(len(sequence)) for sequence in sequences])
    return Packed(*(torch.from_numpy(row)[None].to(device) for row in (ids, positions)))


@contextmanager
def packed_attention(blocks: Blocks, lengths: Sequence[int]) -> Iterator[None]:
    """Inside, forward passes over one row treat it as sequences of these lengths.

    The model's attention implementation is put back afterwards.
    """
    token = _lengths.set(list(lengths))
    try:
        with attention_named(blocks, lambda _: _NAME):
            yield
    finally:
        _lengths.reset(token)


def supports_packing(blocks: Blocks) -> bool:
    """Whether every attention of the model takes a packed row, found by trying.

    Short sequences are read packed, in both orders, and each alone, with the model's own
    attention; every token's state must agree. False for families that compute attention by
    themselves, mix tokens by other means, or in a way that is not known here; they are read with
    padding.
    """
    parts = (part for layer in blocks.layers for part in layer.modules())
    if any(isinstance(part, torch.nn.Conv1d) for part in parts):
        return False
    windows = ("sliding_window", "attention_chunk_size")
    windowed = any(getattr(blocks.config, name, None) for name in windows)
    one, other = np.array([1, 2, 0, 2, 1]), np.array([2, 1, 1])
    alone = {len(ids): _last_states(blocks, pack([ids], _device(blocks))) for ids in (one, other)}
    for sequences in ((one, other), (other, one)):
        lengths = [len(ids) for ids in sequences]
        asked: list[bool] = []
        token = _asked.set(asked)
        try:
            with packed_attention(blocks, lengths):
                together = _last_states(blocks, pack(sequences, _device(blocks)))
        except torch.OutOfMemoryError:
            raise
        except (CheckFailed, TypeError, ValueError, RuntimeError, LookupError, AttributeError):
            return False
        finally:
            _asked.reset(token)
        if len(asked) != len(blocks.layers) or (windowed and not any(asked)):
            return False
        wanted = torch.cat([alone[length] for length in lengths])
        apart = (together - wanted).norm(dim=1) / wanted.norm(dim=1).clamp_min(1e-12)
        exact = next(blocks.embed.parameters()).dtype == torch.float32
        if not bool((apart <= (_AGREEMENT[0] if exact else _AGREEMENT[1])).all()):
            return False
    return True


def _last_states(blocks: Blocks, inputs: Packed) -> torch.Tensor:
    """Output of the last block, float32 [token, hidden]."""
    found: list[torch.Tensor] = []
    with capture(blocks, [f"resid.{len(blocks.layers) - 1}"], lambda _, x: found.append(x)) as run:
        run.run(inputs.input_ids, None, inputs.position_ids)
    return found[0][0].float()


def _device(blocks: Blocks) -> torch.device:
    return next(blocks.embed.parameters()).device


_asked: ContextVar[list[bool] | None] = ContextVar("layers of a trial pass", default=None)
"""For each attention that was computed: whether it told its window."""


def _attend(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    softcap: float | None = None,
    sliding_window: int | None = None,
    **others: Any,
) -> tuple[torch.Tensor, None]:
    """Causal attention of each sequence alone.

    Args:
        module: The attention sub-layer.
        query: Shape [1, head, token, channel].
        key: Shape [1, key head, token, channel].
        value: Shape [1, key head, token, channel].
        attention_mask: None; a mask would be one that we do not know.
        scaling: Of the products; one over the root of the channels when not given.
        softcap: Products are bent to stay within this.
        sliding_window: How many tokens are seen, the own one included; None for all before.
        others: Must not hold what changes attention in ways not handled here.

    Returns:
        Mixed values [1, token, head, channel]; no weights.
    """
    lengths = _lengths.get()
    strange = [name for name in UNKNOWN if others.get(name) is not None]
    if attention_mask is not None:
        strange.append("attention_mask")
    if not getattr(module, "is_causal", True) or others.get("is_causal") is False:
        strange.append("is_causal=False")
    if lengths is None or strange:
        raise CheckFailed(
            "packed attention",
            found=f"attention with {', '.join(strange) or 'no packed sequences'}",
            fix="set reading.batching=padded",
        )
    settings = {"scaling": scaling, "softcap": softcap, "sliding_window": sliding_window}
    show_attention(module, query, key, settings)
    if (asked := _asked.get()) is not None:
        asked.append(sliding_window is not None)
    groups = query.shape[1] // key.shape[1]
    if groups > 1:
        key, value = (x.repeat_interleave(groups, dim=1) for x in (key, value))
    mixed = value.new_empty((1, query.shape[2], query.shape[1], value.shape[3]))
    start = 0
    for q, k, v in zip(*(x.split(lengths, dim=2) for x in (query, key, value)), strict=True):
        window = sliding_window if sliding_window and q.shape[2] > sliding_window else None
        if softcap is None:
            out = scaled_dot_product_attention(
                q,
                k,
                v,
                attn_mask=None if window is None else visible(q.shape[2], window, q.device),
                is_causal=window is None,
                scale=scaling,
            )
        else:
            scale = q.shape[-1] ** -0.5 if scaling is None else scaling
            out = weights_of_heads(q, k, scale, softcap, window).to(v.dtype) @ v
        mixed[:, start : start + q.shape[2]] = out.transpose(1, 2)
        start += q.shape[2]
    return mixed, None


AttentionInterface.register(_NAME, _attend)
