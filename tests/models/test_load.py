"""Loading: truncated, in a known number type, with one clear line where it cannot be done."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from augury.errors import ConfigError, DataError, MissingInput, Unsafe
from augury.models import load
from augury.models.load import (
    NO_WEIGHTS,
    LoadedModel,
    ModelConfig,
    context_of,
    depth_of,
    load_model,
    load_tokenizer,
)
from augury.models.read import read_rows, site_widths

Tiny = Callable[[str], LoadedModel]
Save = Callable[[str], Path]


def _load(folder: Path, **options: object) -> LoadedModel:
    return load_model(ModelConfig(name=str(folder), device="cpu"), **options)  # type: ignore[arg-type]


def test_a_truncated_model_without_head_gives_the_same_states(
    family: str, tiny: Tiny, save_tiny: Save, sequences: list[np.ndarray]
) -> None:
    rows = [np.arange(len(ids)) for ids in sequences]
    short = _load(save_tiny(family), blocks=1, head=False)
    assert (len(short.blocks.layers), short.depth, short.blocks.head) == (1, 2, None)
    sites = ["embed", "attn.0", "mlp.0", "resid.0"]
    whole = read_rows(tiny(family), sequences, rows, sites)
    for site, states in read_rows(short, sequences, rows, sites).items():
        torch.testing.assert_close(states, whole[site], rtol=0, atol=0)


def test_asking_for_more_blocks_than_there_are_means_all(save_tiny: Save) -> None:
    assert len(_load(save_tiny("llama"), blocks=99).blocks.layers) == 2


def test_number_types_are_what_was_asked_for_and_never_float16(save_tiny: Save) -> None:
    folder = save_tiny("llama")
    assert _load(folder).dtype == torch.float32
    half = load_model(ModelConfig(name=str(folder), device="cpu", dtype="bfloat16"))
    assert half.dtype == half.model.dtype == torch.bfloat16
    half.model.to(torch.float16).save_pretrained(folder)
    assert _load(folder).dtype == torch.float32
    half.model.to(torch.bfloat16).save_pretrained(folder)
    assert _load(folder).dtype == torch.bfloat16


def test_identity_follows_content_and_not_place(save_tiny: Save, tmp_path: Path) -> None:
    folder = save_tiny("llama")
    moved = Path(shutil.copytree(folder, tmp_path / "elsewhere"))
    first = _load(folder).identity
    assert _load(moved).identity == first
    truncated = _load(folder, blocks=1, head=False).identity
    assert truncated == first
    weights = bytearray((moved / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (moved / "model.safetensors").write_bytes(weights)
    changed = _load(moved).identity
    assert {key for key in first if first[key] != changed[key]} == {"weights"}


def test_context_and_tokenizer_are_known_without_weights(save_tiny: Save) -> None:
    folder = save_tiny("gpt2")
    config = ModelConfig(name=str(folder))
    assert context_of(config) == 64
    assert load_tokenizer(config)("w3 w5")["input_ids"] == [1, 3, 5]


def test_a_model_without_weights_is_counted_as_the_real_one(
    family: str, tiny: Tiny, save_tiny: Save
) -> None:
    folder = save_tiny(family)
    (folder / "model.safetensors").unlink()
    named = ModelConfig(name=str(folder))
    assert (depth_of(named), context_of(named)) == (2, 64)
    with pytest.raises(MissingInput, match="estimate --no-weights"):
        load_model(named)
    bare, real = load_model(named.model_copy(update={"device": NO_WEIGHTS})), tiny(family)
    assert {p.device.type for p in bare.model.parameters()} == {"meta"}
    count = [sum(p.numel() for p in each.model.parameters()) for each in (bare, real)]
    assert count[0] == count[1] and bare.dtype == torch.bfloat16
    sites = ["embed", "query.1", "key.1", "vertical.0", "attn.1", "mlp.0", "resid.1", "logits"]
    assert site_widths(bare, sites) == site_widths(real, sites)


def test_a_device_that_is_too_small_is_told_with_the_size_of_the_weights(
    save_tiny: Save, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise torch.OutOfMemoryError("device is full")

    monkeypatch.setattr("transformers.PreTrainedModel.to", full)
    with pytest.raises(ConfigError, match=r"0\.0 GB of weights, more than is free on cpu"):
        _load(save_tiny("llama"))


def test_no_config_may_ask_for_a_model_without_weights() -> None:
    with pytest.raises(ValueError, match="meta has no weights"):
        ModelConfig(name="organism", device=NO_WEIGHTS)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingInput, match=r"absent.*config\.json and \*\.safetensors"):
        _load(tmp_path / "absent")
    with pytest.raises(MissingInput, match=r"no config\.json"):
        _load(tmp_path)


def test_pickled_weights_are_refused(save_tiny: Save) -> None:
    folder = save_tiny("llama")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(Unsafe, match="pickles"):
        _load(folder)


def test_code_from_a_repository_is_never_run(save_tiny: Save) -> None:
    folder = save_tiny("llama")
    config = json.loads((folder / "config.json").read_text())
    (folder / "evil.py").write_text("raise SystemExit('ran')")
    config |= {"model_type": "evil", "auto_map": {"AutoConfig": "evil.Config"}}
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(Unsafe, match="never run"):
        _load(folder)
    del config["auto_map"]
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ConfigError, match="unknown architecture 'evil'"):
        _load(folder)


def test_weights_that_are_missing_are_not_invented(save_tiny: Save) -> None:
    from safetensors.torch import load_file, save_file

    folder = save_tiny("llama")
    weights = load_file(folder / "model.safetensors")
    del weights["model.layers.1.mlp.up_proj.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(DataError, match="up_proj"):
        _load(folder)


def test_a_device_that_is_not_there_is_named(save_tiny: Save) -> None:
    with pytest.raises(ConfigError, match=r"model\.device: 'nonsense'"):
        load_model(ModelConfig(name=str(save_tiny("llama")), device="nonsense"))


@pytest.mark.parametrize(
    ("cuda", "mps", "device", "dtype"),
    [
        (True, True, "cuda", torch.bfloat16),
        (True, False, "cuda", torch.bfloat16),
        (False, True, "mps", torch.float32),
        (False, False, "cpu", torch.bfloat16),
    ],
)
def test_the_fastest_device_that_is_there_is_taken(
    cuda: bool, mps: bool, device: str, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    found = load._device("auto")
    assert found == torch.device(device)
    assert load._dtype(ModelConfig(name="tiny"), found, "bfloat16") == dtype
    asked = ModelConfig(name="tiny", dtype="bfloat16")
    assert load._dtype(asked, found, "float32") == torch.bfloat16


def test_an_adapter_changes_the_states_and_the_identity(augury_data: Path) -> None:
    pytest.importorskip("peft")
    base = ModelConfig(name=f"{augury_data}/model_stories260k", device="cpu")
    tuned = base.model_copy(update={"adapter": f"{augury_data}/lora_stories260k"})
    plain, adapted = load_model(base, blocks=2), load_model(tuned, blocks=2, head=False)
    ids = [np.array(plain.tokenizer("Once upon a time")["input_ids"])]
    states = [
        read_rows(loaded, ids, [np.arange(4)], ["embed", "resid.1"]) for loaded in (plain, adapted)
    ]
    assert torch.equal(states[0]["embed"], states[1]["embed"])
    assert not torch.allclose(states[0]["resid.1"], states[1]["resid.1"], rtol=1e-2)
    assert plain.identity["adapter"] == "" != adapted.identity["adapter"]
