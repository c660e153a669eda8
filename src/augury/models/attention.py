"""What attention is given: queries and keys on their way to the model's own kernel.

transformers hands the attention of (almost) every family to a function that can be registered.
Inside `watched_attention` that function is ours: it shows what it was given and leaves the work to
the kernel that the model would have used, behind the mask that the model would have made. Queries
and keys are behind rotary positions and their norms there, and key heads are not repeated yet.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import nn
from transformers import AttentionInterface, AttentionMaskInterface

from augury.errors import ConfigError
from augury.models.blocks import Blocks

__all__ = [
    "UNKNOWN",
    "AttentionSettings",
    "Seen",
    "attention_named",
    "attention_settings",
    "attention_weights",
    "show_attention",
    "visible",
    "watched_attention",
    "weights_of_heads",
]

UNKNOWN = ("s_aux", "position_bias", "sinks")
"""Arguments that change attention in ways that are not handled here."""

_PREFIX = "augury_watched_"
_Watcher = Callable[[nn.Module, torch.Tensor, torch.Tensor, Mapping[str, Any]], None]
_watcher: ContextVar[_Watcher | None] = ContextVar("who watches attention", default=None)
_busy = threading.RLock()
"""A model's config names its attention for all threads, so one thread at a time renames it."""


class Seen(NamedTuple):
    """One call of attention."""

    block: int
    """Of which block, from 0."""

    query: torch.Tensor
    """[sequence, head, token, channel]."""

    key: torch.Tensor
    """[sequence, key head, token, channel]."""

    settings: Mapping[str, Any]
    """Further arguments of the call, as the model names them."""


class AttentionSettings(NamedTuple):
    """How attention of one block turns queries and keys into weights."""

    heads: int
    """Heads of a query row."""

    key_heads: int
    """Heads of a key row; query head `h` uses key head `h // (heads // key_heads)`."""

    scaling: float
    """The products of queries and keys are multiplied by this."""

    softcap: float | None
    """Then they are bent to stay within this, as `softcap * tanh(x / softcap)`; None: they are not.
    """

    window: int | None
    """How many tokens are seen, the own one included; None for all before."""


@contextmanager
def watched_attention(blocks: Blocks, on_attention: Callable[[Seen], None]) -> Iterator[None]:
    """Inside, every attention of a block shows what it is given, and computes what it always does.

    Attention that does not go through transformers' interface shows nothing.
    """
    block_of = {
        id(part): number for number, layer in enumerate(blocks.layers) for part in layer.modules()
    }

    def watch(
        module: nn.Module, query: torch.Tensor, key: torch.Tensor, settings: Mapping[str, Any]
    ) -> None:
        if (block := block_of.get(id(module))) is not None:
            on_attention(Seen(block, query, key, settings))

    token = _watcher.set(watch)
    try:
        with attention_named(blocks, _watched):
            yield
    finally:
        _watcher.reset(token)


@contextmanager
def attention_named(blocks: Blocks, rename: Callable[[str], str]) -> Iterator[None]:
    """Inside, the model's attention has another registered name; afterwards its own again."""
    configs = _attention_configs(blocks)
    with _busy:
        before = [config._attn_implementation for config in configs]
        try:
            for config, name in zip(configs, before, strict=True):
                config._attn_implementation = rename(name or "eager")
            yield
        finally:
            for config, name in zip(configs, before, strict=True):
                config._attn_implementation = name


def show_attention(
    module: nn.Module, query: torch.Tensor, key: torch.Tensor, settings: Mapping[str, Any]
) -> None:
    """Show one call to whoever watches; every registered function of ours begins with this."""
    if (watcher := _watcher.get()) is not None:
        watcher(module, query, key, settings)


def attention_settings(blocks: Blocks, block: int) -> AttentionSettings:
    """What attention of one block is told, found by letting the model read one token.

    Raises:
        ConfigError: This attention does not go through transformers' interface, or does more than
            scaling, capping and a window.
    """
    calls: list[Seen] = []
    one = torch.zeros((1, 1), dtype=torch.long, device=next(blocks.embed.parameters()).device)
    with torch.no_grad(), watched_attention(blocks, calls.append):
        blocks.decoder(input_ids=one, position_ids=one, use_cache=False)
    mine = [call for call in calls if call.block == block]
    strange = [name for call in mine for name in UNKNOWN if call.settings.get(name) is not None]
    if len(mine) != 1 or strange:
        raise ConfigError(
            f"attention of block {block}",
            found=f"{len(mine)} calls through transformers' interface"
            + "".join(f", with {name}" for name in strange),
            expected="one call, with nothing but scaling, softcap and sliding_window",
            fix="leave query and key sites out of reading.sites",
        )
    query, key, told = mine[0].query, mine[0].key, mine[0].settings
    scaling = told.get("scaling")
    return AttentionSettings(
        heads=query.shape[1],
        key_heads=key.shape[1],
        scaling=query.shape[3] ** -0.5 if scaling is None else float(scaling),
        softcap=told.get("softcap"),
        window=told.get("sliding_window"),
    )


def attention_weights(
    query: torch.Tensor, key: torch.Tensor, settings: AttentionSettings
) -> torch.Tensor:
    """Attention weights of one text from its rows at `query.i` and `key.i`.

    Args:
        query: Rows of all tokens of the text, [token, head * channel].
        key: Likewise, [token, key head * channel].
        settings: Of the same block.

    Returns:
        float32 [head, token, token]; each row sums to 1 over the tokens that its token sees.
    """
    heads = query.unflatten(1, (settings.heads, -1)).transpose(0, 1)
    keys = key.unflatten(1, (settings.key_heads, -1)).transpose(0, 1)
    keys = keys.repeat_interleave(settings.heads // settings.key_heads, dim=0)
    return weights_of_heads(heads, keys, settings.scaling, settings.softcap, settings.window)


def weights_of_heads(
    query: torch.Tensor,
    key: torch.Tensor,
    scaling: float,
    softcap: float | None,
    window: int | None,
) -> torch.Tensor:
    """Causal attention weights, float32 [..., head, token, token].

    Args:
        query: [..., head, token, channel].
        key: Of the same shape: key heads are repeated already.
        scaling: See `AttentionSettings`, as the next two.
        softcap: See there.
        window: See there.
    """
    products = query @ key.mT * scaling
    if softcap is not None:
        products = torch.tanh(products / softcap) * softcap
    hidden = ~visible(query.shape[-2], window, query.device)
    return products.masked_fill(hidden, float("-inf")).softmax(-1, dtype=torch.float32)


def visible(length: int, window: int | None, device: torch.device) -> torch.Tensor:
    """True where the token of the row sees the token of the column, [token, token]."""
    ones = torch.ones((length, length), dtype=torch.bool, device=device)
    return ones.tril() if window is None else ones.tril().triu(1 - window)


def _attention_configs(blocks: Blocks) -> list[Any]:
    """The config that each attention asks for its function; most families share one."""
    parts = [blocks.decoder, *(part for layer in blocks.layers for part in layer.children())]
    found = {id(part.config): part.config for part in parts if hasattr(part, "config")}
    return [config for config in found.values() if hasattr(config, "_attn_implementation")]


def _watched(own: str) -> str:
    """Name under which a kernel is registered that shows what it is given; with the same mask."""
    if own.startswith(_PREFIX):
        return own
    name = _PREFIX + own
    masks = AttentionMaskInterface()
    if name not in AttentionInterface():
        AttentionInterface.register(name, partial(_show_and_attend, own))
        if own in masks:
            AttentionMaskInterface.register(name, masks[own])
    return name


def _show_and_attend(
    own: str,
    module: nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    **settings: Any,
) -> Any:
    show_attention(module, query, key, settings)
    config: Any = module.config
    watched = config._attn_implementation
    # Some kernels look their own name up.
    config._attn_implementation = own
    try:
        return _kernel(own, module)(module, query, key, value, attention_mask, **settings)
    finally:
        config._attn_implementation = watched


def _kernel(own: str, module: nn.Module) -> Callable[..., Any]:
    """What the model's own code would have called: eager attention differs from file to file."""
    for kind in type(module).__mro__:
        home = sys.modules[kind.__module__]
        if hasattr(home, "ALL_ATTENTION_FUNCTIONS") and hasattr(home, "eager_attention_forward"):
            kernel: Callable[..., Any] = home.ALL_ATTENTION_FUNCTIONS.get(
                own, home.eager_attention_forward
            )
            return kernel
    raise ConfigError(
        f"attention of {type(module).__name__}",
        found="no `eager_attention_forward` beside its class",
        expected="a family written as transformers writes them",
        fix="leave query and key sites out of reading.sites",
    )
