"""An adapter and the model below it: one set of weights, and each computes what it does alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from augury.errors import ConfigError
from augury.models.load import LoadedModel, ModelConfig, load_model
from augury.models.read import read_rows
from augury.models.reference import distance
from augury.models.twins import adapter_moves_states, base_of

peft = pytest.importorskip("peft")

SITES = ["embed", "attn.0", "mlp.1", "resid.0", "resid.1", "final"]


@pytest.fixture
def base_folder(save_tiny: Callable[[str], Path]) -> Path:
    return save_tiny("llama")


@pytest.fixture
def save_adapter(base_folder: Path, tmp_path: Path) -> Callable[..., Path]:
    """Make a LoRA adapter whose two matrices are both random, and save it as hubs hold them."""

    def save(**options: Any) -> Path:
        from transformers import AutoModelForCausalLM

        torch.manual_seed(7)
        config = peft.LoraConfig(
            r=4,
            lora_alpha=8,
            target_modules=["q_proj", "v_proj", "down_proj"],
            init_lora_weights=False,
            task_type="CAUSAL_LM",
            **options,
        )
        model = peft.get_peft_model(AutoModelForCausalLM.from_pretrained(base_folder), config)
        if options.get("modules_to_save"):
            with torch.no_grad():
                model.get_input_embeddings().weight.mul_(1.5)
        model.save_pretrained(tmp_path / "adapter")
        return tmp_path / "adapter"

    return save


def _load(folder: Path, adapter: Path | None = None, dtype: str = "float32") -> LoadedModel:
    name = None if adapter is None else str(adapter)
    config = ModelConfig(name=str(folder), adapter=name, device="cpu", dtype=dtype)  # type: ignore[arg-type]
    return load_model(config)


def _read(
    loaded: LoadedModel, sequences: list[np.ndarray], *, packed: bool = False
) -> dict[str, torch.Tensor]:
    rows = [np.arange(len(ids)) for ids in sequences]
    return read_rows(loaded, sequences, rows, SITES, packed=packed)


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("options", [{}, {"modules_to_save": ["embed_tokens"]}, {"use_dora": True}])
def test_the_base_is_bit_for_bit_the_model_loaded_without_an_adapter(
    base_folder: Path,
    save_adapter: Callable[..., Path],
    sequences: list[np.ndarray],
    packed: bool,
    dtype: str,
    options: dict[str, Any],
) -> None:
    plain = _load(base_folder, dtype=dtype)
    adapted = _load(base_folder, save_adapter(**options), dtype)
    with base_of(adapted) as base:
        states = _read(base, sequences, packed=packed)
    alone = _read(plain, sequences, packed=packed)
    assert all(torch.equal(states[site], alone[site]) for site in SITES)
    assert base.identity == plain.identity and base.config == plain.config


@pytest.mark.parametrize("packed", [True, False])
def test_the_adapter_is_back_after_the_block_even_when_the_block_fails(
    base_folder: Path, save_adapter: Callable[..., Path], sequences: list[np.ndarray], packed: bool
) -> None:
    adapted = _load(base_folder, save_adapter())
    before = _read(adapted, sequences, packed=packed)
    with base_of(adapted) as base:
        below = _read(base, sequences, packed=packed)
    with pytest.raises(KeyboardInterrupt), base_of(adapted):
        raise KeyboardInterrupt
    with base_of(adapted), base_of(adapted) as nested:
        pass
    after = _read(adapted, sequences, packed=packed)
    assert all(torch.equal(before[site], after[site]) for site in SITES)
    assert torch.equal(before["embed"], below["embed"])
    for site in SITES[1:]:
        assert distance(before[site], below[site]) > 0.05, site
    assert not any(weight.requires_grad for weight in adapted.model.parameters())
    assert nested.identity["adapter"] == "" != adapted.identity["adapter"]


@pytest.mark.parametrize("packed", [True, False])
def test_adapter_states_are_those_of_merged_weights(
    base_folder: Path,
    save_adapter: Callable[..., Path],
    sequences: list[np.ndarray],
    tmp_path: Path,
    packed: bool,
) -> None:
    adapted = _load(base_folder, save_adapter())
    merged = _load(base_folder, save_adapter()).model.merge_and_unload()
    merged.save_pretrained(tmp_path / "merged")
    adapted.tokenizer.save_pretrained(tmp_path / "merged")
    ours = _read(adapted, sequences, packed=packed)
    theirs = _read(_load(tmp_path / "merged"), sequences, packed=packed)
    assert max(distance(ours[site], theirs[site]) for site in SITES) < 5e-6


def test_both_share_their_weights(base_folder: Path, save_adapter: Callable[..., Path]) -> None:
    adapted = _load(base_folder, save_adapter())
    with base_of(adapted) as base:
        assert base.model is adapted.model and base.blocks is adapted.blocks


def test_what_cannot_be_switched_off_is_refused(
    base_folder: Path, save_adapter: Callable[..., Path]
) -> None:
    with pytest.raises(ConfigError, match=r"model\.adapter: none"), base_of(_load(base_folder)):
        pass
    biased = _load(base_folder, save_adapter(bias="all"))
    with pytest.raises(ConfigError, match="bias: 'all', which changes the base"), base_of(biased):
        pass


def test_an_adapter_that_moves_nothing_is_noticed(
    base_folder: Path, save_adapter: Callable[..., Path], sequences: list[np.ndarray]
) -> None:
    adapted = _load(base_folder, save_adapter())
    moved = adapter_moves_states(adapted, sequences, SITES, packed=True)
    assert moved.passed and "at " in moved.line()
    assert not adapter_moves_states(adapted, sequences, ["embed"], packed=True).passed
    for name, weight in adapted.model.named_parameters():
        if "lora_B" in name:
            weight.zero_()
    still = adapter_moves_states(adapted, sequences, SITES, packed=False)
    assert not still.passed and still.line().startswith("FAIL adapter moves states")
