"""Hooks: they read, they change nothing, they never stay behind, they prove that they fired."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from augury.errors import CheckFailed, ConfigError
from augury.models.hooks import capture
from augury.models.load import LoadedModel
from augury.models.read import read_rows

Tiny = Callable[[str], LoadedModel]


def _hooks(model: nn.Module) -> int:
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules())


def _inputs(ids: np.ndarray) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    one = torch.from_numpy(ids.astype(np.int64))[None]
    return one, torch.ones_like(one), torch.arange(one.shape[1])[None]


def test_reading_does_not_change_what_the_model_computes(
    family: str, tiny: Tiny, sequences: list[np.ndarray]
) -> None:
    loaded = tiny(family)
    inputs = _inputs(sequences[1])
    before = loaded.model(inputs[0]).logits
    sites = ["embed", "attn.0", "mlp.0", "resid.0", "resid.1", "final"]
    with capture(loaded.blocks, sites, lambda site, value: None, early_exit=False) as session:
        session.run(*inputs)
        during = loaded.model(inputs[0]).logits
    assert torch.equal(during, before)
    assert torch.equal(loaded.model(inputs[0]).logits, before)


def test_nothing_after_the_deepest_site_is_computed(
    tiny: Tiny, sequences: list[np.ndarray]
) -> None:
    loaded = tiny("llama")
    ran: list[int] = []
    handle = loaded.blocks.layers[1].register_forward_pre_hook(lambda *_: ran.append(1))
    with handle:
        read_rows(loaded, sequences, [np.arange(1)] * 5, ["resid.0"])
        assert ran == []
        read_rows(loaded, sequences, [np.arange(1)] * 5, ["attn.1"])
        assert ran == [1]


def test_no_hook_stays_behind(tiny: Tiny, sequences: list[np.ndarray]) -> None:
    loaded = tiny("llama")
    before = _hooks(loaded.model)
    with capture(loaded.blocks, ["embed", "resid.1"], lambda site, value: None) as session:
        assert _hooks(loaded.model) == before + 2
        session.run(*_inputs(sequences[0]))
    assert _hooks(loaded.model) == before


def test_no_hook_stays_behind_when_setting_up_fails(tiny: Tiny) -> None:
    loaded = tiny("llama")
    before = _hooks(loaded.model)
    broken = replace(loaded.blocks, mlp_names=("absent",))
    with (
        pytest.raises(ConfigError, match=r"module_names\.mlp"),
        capture(broken, ["embed", "resid.0", "mlp.1"], lambda site, value: None),
    ):
        pass
    assert _hooks(loaded.model) == before


def test_no_hook_stays_behind_when_the_reader_fails(
    tiny: Tiny, sequences: list[np.ndarray]
) -> None:
    loaded = tiny("llama")
    before = _hooks(loaded.model)

    def fail(site: str, value: torch.Tensor) -> None:
        raise ZeroDivisionError

    with (
        pytest.raises(ZeroDivisionError),
        capture(loaded.blocks, ["resid.0"], fail) as session,
    ):
        session.run(*_inputs(sequences[0]))
    assert _hooks(loaded.model) == before


def test_a_hook_that_does_not_fire_is_an_error(tiny: Tiny, sequences: list[np.ndarray]) -> None:
    loaded = tiny("llama")
    stale = (loaded.blocks.layers[0], copy.deepcopy(loaded.blocks.layers[1]))
    blind = replace(loaded, blocks=replace(loaded.blocks, layers=stale))
    with pytest.raises(CheckFailed, match=r"resid\.1 fired 0 times"):
        read_rows(blind, sequences, [np.arange(1)] * 5, ["resid.0", "resid.1"])


def test_a_hook_that_fires_twice_is_an_error(tiny: Tiny, sequences: list[np.ndarray]) -> None:
    loaded = tiny("llama")
    shared = loaded.blocks.layers[0].mlp
    model = copy.deepcopy(loaded.model)
    model.model.layers[0].mlp = nn.Sequential(shared, shared)
    twice = replace(loaded, model=model, blocks=replace(loaded.blocks, decoder=model.model))
    blocks = replace(
        twice.blocks, layers=(loaded.blocks.layers[0], model.model.layers[1]), head=None
    )
    with pytest.raises(CheckFailed, match=r"mlp\.0 fired 2 times"):
        read_rows(
            replace(twice, blocks=blocks), sequences, [np.arange(1)] * 5, ["mlp.0", "resid.1"]
        )
