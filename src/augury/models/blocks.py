"""Where the parts of a decoder are. The only file that knows architectures.

A family is not looked up by name but recognised by its module tree: the one list of blocks that
is as long as the config says, and children with the names that transformers uses. Families whose
blocks normalise what a sub-layer adds (Gemma 2 and 3, OLMo 2, GLM 4) are read behind that norm, so
that `input + attn.i + mlp.i = resid.i` holds wherever `attn` and `mlp` are served.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from augury.errors import ConfigError

__all__ = ["MODULE_NAMES", "Blocks", "locate", "model_context", "text_config"]

MODULE_NAMES = ("layers", "embed", "final_norm", "head", "attn", "mlp")
"""Keys of `module_names`: four dotted paths from the model, then two children of a block."""

_LAYERS = ("layers", "h", "blocks", "block")
_EMBED = ("embed_tokens", "wte", "embed_in", "word_embeddings", "embeddings")
_FINAL_NORM = ("norm", "final_layer_norm", "ln_f", "final_layernorm", "norm_f")
_ATTN = ("self_attn", "attn", "attention", "self_attention", "linear_attn")
_MLP = ("mlp", "block_sparse_moe", "feed_forward")
# A norm behind the sub-layer: its presence decides, and it must be tried before the sub-layer.
_POST_NORMS = (
    ("post_self_attn_layernorm", "post_mlp_layernorm"),
    ("post_attention_layernorm", "post_feedforward_layernorm"),
)
_ADDS_INSIDE = ("bloom", "falcon")


@dataclass(frozen=True)
class Blocks:
    """The parts of one decoder-only model, whatever its family calls them."""

    decoder: nn.Module
    """Takes `input_ids`, `attention_mask`, `position_ids`; runs everything but the head."""

    embed: nn.Module
    """Token embedding. The site `embed` is the input of `layers[0]`, not this module's output."""

    layers: tuple[nn.Module, ...]
    """Blocks, from 0."""

    final_norm: nn.Module
    """Norm between the last block and the head."""

    head: nn.Module | None
    """Unembedding; None where the model was loaded without it."""

    config: Any
    """The decoder's own (text) config."""

    attn_names: tuple[str, ...] = _ATTN
    """Names tried for the attention sub-layer of a block."""

    mlp_names: tuple[str, ...] = _MLP
    """Names tried for the MLP sub-layer of a block."""

    def attn(self, block: int) -> nn.Module:
        """The module whose output is what attention of `block` adds to the residual."""
        return self._added(block, 0, self.attn_names, "attn")

    def mlp(self, block: int) -> nn.Module:
        """The module whose output is what the MLP of `block` adds to the residual."""
        return self._added(block, 1, self.mlp_names, "mlp")

    def logits(self, final: torch.Tensor) -> torch.Tensor:
        """Head and output scaling applied to states of the site `final`.

        Raises:
            ConfigError: The model was loaded without its head.
        """
        if self.head is None:
            raise ConfigError(
                "head", found="a model loaded without its head", fix="load with head=True"
            )
        logits: torch.Tensor = self.head(final)
        logits = logits * (getattr(self.config, "logit_scale", None) or 1.0)
        logits = logits / (getattr(self.config, "logits_scaling", None) or 1.0)
        cap = getattr(self.config, "final_logit_softcapping", None)
        return logits if cap is None else torch.tanh(logits / cap) * cap

    def _added(self, block: int, part: int, names: tuple[str, ...], key: str) -> nn.Module:
        self._refuse_unreadable(key)
        layer = self.layers[block]
        if names in (_ATTN, _MLP):
            for pair in _POST_NORMS:
                if all(hasattr(layer, name) for name in pair):
                    return _child(layer, pair[part])
        for name in names:
            if hasattr(layer, name):
                return _child(layer, name)
        raise _unknown(key, names, layer, f"children of {type(layer).__name__}")

    def _refuse_unreadable(self, key: str) -> None:
        family = str(getattr(self.config, "model_type", ""))
        scale = getattr(self.config, "residual_multiplier", 1.0) or 1.0
        if family in _ADDS_INSIDE or scale != 1.0:
            why = "scales" if scale != 1.0 else "already contains the residual in"
            raise ConfigError(
                f"site {key}.I",
                found=f"family {family!r} {why} what its sub-layers add",
                expected="a family in which input + attn + mlp = output of a block",
                fix="read resid.I sites instead",
            )


def locate(model: nn.Module, module_names: Mapping[str, str] | None = None) -> Blocks:
    """Find the parts of a causal language model, or of its base model, with or without an adapter.

    Args:
        model: From transformers, or wrapped by peft.
        module_names: Overrides for a family that is not recognised; keys are `MODULE_NAMES`.

    Raises:
        ConfigError: A part is not found, or an override names nothing; says which key to set.
    """
    named = _checked_names(module_names or {})
    config = text_config(model)
    decoder = _decoder(model)
    layers = _layers(model, decoder, config, named.get("layers"))
    return Blocks(
        decoder=decoder,
        embed=_part(model, decoder, "embed", _EMBED, named),
        layers=tuple(layers),
        final_norm=_part(model, decoder, "final_norm", _FINAL_NORM, named),
        head=_at(model, "head", named["head"]) if "head" in named else _head(model),
        config=config,
        attn_names=(named["attn"],) if "attn" in named else _ATTN,
        mlp_names=(named["mlp"],) if "mlp" in named else _MLP,
    )


def text_config(model_or_config: Any) -> Any:
    """Config of the text decoder, of a model or of a config that may also hold a vision part."""
    config = getattr(model_or_config, "config", model_or_config)
    return config.get_text_config(decoder=True) if hasattr(config, "get_text_config") else config


def model_context(config: Any, tokenizer_limit: int) -> int:
    """Longest sequence that the model may read, in tokens.

    Args:
        config: The model's config.
        tokenizer_limit: What the tokenizer says; used where the config says nothing.
    """
    found = getattr(text_config(config), "max_position_embeddings", None)
    return int(found) if found else int(min(tokenizer_limit, 2**31 - 1))


def _checked_names(module_names: Mapping[str, str]) -> dict[str, str]:
    for key in module_names:
        if key not in MODULE_NAMES:
            near = difflib.get_close_matches(key, MODULE_NAMES, n=1, cutoff=0.0)[0]
            raise ConfigError(
                f"module_names.{key}",
                found="no such part",
                expected=", ".join(MODULE_NAMES),
                fix=f"did you mean {near!r}?",
            )
    return dict(module_names)


def _decoder(model: Any) -> nn.Module:
    inner = model.get_base_model() if hasattr(model, "get_base_model") else model
    decoder = inner.get_decoder() if hasattr(inner, "get_decoder") else None
    if decoder is None or decoder is inner:
        decoder = getattr(inner, "base_model", inner)
    assert isinstance(decoder, nn.Module)
    return decoder


def _layers(
    model: nn.Module, decoder: nn.Module, config: Any, named: str | None
) -> list[nn.Module]:
    if named is not None:
        found = _at(model, "layers", named)
        if isinstance(found, nn.ModuleList) and len(found):
            return list(found)
        raise ConfigError(
            "module_names.layers", found=f"{named!r} is no list of blocks", fix="name the list"
        )
    depth = getattr(config, "num_hidden_layers", None)
    lists = {
        name: part
        for name, part in decoder.named_modules()
        if isinstance(part, nn.ModuleList) and len(part) == depth
    }
    lists = {name: part for name, part in lists.items() if name.rpartition(".")[2] in _LAYERS}
    if len(lists) == 1:
        return list(next(iter(lists.values())))
    raise _unknown("layers", _LAYERS, decoder, f"{len(lists)} lists of {depth} blocks", model)


def _part(
    model: nn.Module, decoder: nn.Module, key: str, names: tuple[str, ...], named: dict[str, str]
) -> nn.Module:
    if key in named:
        return _at(model, key, named[key])
    for name in names:
        if hasattr(decoder, name):
            return _child(decoder, name)
    raise _unknown(key, names, decoder, f"children of {type(decoder).__name__}", model)


def _head(model: Any) -> nn.Module | None:
    head = model.get_output_embeddings() if hasattr(model, "get_output_embeddings") else None
    return head if isinstance(head, nn.Module) else None


def _child(module: nn.Module, name: str) -> nn.Module:
    child = getattr(module, name)
    assert isinstance(child, nn.Module)
    return child


def _at(model: Any, key: str, path: str) -> nn.Module:
    """The module at a path from the model with its head, whether it was loaded with it or not."""
    inner: nn.Module = model.get_base_model() if hasattr(model, "get_base_model") else model
    without_head = path.removeprefix(f"{getattr(inner, 'base_model_prefix', '')}.")
    for found in (path, without_head):
        try:
            return inner.get_submodule(found)
        except AttributeError:
            continue
    raise ConfigError(
        f"module_names.{key}",
        found=f"{path!r} is not in {type(inner).__name__}",
        expected=f"a dotted path; children are {_children(inner)}",
    )


def _unknown(
    key: str,
    names: tuple[str, ...],
    place: nn.Module,
    found: str,
    model: nn.Module | None = None,
) -> ConfigError:
    start = "a child name of a block" if model is None else f"a path from {type(model).__name__}"
    return ConfigError(
        f"model.module_names.{key}",
        found=f"unknown architecture: {found}, namely {_children(place)}",
        expected=f"one of {', '.join(names)}",
        fix=f"set module_names.{key} in the model's config ({start})",
    )


def _children(module: nn.Module) -> str:
    return ", ".join(name for name, _ in module.named_children()) or "none"
