"""Padded batches against transformers, one sequence at a time."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from augury.models import read
from augury.models.load import LoadedModel, ModelConfig, load_model
from augury.models.read import Padded, pad_right, read_rows
from augury.models.reference import distance, reference_of

Tiny = Callable[[str], LoadedModel]

SITES = ["embed", "attn.0", "mlp.0", "resid.0", "attn.1", "mlp.1", "resid.1", "final"]


def _worst(loaded: LoadedModel, sequences: list[np.ndarray], sites: list[str]) -> float:
    rows = [np.arange(len(ids)) for ids in sequences]
    batch = read_rows(loaded, sequences, rows, sites)
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


def test_every_site_of_every_family_equals_single_sequence_reading(
    family: str, tiny: Tiny, sequences: list[np.ndarray]
) -> None:
    assert _worst(tiny(family), sequences, SITES) < 2e-6


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
