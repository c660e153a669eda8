"""A tiny model, and texts of ragged lengths that it can read."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from augury.models.blocks import locate
from augury.models.load import LoadedModel, ModelConfig
from augury.traces.tokens import TokenisedTrace

LENGTHS = (7, 23, 2, 23, 14, 9, 30, 5, 1, 11)


@pytest.fixture(scope="session")
def _model() -> Any:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=64,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=40,
        initializer_range=0.3,
    )
    return LlamaForCausalLM(config).eval().requires_grad_(False)


@pytest.fixture
def loaded(_model: Any) -> LoadedModel:
    return LoadedModel(
        model=_model,
        tokenizer=None,
        blocks=locate(_model),
        config=ModelConfig(name="tiny"),
        device=torch.device("cpu"),
        dtype=torch.float32,
        context=40,
        depth=2,
        identity={"weights": "00", "dtype": "float32"},
    )


def tokenised(name: str, ids: Sequence[int], first_row: int, part: int = 0) -> TokenisedTrace:
    zeros = np.zeros(len(ids), dtype=np.int32)
    return TokenisedTrace(
        trace_id=name,
        group="g",
        ids=np.array(ids, dtype=np.int32),
        starts=zeros,
        ends=zeros,
        special=zeros.astype(bool),
        role=zeros.astype(np.uint8),
        first_row=first_row,
        part=part,
    )


@pytest.fixture
def traces() -> list[TokenisedTrace]:
    random = np.random.default_rng(0)
    return [
        tokenised(f"t{k}", random.integers(3, 64, n).tolist(), min(n, int(random.integers(0, 6))))
        for k, n in enumerate(LENGTHS)
    ]


@pytest.fixture
def trace_of() -> Callable[..., TokenisedTrace]:
    return tokenised


@pytest.fixture
def describe_capture() -> Callable[..., None]:
    """Write the `export.json` of captured states."""

    def write(folder: Path, **changes: Any) -> None:
        about = {"identity": {"model": "some/model"}, "dtype": "float32", **changes}
        (folder / "export.json").write_text(json.dumps(about))

    return write
