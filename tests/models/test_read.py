"""Padded batches against transformers, one sequence at a time."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from augury.errors import CheckFailed
from augury.models import packed, read
from augury.models.load import LoadedModel, ModelConfig, load_model
from augury.models.packed import supports_packing
from augury.models.read import Padded, pad_right, read_rows
from augury.models.reference import distance, reference_of

Tiny = Callable[[str], LoadedModel]

SITES = ["embed", "attn.0", "mlp.0", "resid.0", "attn.1", "mlp.1", "resid.1", "final"]


def _worst(
    loaded: LoadedModel, sequences: list[np.ndarray], sites: list[str], *, packed: bool = False
) -> float:
    rows = [np.arange(len(ids)) for ids in sequences]
    batch = read_rows(loaded, sequences, rows, sites, packed=packed)
    references = [reference_of(loaded, ids) for ids in sequences]
    return max(
        distance(ours, reference.site(site))
        for site in sites
        for ours, reference in zip(
            batch[site].split([len(ids) for ids in sequences]), references, strict=True
        )
    )


def _left_without(what: str) -> Callable[..., Padded]:
    """A padder with a classical fault."""

    def pad(sequences: list[np.ndarray], device: torch.device) -> Padded:
        right = pad_right(sequences, device)
        shifts = [len(right.input_ids[0]) - len(ids) for ids in sequences]
        ids, mask, positions = (
            torch.stack([row.roll(k) for row, k in zip(column, shifts, strict=True)])
            for column in right
        )
        if what == "mask":
            mask = torch.ones_like(mask)
        else:
            positions = torch.arange(mask.shape[1]).expand_as(mask)
        return Padded(ids, mask, positions)

    return pad


@pytest.mark.parametrize("packing", [False, True], ids=["padded", "packed"])
def test_every_site_of_every_family_equals_single_sequence_reading(
    family: str, packing: bool, tiny: Tiny, sequences: list[np.ndarray]
) -> None:
    assert _worst(tiny(family), sequences, SITES, packed=packing) < 2e-6


@pytest.mark.parametrize("size", [1, 3, 5])
def test_order_and_size_of_the_batch_do_not_matter(
    size: int, tiny: Tiny, sequences: list[np.ndarray]
) -> None:
    for order in np.random.default_rng(size).permuted([range(5)] * 3, axis=1):
        chosen = [sequences[k] for k in order[:size]]
        assert _worst(tiny("gpt2"), chosen, ["resid.1", "final"]) < 2e-6


def test_the_trained_model_reads_the_same_in_a_batch(augury_data: object) -> None:
    loaded = load_model(ModelConfig(name=f"{augury_data}/model_stories260k", device="cpu"))
    texts = [
        "Once upon a time",
        "Lily",
        "The dog ran to the park. He saw a ball and was very happy",
    ]
    sequences = [np.array(loaded.tokenizer(text)["input_ids"]) for text in texts]
    assert _worst(loaded, sequences, ["embed", "attn.2", "resid.0", "resid.4", "final"]) < 5e-6


def test_only_the_chosen_rows_come_back_in_order(tiny: Tiny, sequences: list[np.ndarray]) -> None:
    loaded = tiny("llama")
    everything = read_rows(loaded, sequences, [np.arange(len(s)) for s in sequences], ["resid.1"])
    chosen = [
        np.array([2, 4]),
        np.array([], dtype=int),
        np.array([1]),
        np.array([14]),
        np.array([]),
    ]
    some = read_rows(loaded, sequences, chosen, ["resid.1"])["resid.1"]
    starts = np.cumsum([0, *(len(s) for s in sequences)])
    wanted = [2, 4, starts[2] + 1, starts[3] + 14]
    assert torch.equal(some, everything["resid.1"][wanted])


@pytest.mark.parametrize("what", ["mask", "positions"])
def test_mutant_without_mask_or_positions_is_caught(
    what: str, tiny: Tiny, sequences: list[np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Learned positions: rotary models hardly notice absolute shifts.
    monkeypatch.setattr(read, "pad_right", _left_without(what))
    longest = max(map(len, sequences))
    rows = [np.arange(longest - len(ids), longest) for ids in sequences]
    loaded = tiny("gpt2")
    found = read_rows(loaded, sequences, rows, ["resid.1"])["resid.1"]
    wanted = torch.cat([reference_of(loaded, ids).site("resid.1") for ids in sequences])
    assert distance(found, wanted) > 1e-2


def test_a_packed_row_without_borders_or_without_windows_is_caught(
    tiny: Tiny, sequences: list[np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = [sum(map(len, sequences))]
    attend = packed._lengths.set
    monkeypatch.setattr(
        packed,
        "_lengths",
        SimpleNamespace(
            set=lambda lengths: attend(whole), get=lambda: whole, reset=lambda token: None
        ),
    )
    assert _worst(tiny("llama"), sequences, ["resid.1"], packed=True) > 1e-2
    monkeypatch.undo()
    monkeypatch.setattr(packed, "visible", lambda n, window, device: torch.ones(n, n).tril() > 0)
    assert _worst(tiny("mistral"), sequences, ["resid.1"], packed=True) > 1e-2


def test_every_family_here_can_be_packed(family: str, tiny: Tiny) -> None:
    assert supports_packing(tiny(family).blocks)


def test_attention_that_is_not_ours_to_cut_is_not_packed(tiny: Tiny) -> None:
    blocks = tiny("llama").blocks

    class Alone(torch.nn.Module):
        def forward(
            self, hidden_states: torch.Tensor, **others: object
        ) -> tuple[torch.Tensor, None]:
            return hidden_states, None

    inside = [layer.self_attn for layer in blocks.layers]
    try:
        blocks.layers[1].self_attn = Alone()
        assert not supports_packing(blocks)
    finally:
        for layer, attention in zip(blocks.layers, inside, strict=True):
            layer.self_attn = attention
    assert supports_packing(blocks)


def test_the_models_own_attention_is_put_back(tiny: Tiny, sequences: list[np.ndarray]) -> None:
    loaded = tiny("gemma2")
    before = loaded.blocks.config._attn_implementation
    with pytest.raises(CheckFailed, match="packed attention"):
        with packed.packed_attention(loaded.blocks, [2, 2]):
            ids = torch.ones((1, 4), dtype=torch.long)
            loaded.blocks.decoder(
                input_ids=ids, attention_mask=torch.ones(1, 1, 4, 4), use_cache=False
            )
    assert loaded.blocks.config._attn_implementation == before
    assert _worst(loaded, sequences, ["resid.1"]) < 2e-6
