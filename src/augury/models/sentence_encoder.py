"""Sentence encoders as sentence-transformers publishes them, through transformers alone."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from transformers import AutoModel, AutoTokenizer

from augury.errors import ConfigError, MissingInput
from augury.models.source import content_identity, find_model

__all__ = ["DEFAULT_ENCODER", "SentenceEncoder", "cached_encoder", "embed_by_length"]

DEFAULT_ENCODER = "sentence-transformers/all-MiniLM-L6-v2"
"""The encoder of the published importances."""

_BATCH = 128


class SentenceEncoder:
    """Texts to unit vectors: mean (or first token) of the last states, as the folder says.

    Args:
        name: A local folder or a hub id, with safetensors weights.
        revision: On the hub.

    Raises:
        MissingInput: There is none.
        ConfigError: A pooling other than `mean` and `cls`, or a folder that is no encoder.
    """

    def __init__(self, name: str, revision: str | None = None) -> None:
        folder = find_model(name, revision, what="encoder")
        self._first = _pools_first(folder)
        self._limit = _limit(folder)
        try:
            self._tokenizer: Any = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
            self._model: Any = AutoModel.from_pretrained(
                folder, use_safetensors=True, trust_remote_code=False
            ).eval()
        except (OSError, ValueError) as error:
            raise ConfigError(
                f"encoder {name!r}",
                found=f"it cannot be loaded ({str(error).splitlines()[0]})",
                expected="an encoder of transformers with its tokenizer",
            ) from error
        self.identity = content_identity(folder, ("*.safetensors", "config.json", "tokenizer.json"))

    def __call__(self, texts: Sequence[str]) -> Float[np.ndarray, "text hidden"]:
        """One unit vector per text."""
        ids = [
            self._tokenizer(text, truncation=True, max_length=self._limit)["input_ids"]
            for text in texts
        ]
        return embed_by_length(ids, self._states)

    @torch.no_grad()
    def _states(self, ids: np.ndarray) -> np.ndarray:
        states = self._model(input_ids=torch.from_numpy(ids)).last_hidden_state
        pooled = states[:, 0] if self._first else states.mean(dim=1)
        return np.asarray(torch.nn.functional.normalize(pooled, dim=-1).numpy())


def embed_by_length(
    ids: Sequence[Sequence[int]], states: Callable[[np.ndarray], np.ndarray]
) -> Float[np.ndarray, "text hidden"]:
    """Embed texts in batches of equal length, so that no padding can leak into one.

    Args:
        ids: Of each text.
        states: int64 [text, token] -> [text, hidden].
    """
    order = sorted(range(len(ids)), key=lambda n: (len(ids[n]), n))
    found: dict[int, np.ndarray] = {}
    at = 0
    while at < len(order):
        length = len(ids[order[at]])
        some = [n for n in order[at : at + _BATCH] if len(ids[n]) == length]
        for n, row in zip(some, states(np.array([ids[n] for n in some])), strict=True):
            found[n] = row
        at += len(some)
    return np.stack([found[n] for n in range(len(ids))])


def cached_encoder() -> str | None:
    """`DEFAULT_ENCODER` where it is on this machine already; nothing is fetched."""
    from huggingface_hub import try_to_load_from_cache

    path = try_to_load_from_cache(DEFAULT_ENCODER, "model.safetensors")
    return str(Path(path).parent) if isinstance(path, str) else None


def _pools_first(folder: Path) -> bool:
    path = folder / "1_Pooling" / "config.json"
    if not path.is_file():
        return False
    told = json.loads(path.read_text(encoding="utf-8"))
    chosen = [name for name, on in told.items() if name.startswith("pooling_mode") and on is True]
    if chosen not in (["pooling_mode_mean_tokens"], ["pooling_mode_cls_token"]):
        raise ConfigError(str(path), found=f"{chosen}", expected="the pooling mean or cls")
    return chosen == ["pooling_mode_cls_token"]


def _limit(folder: Path) -> int:
    path = folder / "sentence_bert_config.json"
    if path.is_file():
        told = json.loads(path.read_text(encoding="utf-8")).get("max_seq_length")
        if isinstance(told, int):
            return told
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    if "max_position_embeddings" not in config:
        raise MissingInput(
            str(folder / "config.json"), found="no max_position_embeddings", expected="an encoder"
        )
    return int(config["max_position_embeddings"])
