"""The growing cache holds what the library's own cache holds."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import LlamaConfig
from transformers.cache_utils import DynamicCache

from augury.models.cache import growing_cache, keep_rows

CONFIG = LlamaConfig(num_hidden_layers=2, hidden_size=8, num_attention_heads=2, vocab_size=8)


@given(st.lists(st.integers(1, 90), min_size=1, max_size=6), st.integers(0, 5))
@settings(max_examples=20, deadline=None)
def test_any_sequence_of_updates_and_drops_equals_the_librarys_cache(
    updates: list[int], drop_after: int
) -> None:
    ours, theirs = growing_cache(CONFIG), DynamicCache(config=CONFIG)
    rows = 3
    for number, new in enumerate(updates):
        for layer in range(2):
            keys, values = torch.randn(2, rows, 2, new, 4)
            mine = ours.update(keys, values, layer)
            wanted = theirs.update(keys, values, layer)
            assert all(torch.equal(a, b) for a, b in zip(mine, wanted, strict=True))
        assert ours.get_seq_length() == theirs.get_seq_length() == sum(updates[: number + 1])
        if number == drop_after:
            kept = torch.tensor([2, 0])
            keep_rows(ours, kept)
            theirs.batch_select_indices(kept)
            rows = 2
