"""A slice of the parity matrix, and that each classical fault falls out of it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests import parity

from augury.models import hooks, read
from augury.models.read import Padded

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("way", parity.WAYS)
def test_a_batch_is_what_each_text_would_have_been_alone(family: str, way: str, dtype: str) -> None:
    limit = parity.bound(family, dtype)
    # The yardstick itself is one: not so wide that it would let anything through.
    assert limit < (5e-6 if dtype == "float32" else 0.5)
    assert parity.worst(family, dtype, way, 3).distance <= limit


def test_left_padding_is_really_on_the_left() -> None:
    padded = parity.pad_left(parity.texts(3), torch.device("cpu"))
    assert padded.attention_mask[:, -1].tolist() == [1, 1, 1]
    assert padded.attention_mask[1].tolist() == [0] * 23 + [1]
    assert padded.position_ids[2, -10:].tolist() == list(range(10))


def _without(column: str) -> Callable[..., Padded]:
    sound = parity.pad_left

    def pad(sequences: Sequence[np.ndarray], device: torch.device) -> Padded:
        padded = sound(sequences, device)
        if column == "mask":
            return padded._replace(attention_mask=torch.ones_like(padded.attention_mask))
        columns = torch.arange(padded.input_ids.shape[1])
        return padded._replace(position_ids=columns.expand_as(padded.position_ids))

    return pad


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize(("column", "name"), [("mask", "llama"), ("positions", "gpt2")])
def test_mutant_left_padding_without_mask_or_positions(
    column: str, name: str, dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = _without(column)
    loaded, sequences = parity.tiny(name, dtype), parity.texts(3)

    def run(self: Any, ids: torch.Tensor, mask: torch.Tensor, positions: torch.Tensor) -> None:
        # Rows are still cut by the true mask: what changes is what the model is told.
        padded = broken(sequences, loaded.device)
        own_run(self, padded.input_ids, padded.attention_mask, padded.position_ids)

    own_run = hooks.Capture.run
    limit = parity.bound(name, dtype)
    monkeypatch.setattr(hooks.Capture, "run", run)
    assert parity.worst(name, dtype, "left", 3).distance > 2 * limit


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_mutant_reader_that_takes_the_last_block_behind_the_final_norm(
    family: str, dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit = parity.bound(family, dtype)
    sound = read.read_rows

    def normed(*args: Any, **kwargs: Any) -> dict[str, torch.Tensor]:
        states = sound(*args, **kwargs)
        return states | {"resid.1": states["final"]}

    monkeypatch.setattr(parity, "read_rows", normed)
    found = parity.worst(family, dtype, "right", 3)
    assert found.site == "resid.1" and found.distance > 2 * limit


def test_the_command_prints_the_matrix_and_says_whether_it_holds() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.parity", "gpt2"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [line.split()[:2] for line in lines[1:5]] == [
        ["gpt2", way] for way in (*parity.WAYS, "rounding")
    ]
    assert lines[-1] == "every cell is within its bound"
