"""The locator: every family, and clear errors for the rest."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from augury.errors import ConfigError
from augury.models.blocks import locate
from augury.models.load import LoadedModel
from augury.models.read import read_rows
from augury.models.reference import distance, reference_of

Tiny = Callable[[str], LoadedModel]


def _all_rows(loaded: LoadedModel, ids: np.ndarray, sites: list[str]) -> dict[str, torch.Tensor]:
    return read_rows(loaded, [ids], [np.arange(len(ids))], sites)


def test_input_plus_attention_plus_mlp_is_the_output_of_every_block(
    family: str, tiny: Tiny, sequences: list[np.ndarray]
) -> None:
    sites = ["embed", *(f"{kind}.{i}" for i in range(2) for kind in ("attn", "mlp", "resid"))]
    states = _all_rows(tiny(family), sequences[1], sites)
    for block, before in enumerate(["embed", "resid.0"]):
        total = states[before] + states[f"attn.{block}"] + states[f"mlp.{block}"]
        assert distance(total, states[f"resid.{block}"]) < 1e-6
        # Each part matters: the sum without it is another state.
        without = total - states[f"mlp.{block}"]
        assert distance(without, states[f"resid.{block}"]) > 1e-3


def test_the_head_on_the_final_state_gives_the_models_logits(
    family: str, tiny: Tiny, sequences: list[np.ndarray]
) -> None:
    loaded = tiny(family)
    final = _all_rows(loaded, sequences[1], ["final"])["final"]
    assert distance(loaded.blocks.logits(final), reference_of(loaded, sequences[1]).logits) < 1e-6


def test_a_model_without_its_head_gives_no_logits(tiny: Tiny) -> None:
    blocks = locate(tiny("llama").model.model)
    assert blocks.head is None
    with pytest.raises(ConfigError, match="without its head"):
        blocks.logits(torch.zeros(1, 32))


class _Stranger(nn.Module):
    """An architecture that nobody has heard of."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(8, 4)
        self.stack = nn.ModuleList(nn.Linear(4, 4) for _ in range(2))
        self.out_norm = nn.LayerNorm(4)
        self.config = SimpleNamespace(num_hidden_layers=2, model_type="stranger")


def test_an_unknown_architecture_is_told_which_names_to_set() -> None:
    with pytest.raises(ConfigError, match=r"set module_names\.layers.*a path from _Stranger"):
        locate(_Stranger())
    with pytest.raises(ConfigError, match=r"unknown architecture.*words, stack, out_norm"):
        locate(_Stranger(), {"layers": "stack"})


def test_module_names_make_an_unknown_architecture_readable() -> None:
    model = _Stranger()
    names = {"layers": "stack", "embed": "words", "final_norm": "out_norm"}
    blocks = locate(model, names)
    assert blocks.layers == tuple(model.stack)
    assert blocks.final_norm is model.out_norm
    with pytest.raises(ConfigError, match=r"set module_names\.attn"):
        blocks.attn(0)


def test_overrides_that_name_nothing_are_refused() -> None:
    with pytest.raises(ConfigError, match="did you mean 'layers'"):
        locate(_Stranger(), {"layer": "stack"})
    with pytest.raises(ConfigError, match="'nowhere' is not in _Stranger"):
        locate(_Stranger(), {"layers": "nowhere"})
    with pytest.raises(ConfigError, match="no list of blocks"):
        locate(_Stranger(), {"layers": "words"})


@pytest.mark.parametrize(("key", "value"), [("model_type", "bloom"), ("residual_multiplier", 0.5)])
def test_sub_layers_that_do_not_add_up_are_not_served(tiny: Tiny, key: str, value: object) -> None:
    loaded = tiny("llama")
    config = SimpleNamespace(**{key: value})
    blocks = locate(loaded.model)
    object.__setattr__(blocks, "config", config)
    with pytest.raises(ConfigError, match=r"read resid\.I sites instead"):
        blocks.attn(0)
