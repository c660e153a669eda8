"""Sequences that a model is in the middle of: ids, mask, positions and cache, one token a step."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from transformers.cache_utils import DynamicCache

from augury.models.cache import (
    branched,
    can_join,
    drop_front,
    growing_cache,
    join_rows,
    keep_rows,
)
from augury.models.load import LoadedModel

__all__ = ["Running"]


class Running:
    """One batch, padded on the left. The first step reads the prompts, later ones one token each.

    Args:
        loaded: A model; with its head for `next_logits`.
        prompts: Token ids of each sequence, none of them empty.
    """

    def __init__(self, loaded: LoadedModel, prompts: Sequence[Sequence[int]]) -> None:
        longest = max(map(len, prompts))
        ids = np.zeros((len(prompts), longest), dtype=np.int64)
        mask = np.zeros_like(ids)
        for row, prompt in enumerate(prompts):
            ids[row, longest - len(prompt) :] = prompt
            mask[row, longest - len(prompt) :] = 1
        self.loaded = loaded
        self.cache: DynamicCache = growing_cache(loaded.blocks.config)
        self.mask = torch.from_numpy(mask).to(loaded.device)
        self.positions = (self.mask.cumsum(1) - 1).clamp_min(0)
        self.ids = torch.from_numpy(ids).to(loaded.device)
        self.even = bool(mask.all())

    def next_states(self) -> torch.Tensor:
        """Read what was appended; states behind the final norm, at its last token [row, hidden]."""
        output: Any = self.loaded.blocks.decoder(
            input_ids=self.ids,
            # Without padding no mask is needed, and attention takes its fastest path.
            attention_mask=None if self.even else self.mask,
            position_ids=self.positions,
            past_key_values=self.cache,
            use_cache=True,
        )
        states: torch.Tensor = output.last_hidden_state[:, -1]
        return states

    def next_logits(self) -> torch.Tensor:
        """Logits of the next token [sequence, vocabulary]."""
        return self.loaded.blocks.logits(self.next_states())

    def append(self, tokens: np.ndarray) -> None:
        """Feed these tokens next, one per sequence."""
        self.ids = torch.from_numpy(tokens).to(self.loaded.device)[:, None]
        self.positions = self.positions[:, -1:] + 1
        self.mask = torch.cat([self.mask, torch.ones_like(self.ids)], dim=1)

    def keep(self, rows: np.ndarray) -> None:
        """Drop every other sequence; one that is named several times is then there as often."""
        index = torch.from_numpy(rows).to(self.loaded.device)
        keep_rows(self.cache, index)
        self.ids, self.positions, self.mask = (
            self.ids[index],
            self.positions[index],
            self.mask[index],
        )

    @property
    def joinable(self) -> bool:
        """Whether `join` can be called; not where a layer keeps a window of its own."""
        return can_join(self.cache)

    def join(self, other: Running) -> None:
        """Take in another batch, of which as little is unread: one token per sequence.

        What every sequence was padded with is dropped, so that padding does not pile up.
        """
        join_rows(self.cache, other.cache)
        width = max(self.mask.shape[1], other.mask.shape[1])
        self.mask = torch.cat([_widened(one.mask, width) for one in (self, other)])
        self.ids = torch.cat([self.ids, other.ids])
        self.positions = torch.cat([self.positions, other.positions])
        padding = int(self.mask.any(dim=0).to(torch.uint8).argmax())
        self.mask = self.mask[:, padding:]
        drop_front(self.cache, padding)
        self.even = bool(self.mask.all())

    def branch(self) -> Running:
        """The same sequences at the same place; what a branch reads, this one never sees.

        Branches share what was read so far, so only one of them may be running at a time.
        """
        other = copy.copy(self)
        other.cache = branched(self.cache)
        return other


def _widened(mask: torch.Tensor, width: int) -> torch.Tensor:
    return torch.nn.functional.pad(mask, (width - mask.shape[1], 0))
