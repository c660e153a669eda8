"""A small extraction in a child process that dies, or fails, at a chosen file operation."""

from __future__ import annotations

import builtins
import errno
import io
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from augury.activations import extract as extract_module
from augury.activations.extract import extract
from augury.activations.layout import file_checksum, finished_shards, read_header, shard_path
from augury.activations.plan import ReadingPlan
from augury.errors import AuguryError
from augury.models.blocks import locate
from augury.models.load import LoadedModel, ModelConfig
from augury.traces.tokens import TokenisedTrace

PLAN = ReadingPlan(sites=("embed", "resid.0"), batch_tokens=24)
OPERATIONS = (
    "open",
    "write",
    "pwrite",
    "fsync",
    "replace",
    "rename",
    "ftruncate",
    "unlink",
    "mkdir",
)
"""Functions of `os` that are counted; `open` of builtins and of io (pathlib's) are counted too."""

UNHURT, KILLED, REFUSED = 0, -signal.SIGKILL, 9


@dataclass
class Fault:
    """What happens at file operation number `at`, from 1; 0 for never."""

    at: int
    error: int | None = None
    """errno of the failure; None for SIGKILL."""
    lasting: bool = False
    """Whether every later operation fails too."""
    seen: int = 0

    def step(self) -> None:
        self.seen += 1
        if self.at and (self.seen == self.at or (self.lasting and self.seen > self.at)):
            if self.error is None:
                os.kill(os.getpid(), signal.SIGKILL)
                time.sleep(60)
            raise OSError(self.error, os.strerror(self.error or errno.EIO))


def tiny() -> LoadedModel:
    """A model of one block; one thread, so that a forked child can go on with it."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=32,
        hidden_size=8,
        intermediate_size=8,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=32,
        initializer_range=0.3,
    )
    model = LlamaForCausalLM(config).eval().requires_grad_(False)
    return LoadedModel(
        model=model,
        tokenizer=None,
        blocks=locate(model),
        config=ModelConfig(name="tiny"),
        device=torch.device("cpu"),
        dtype=torch.float32,
        context=32,
        depth=1,
        identity={"weights": "00"},
    )


def texts() -> list[TokenisedTrace]:
    """Eight traces of ragged lengths."""
    rng = np.random.default_rng(0)
    out = []
    for number, length in enumerate((5, 12, 3, 9, 12, 7, 4, 10)):
        nothing = np.zeros(length, np.int32)
        ids = rng.integers(3, 32, length).astype(np.int32)
        flags = (nothing.astype(bool), nothing.astype(np.uint8))
        out.append(TokenisedTrace(f"t{number}", "g", ids, nothing, nothing, *flags, first_row=1))
    return out


def run_job(loaded: LoadedModel, path: Path) -> None:
    """The job, in shards of a few traces."""
    whole = extract_module.SHARD_BYTES
    extract_module.SHARD_BYTES = 900  # type: ignore[misc]
    try:
        extract(loaded, texts(), PLAN, path)
    finally:
        extract_module.SHARD_BYTES = whole  # type: ignore[misc]


def in_child(loaded: LoadedModel, path: Path, fault: Fault, counted: Path | None = None) -> int:
    """Run the job in a forked child; 0, `KILLED`, or `REFUSED` for an error of augury's."""
    return wait_for(start_child(loaded, path, fault, counted))


def start_child(loaded: LoadedModel, path: Path, fault: Fault, counted: Path | None = None) -> int:
    """Fork a child that runs the job and ends; its process id."""
    child = os.fork()
    if child == 0:
        code = 70
        try:
            quiet = os.open(os.devnull, os.O_WRONLY)
            os.dup2(quiet, 1), os.dup2(quiet, 2)
            _arm(fault)
            run_job(loaded, path)
            code = UNHURT
            if counted is not None:
                fault.at = 0
                counted.write_text(str(fault.seen))
        except AuguryError:
            code = REFUSED
        finally:
            os._exit(code)
    return child


def wait_for(child: int) -> int:
    """Exit code of a child, negative for a signal."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _arm(fault: Fault) -> None:
    for name in OPERATIONS:
        setattr(os, name, _counted(getattr(os, name), fault))
    builtins.open = _counted(builtins.open, fault)  # type: ignore[assignment]
    io.open = _counted(io.open, fault)  # type: ignore[assignment]


def _counted(function: Callable[..., Any], fault: Fault) -> Callable[..., Any]:
    def counted(*args: Any, **kwargs: Any) -> Any:
        fault.step()
        return function(*args, **kwargs)

    return counted


def tree(path: Path) -> dict[str, bytes]:
    """Every file of a store but its lock, with what it holds."""
    return {
        str(file.relative_to(path)): file.read_bytes()
        for file in sorted(path.rglob("*"))
        if file.is_file() and file.name != "lock"
    }


def finished_is_whole(path: Path, whole: dict[str, bytes]) -> int:
    """Check that every shard that counts as done is the right one; return how many there are."""
    header = read_header(path) if path.exists() else None
    if header is None:
        return 0
    done = finished_shards(path, header)
    for shard, record in done.items():
        file = shard_path(path, shard)
        assert file_checksum(file) == record.xxh3, f"shard {shard} is acknowledged and damaged"
        assert file.read_bytes() == whole[str(file.relative_to(path))]
    return len(done)
