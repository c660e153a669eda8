"""Keys and values of running sequences, in buffers that grow in steps and lose finished rows."""

from __future__ import annotations

import copy
from typing import Any

import torch
from transformers.cache_utils import DynamicCache, DynamicLayer, DynamicSlidingWindowLayer

from augury.models.blocks import text_config

__all__ = ["branched", "can_join", "drop_front", "growing_cache", "join_rows", "keep_rows"]

_ROOM = 64


class _GrowingLayer(DynamicLayer):
    """Writes new states in place; the library's own layer copies everything at every token."""

    _filled = 0
    keys: Any
    values: Any

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        new = key_states.shape[-2]
        stop = self._filled + new
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
            self.keys, self.values = _room(key_states, stop), _room(value_states, stop)
        elif stop > self.keys.shape[-2]:
            self.keys = _moved(self.keys, self._filled, stop)
            self.values = _moved(self.values, self._filled, stop)
        self.keys[..., self._filled : stop, :] = key_states
        self.values[..., self._filled : stop, :] = value_states
        self._filled = stop
        return self.keys[..., :stop, :], self.values[..., :stop, :]

    def get_seq_length(self) -> int:
        return self._filled

    def keep(self, rows: torch.Tensor) -> None:
        self.keys, self.values = self.keys[rows], self.values[rows]

    def drop_front(self, tokens: int) -> None:
        self.keys, self.values = self.keys[..., tokens:, :], self.values[..., tokens:, :]
        self._filled -= tokens

    def join(self, other: _GrowingLayer) -> None:
        filled = max(self._filled, other._filled)
        self.keys, self.values = (
            torch.cat(
                [
                    _right_aligned(mine, self._filled, filled),
                    _right_aligned(its, other._filled, filled),
                ]
            )
            for mine, its in ((self.keys, other.keys), (self.values, other.values))
        )
        self._filled = filled


_SHAREABLE = (_GrowingLayer, DynamicLayer, DynamicSlidingWindowLayer)


def growing_cache(config: Any) -> DynamicCache:
    """An empty cache for a model of this config.

    Layers whose attention is a sliding window keep the library's own layer.
    """
    cache = DynamicCache(config=text_config(config))
    cache.layers = [
        _GrowingLayer() if type(layer) is DynamicLayer else layer for layer in cache.layers
    ]
    return cache


def keep_rows(cache: DynamicCache, rows: torch.Tensor) -> None:
    """Keep only these sequences of the batch, in this order."""
    layers: list[Any] = cache.layers
    for layer in layers:
        if isinstance(layer, _GrowingLayer):
            layer.keep(rows)
        else:
            layer.batch_select_indices(rows)


def can_join(cache: DynamicCache) -> bool:
    """Whether other sequences can be taken into this cache, and its beginning be dropped."""
    return all(isinstance(layer, _GrowingLayer) for layer in cache.layers)


def join_rows(cache: DynamicCache, other: DynamicCache) -> None:
    """Take in the sequences of `other` behind those of `cache`; the shorter is padded in front.

    Both are caches that `can_join`.
    """
    layers: list[Any] = cache.layers
    others: list[Any] = other.layers
    for mine, its in zip(layers, others, strict=True):
        mine.join(its)


def drop_front(cache: DynamicCache, tokens: int) -> None:
    """Drop the first tokens of every sequence of a cache that `can_join`."""
    layers: list[Any] = cache.layers
    for layer in layers:
        layer.drop_front(tokens)


def branched(cache: DynamicCache) -> DynamicCache:
    """A cache that goes on from the same states without changing what `cache` holds.

    States are shared, not copied: two branches must not be fed in turns.
    """
    other = copy.copy(cache)
    other.layers = [
        # These write behind what they hold, or into new tensors; others write where they stand.
        copy.copy(layer) if type(layer) in _SHAREABLE else copy.deepcopy(layer)
        for layer in cache.layers
    ]
    return other


def _right_aligned(buffer: torch.Tensor, filled: int, wanted: int) -> torch.Tensor:
    """The filled part of a buffer behind zeros, `wanted` tokens in all, with room to grow."""
    out = _room(buffer, wanted)
    out[..., : wanted - filled, :] = 0
    out[..., wanted - filled : wanted, :] = buffer[..., :filled, :]
    return out


def _room(states: torch.Tensor, stop: int) -> torch.Tensor:
    shape = (*states.shape[:-2], stop + _ROOM, states.shape[-1])
    return torch.empty(shape, dtype=states.dtype, device=states.device)


def _moved(buffer: torch.Tensor, filled: int, stop: int) -> torch.Tensor:
    larger = _room(buffer, max(stop, filled + filled // 2))
    larger[..., :filled, :] = buffer[..., :filled, :]
    return larger
