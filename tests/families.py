"""Tiny random models of every supported family, with a real tokenizer."""

from __future__ import annotations

import copy
import functools
from dataclasses import replace
from typing import Any

import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedTokenizerFast

from augury.models.blocks import locate
from augury.models.load import LoadedModel, ModelConfig

COMMON: dict[str, Any] = {
    "vocab_size": 64,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    # Large weights: neighbouring states differ, attention is far from uniform.
    "initializer_range": 0.3,
}
GPT2: dict[str, Any] = {
    "vocab_size": 64,
    "n_embd": 32,
    "n_layer": 2,
    "n_head": 4,
    "n_positions": 64,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "initializer_range": 0.3,
}
NARROW = {"head_dim": 8}
# Windows shorter than the test texts, so that sliding attention is really exercised.
SLIDING = {"sliding_window": 8}
# A cap that really bends: products of these models are of size 3.
CAPPED = {"attn_logit_softcapping": 2.0, "query_pre_attn_scalar": 8}
EXPERTS = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 24}
FAMILIES: dict[str, dict[str, Any]] = {
    "llama": COMMON,
    "mistral": {**COMMON, **SLIDING},
    "qwen2": COMMON,
    "qwen3": {**COMMON, **NARROW},
    "gemma2": {**COMMON, **NARROW, **SLIDING, **CAPPED},
    "gemma3_text": {**COMMON, **NARROW, **SLIDING},
    "phi3": COMMON,
    "olmo2": COMMON,
    "gpt_neox": COMMON,
    "gpt2": GPT2,
    "mixtral": {**COMMON, "num_local_experts": 4, "num_experts_per_tok": 2},
    "qwen3_moe": {**COMMON, **NARROW, **EXPERTS},
}


def word_tokenizer() -> PreTrainedTokenizerFast:
    """One id per word `w3`...`w63`; puts one BOS in front."""
    words = {"<pad>": 0, "<s>": 1, "</s>": 2} | {f"w{i}": i for i in range(3, 64)}
    inner = Tokenizer(models.WordLevel(words, unk_token="<pad>"))
    inner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    inner.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", 1)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=inner,
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        model_max_length=64,
    )


@functools.cache
def family_model(family: str) -> Any:
    known = dict(FAMILIES[family])
    if family == "gpt_neox":
        known.pop("num_key_value_heads")
    torch.manual_seed(len(family))
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(family, **known))
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 1:
                # Norm weights of one and biases of zero would hide a norm that was left out.
                parameter.add_(torch.randn_like(parameter) * 0.3)
    return model.eval().requires_grad_(False)


def loaded_from(model: Any) -> LoadedModel:
    """A model of this process, as `load_model` would give it."""
    return LoadedModel(
        model=model,
        tokenizer=word_tokenizer(),
        blocks=locate(model),
        config=ModelConfig(name="tiny"),
        device=torch.device("cpu"),
        dtype=torch.float32,
        context=64,
        depth=2,
        identity={"weights": "tiny"},
    )


def in_dtype(loaded: LoadedModel, dtype: torch.dtype) -> LoadedModel:
    """The same model with its weights in another number type."""
    model = copy.deepcopy(loaded.model).to(dtype)
    if dtype == torch.float64:
        # The other kernels for experts do not know it.
        model.config._experts_implementation = "eager"
    return replace(loaded, model=model, blocks=locate(model), dtype=dtype)


def in_bfloat16(loaded: LoadedModel) -> LoadedModel:
    """The same model with its weights rounded."""
    return in_dtype(loaded, torch.bfloat16)
