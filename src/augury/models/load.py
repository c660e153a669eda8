"""Load a causal language model: only the blocks that are needed, in a known number type."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
import transformers
from pydantic import Field, field_validator
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM
from transformers.utils import logging as transformers_logging

from augury.config import Config
from augury.errors import ConfigError, DataError, Unsafe
from augury.models.blocks import Blocks, locate, model_context, text_config
from augury.models.source import ORGANISM, content_identity, find_model, stored_dtype
from augury.models.tokenizer import read_tokenizer

__all__ = [
    "NO_WEIGHTS",
    "LoadedModel",
    "ModelConfig",
    "context_of",
    "depth_of",
    "load_model",
    "load_tokenizer",
]

NO_WEIGHTS = "meta"
"""Device of a model that has shapes and no weights: it can be counted, and never run. No config may
ask for it; see `models.named.without_weights`."""


class ModelConfig(Config):
    """Which model, and how it is run."""

    name: str
    """`organism` (the embedded model), a local folder, or a hub id such as `owner/name`."""

    revision: str | None = None
    """Commit, tag or branch on the hub. The commit that it meant is recorded."""

    adapter: str | None = None
    """LoRA adapter to put on the model: a local folder or a hub id."""

    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    """Number type of weights and states. `auto`: bfloat16 on CUDA; float32 on Apple's MPS, where
    not every kernel knows bfloat16; on a CPU float32 for the embedded model and for weights stored
    as float32 or float16, else the stored bfloat16."""

    device: str = "auto"
    """`auto` (CUDA, else Apple's MPS, else the CPU), `cpu`, `cuda`, `cuda:1`, `mps`."""

    module_names: dict[str, str] = Field(default_factory=dict)
    """For an architecture that is not recognised: where its parts are. Keys `layers`, `embed`,
    `final_norm`, `head` are dotted paths from the model with its head; `attn`, `mlp` are children
    of a block."""

    @field_validator("dtype", mode="before")
    @classmethod
    def _holds_the_states(cls, dtype: object) -> object:
        if dtype == "float16":
            raise ValueError(
                "float32 or bfloat16: float16 ends at 65,504, and states of some models go beyond"
            )
        return dtype

    @field_validator("device")
    @classmethod
    def _can_run(cls, device: str) -> str:
        if device == NO_WEIGHTS:
            raise ValueError("a device that runs models: meta has no weights")
        return device


@dataclass(frozen=True)
class LoadedModel:
    """A model that is ready to run, and everything that can change what it computes."""

    model: Any
    """From transformers, in evaluation mode, perhaps wrapped by peft; perhaps without its head."""

    tokenizer: Any
    """Its tokenizer."""

    blocks: Blocks
    """Its parts."""

    config: ModelConfig
    """What was asked for."""

    device: torch.device
    """Where it runs."""

    dtype: torch.dtype
    """Number type of its states."""

    context: int
    """Longest sequence it may read, in tokens."""

    depth: int
    """Number of blocks of the full model; `blocks.layers` may hold fewer."""

    identity: dict[str, str] = field(default_factory=dict)
    """Content hashes and settings: equal identities compute equal states."""


def load_tokenizer(config: ModelConfig) -> Any:
    """The model's tokenizer.

    Raises:
        MissingInput: No such model, or no tokenizer in its folder.
    """
    return read_tokenizer(find_model(config.name, config.revision, weights=False))


def context_of(config: ModelConfig) -> int:
    """Longest text that the model may read, in tokens; without its weights.

    Raises:
        MissingInput: No such model.
        ConfigError: An architecture that transformers does not have.
    """
    folder = find_model(config.name, config.revision, weights=False)
    limit = int(getattr(read_tokenizer(folder), "model_max_length", 2**31 - 1))
    return model_context(_model_config(folder), limit)


def depth_of(config: ModelConfig) -> int:
    """Number of blocks of the model; without its weights.

    Raises:
        MissingInput: No such model.
        ConfigError: An architecture that transformers does not have.
    """
    folder = find_model(config.name, config.revision, weights=False)
    return int(text_config(_model_config(folder)).num_hidden_layers)


def load_model(config: ModelConfig, *, blocks: int | None = None, head: bool = True) -> LoadedModel:
    """Load a model, truncated to its first `blocks` blocks.

    Truncation does not change the states of the blocks that remain.

    Args:
        config: Which model, where, in which number type. On the device `NO_WEIGHTS` its shapes
            alone: weights and adapter are neither read nor fetched, and nothing identifies them.
        blocks: Number of blocks to load, at least 1; None for all. More than there are means all.
        head: Load the unembedding too. Without it, nothing that needs logits works.

    Raises:
        MissingInput: The model or adapter is not there.
        Unsafe: It would need code of its own, or its weights are pickles.
        ConfigError: Unknown architecture; the device is not there, or too small.
        DataError: Weights are missing, or do not fit the architecture.
    """
    real = config.device != NO_WEIGHTS
    folder = find_model(config.name, config.revision, weights=real)
    adapter = find_model(config.adapter, None, what="adapter") if config.adapter and real else None
    device = _device(config.device)
    model_config = _model_config(folder)
    dtype = _dtype(config, device, stored_dtype(folder, model_config))
    depth = int(text_config(model_config).num_hidden_layers)
    _truncate(text_config(model_config), blocks)
    with _quiet_transformers():
        # An adapter's keys are written from the causal model, so it needs that outer shell.
        kind = AutoModelForCausalLM if head or adapter else AutoModel
        model = (
            _weights(kind, folder, model_config, dtype)
            if real
            else _shapes(kind, model_config, dtype)
        )
        if adapter is not None:
            model = _adapted(model, adapter)
        model = _moved(model, device, folder).eval().requires_grad_(False)
        tokenizer = read_tokenizer(folder)
    absent = () if kind is AutoModelForCausalLM else ("head",)
    names = {key: path for key, path in config.module_names.items() if key not in absent}
    limit = int(getattr(tokenizer, "model_max_length", 2**31 - 1))
    return LoadedModel(
        model=model,
        tokenizer=tokenizer,
        blocks=locate(model, names),
        config=config,
        device=device,
        dtype=dtype,
        context=model_context(model_config, limit),
        depth=depth,
        identity=_identity(folder, adapter, model, dtype) if real else {},
    )


def _model_config(folder: Path) -> Any:
    try:
        raw = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except ValueError as error:
        raise DataError(f"{folder / 'config.json'}", found=f"no JSON ({error})") from error
    family = raw.get("model_type")
    if family not in transformers.CONFIG_MAPPING:
        if "auto_map" in raw:
            raise Unsafe(
                f"model {folder}",
                found="an architecture that needs code from the model's own repository",
                expected="an architecture of transformers",
                fix="use a model that transformers supports itself; remote code is never run",
            )
        raise ConfigError(
            f"{folder / 'config.json'}: model_type",
            found=f"unknown architecture {family!r}",
            expected=f"one that transformers {transformers.__version__} knows",
            fix="update transformers, or check the file",
        )
    return AutoConfig.from_pretrained(folder, trust_remote_code=False)


def _truncate(config: Any, blocks: int | None) -> None:
    if blocks is None or blocks >= config.num_hidden_layers:
        return
    if blocks < 1:
        raise ConfigError("blocks", found=str(blocks), expected="at least 1")
    config.num_hidden_layers = blocks
    if getattr(config, "layer_types", None):
        config.layer_types = list(config.layer_types)[:blocks]


def _weights(kind: Any, folder: Path, model_config: Any, dtype: torch.dtype) -> Any:
    try:
        model, report = kind.from_pretrained(
            folder,
            config=model_config,
            dtype=dtype,
            use_safetensors=True,
            trust_remote_code=False,
            output_loading_info=True,
        )
    except ValueError as error:
        raise ConfigError(
            f"model {folder}",
            found=f"cannot be loaded as a causal language model ({str(error).splitlines()[0]})",
            expected="a decoder-only model of transformers",
        ) from error
    faults = [*report["missing_keys"], *(str(key) for key in report["mismatched_keys"])]
    if faults:
        raise DataError(
            f"model {folder}",
            found=f"{len(faults)} weights missing or of another shape, first {min(faults)}",
            expected="a weight for every parameter",
            fix="fetch the model again, or check config.json",
        )
    return model


def _shapes(kind: Any, model_config: Any, dtype: torch.dtype) -> Any:
    with torch.device(NO_WEIGHTS):
        return kind.from_config(model_config, dtype=dtype)


def _moved(model: Any, device: torch.device, folder: Path) -> Any:
    try:
        return model.to(device)
    except torch.OutOfMemoryError as error:
        size = sum(weight.numel() * weight.element_size() for weight in model.parameters())
        raise ConfigError(
            f"model {folder}",
            found=f"{size / 1e9:.1f} GB of weights, more than is free on {device}",
            expected="room for them and for a batch",
            fix="free the device, take a larger one or a smaller model, or set model.device=cpu",
        ) from error


def _adapted(model: Any, adapter: Path) -> Any:
    from peft import PeftModel

    adapted = PeftModel.from_pretrained(model, str(adapter))
    # peft only warns where an adapter fits nowhere: the run would silently be the base model's.
    touched = [name for name, _ in adapted.named_parameters() if "lora_" in name]
    if not touched:
        raise DataError(
            f"adapter {adapter}", found="fits no module of the model", expected="an adapter for it"
        )
    return adapted


def _device(name: str) -> torch.device:
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(
            "model.device",
            found=f"{name!r} cannot be used ({str(error).splitlines()[0]})",
            expected="auto, cpu, or a device of this machine",
            fix="set model.device=auto",
        ) from error
    return device


def _dtype(config: ModelConfig, device: torch.device, stored: str) -> torch.dtype:
    if config.dtype != "auto":
        return torch.float32 if config.dtype == "float32" else torch.bfloat16
    if device.type != "cpu":
        return torch.float32 if device.type == "mps" else torch.bfloat16
    exact = config.name == ORGANISM or stored != "bfloat16"
    return torch.float32 if exact else torch.bfloat16


def _identity(folder: Path, adapter: Path | None, model: Any, dtype: torch.dtype) -> dict[str, str]:
    snapshot = folder.name if folder.parent.name == "snapshots" else ""
    return {
        "revision": snapshot,
        "weights": content_identity(folder, ("*.safetensors",)),
        "model_config": content_identity(folder, ("config.json",)),
        "tokenizer": content_identity(folder, ("tokenizer*", "*.jinja", "special_tokens_map.json")),
        "adapter": content_identity(adapter, ("adapter*",)) if adapter else "",
        "dtype": str(dtype).removeprefix("torch."),
        "attention_kernel": str(text_config(model)._attn_implementation),
        "device": str(model.device.type),
        "torch": str(torch.__version__),
        "transformers": str(transformers.__version__),
    }


@contextmanager
def _quiet_transformers() -> Iterator[None]:
    # Truncated loading reports every weight left out; `_weights` checks the missing ones instead.
    before = transformers_logging.get_verbosity()
    bars = transformers_logging.is_progress_bar_enabled()
    transformers_logging.set_verbosity(logging.ERROR)
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        transformers_logging.set_verbosity(before)
        if bars:
            transformers_logging.enable_progress_bar()
