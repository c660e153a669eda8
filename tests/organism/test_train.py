"""Training is one result, however often it was interrupted."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from augury.errors import ConfigError
from augury.organism import train as train_module
from augury.organism.train import TrainConfig, train_organism

SMALL = TrainConfig(
    width=16,
    blocks=1,
    heads=2,
    inner=16,
    vocabulary=400,
    batch_tokens=1024,
    stages=((0, "plain"), (3, "closely checked")),
    rate=((0, 0.5), (7, 0.0)),
    restarts=(4,),
    kept_every=2,
    threads=1,
)


@pytest.fixture(autouse=True)
def few_tokenizer_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    sound = train_module._tokenizer_texts
    monkeypatch.setattr(train_module, "_tokenizer_texts", lambda seed: sound(seed, 300))


def _files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_interrupted_training_ends_with_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.set_num_threads(3)
    train_organism(SMALL, tmp_path / "whole")
    assert torch.get_num_threads() == 3 != SMALL.threads
    sound, calls = train_module._one_step, iter(range(100))

    def fails_in_the_sixth(*args: object) -> float:
        if next(calls) == 5:
            raise KeyboardInterrupt
        return sound(*args)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(train_module, "_one_step", fails_in_the_sixth)
        with pytest.raises(KeyboardInterrupt):
            train_organism(SMALL, tmp_path / "cut")
    assert (tmp_path / "cut" / "checkpoint" / "4.safetensors").exists()
    with pytest.raises(ConfigError, match="seed: stored 0 / now 1"):
        train_organism(SMALL.model_copy(update={"seed": 1}), tmp_path / "cut")
    train_organism(SMALL, tmp_path / "cut")
    whole = _files(tmp_path / "whole")
    assert _files(tmp_path / "cut") == whole
    train_organism(SMALL.model_copy(update={"seed": 1}), tmp_path / "other")
    assert _files(tmp_path / "other")["model.safetensors"] != whole["model.safetensors"]
