"""A decoder whose parts have names that nobody else gives them, as transformers would load it."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM, LlamaConfig, PreTrainedModel
from transformers.masking_utils import create_causal_mask
from transformers.modeling_outputs import BaseModelOutputWithPast, CausalLMOutputWithPast
from transformers.models.llama.modeling_llama import (
    LlamaAttention,
    LlamaMLP,
    LlamaRMSNorm,
    LlamaRotaryEmbedding,
)

MODULE_NAMES = {
    "layers": "tower.floors",
    "embed": "tower.words",
    "final_norm": "tower.calm",
    "head": "speak",
    "attn": "mixer",
    "mlp": "thinker",
}


class StrangerConfig(LlamaConfig):
    model_type = "stranger"


class Mixer(LlamaAttention):
    """From another file than the one that holds its kernel."""


class Floor(nn.Module):
    def __init__(self, config: StrangerConfig, number: int) -> None:
        super().__init__()
        self.calm_before = LlamaRMSNorm(config.hidden_size)
        self.mixer = Mixer(config, number)
        self.calm_between = LlamaRMSNorm(config.hidden_size)
        self.thinker = LlamaMLP(config)

    def forward(self, x: torch.Tensor, **others: Any) -> tuple[torch.Tensor, Any]:
        mixed, weights = self.mixer(hidden_states=self.calm_before(x), **others)
        x = x + mixed
        return x + self.thinker(self.calm_between(x)), weights


class StrangerBase(PreTrainedModel):
    config_class = StrangerConfig
    base_model_prefix = "tower"
    _supports_sdpa = True
    _supports_attention_backend = True


class Stranger(StrangerBase):
    def __init__(self, config: StrangerConfig) -> None:
        super().__init__(config)
        self.words = nn.Embedding(config.vocab_size, config.hidden_size)
        self.floors = nn.ModuleList(Floor(config, i) for i in range(config.num_hidden_layers))
        self.calm = LlamaRMSNorm(config.hidden_size)
        self.clock = LlamaRotaryEmbedding(config)
        self.post_init()

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        position_ids: torch.Tensor | None = None,
        past_key_values: Any = None,
        **others: Any,
    ) -> BaseModelOutputWithPast:
        x = self.words(input_ids)
        if position_ids is None:
            position_ids = torch.arange(x.shape[1])[None]
        mask = create_causal_mask(
            config=self.config,
            inputs_embeds=x,
            attention_mask=attention_mask,
            past_key_values=past_key_values,
            position_ids=position_ids,
        )
        turns = self.clock(x, position_ids=position_ids)
        states, weights = [], []
        for floor in self.floors:
            states.append(x)
            x, of_floor = floor(
                x, attention_mask=mask, position_embeddings=turns, past_key_values=past_key_values
            )
            weights.append(of_floor)
        x = self.calm(x)
        return BaseModelOutputWithPast(
            last_hidden_state=x,
            past_key_values=past_key_values,
            hidden_states=(*states, x),
            attentions=tuple(weights),
        )


class StrangerForCausalLM(StrangerBase):
    def __init__(self, config: StrangerConfig) -> None:
        super().__init__(config)
        self.tower = Stranger(config)
        self.speak = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        self.post_init()

    def forward(self, **inputs: Any) -> CausalLMOutputWithPast:
        inside = self.tower(**inputs)
        return CausalLMOutputWithPast(
            logits=self.speak(inside.last_hidden_state),
            hidden_states=inside.hidden_states,
            attentions=inside.attentions,
        )


AutoConfig.register("stranger", StrangerConfig)
AutoModel.register(StrangerConfig, Stranger)
AutoModelForCausalLM.register(StrangerConfig, StrangerForCausalLM)
