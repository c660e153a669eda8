"""Who writes: a model of this process, or one behind a server; ids in, ids out."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from augury.errors import DataError
from augury.models.generate import Generation, Sampling, sample
from augury.models.load import LoadedModel, load_model, load_tokenizer
from augury.models.server import ServerModel
from augury.rollouts.config import RolloutsConfig

__all__ = ["Author", "draw_key"]

_CONTEXT = 8
"""Tokens before a continuation that are decoded with it: some tokenizers drop leading spaces."""


def draw_key(*names: object) -> int:
    """What decides the draws of one continuation, e.g. of (problem, sentence, sample)."""
    text = "/".join(map(str, names)).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big")


class Author:
    """Continues ids, and says what the continuations read.

    Args:
        config: Names the model or the server.
        loaded: The model, where it is loaded already.
    """

    def __init__(self, config: RolloutsConfig, loaded: LoadedModel | None = None) -> None:
        self.server: ServerModel | None = None
        self.loaded = loaded
        if config.url is None:
            self.loaded = loaded or load_model(config.named_model)
            self.tokenizer: Any = self.loaded.tokenizer
            self.identity: dict[str, str] = self.loaded.identity
        else:
            self.tokenizer = load_tokenizer(config.named_model)
            self.server = ServerModel(config.url, config.model.name, self.tokenizer)
            self.identity = {"server's model": config.model.name}

    def write(
        self, prompts: Sequence[Sequence[int]], keys: Sequence[int], settings: Sampling
    ) -> list[Generation]:
        """Continue every prompt; errors as `sample` and `ServerModel.sample`."""
        if self.server is not None:
            return self.server.sample(prompts, settings, keys)
        assert self.loaded is not None
        return sample(self.loaded, prompts, settings=settings, keys=keys)

    def text(self, prefix: Sequence[int], new: Sequence[int]) -> str:
        """What `new` reads behind `prefix`.

        Raises:
            DataError: The tokens before read differently when these follow.
        """
        before = self._decoded(prefix[-_CONTEXT:])
        both = self._decoded([*prefix[-_CONTEXT:], *new])
        if not both.startswith(before):
            raise DataError(
                "continuation",
                found=f"{before[-20:]!r} becomes {both[: len(before)][-20:]!r} when it is read on",
                expected="a tokenizer that reads tokens the same whatever follows",
            )
        return both[len(before) :]

    def _decoded(self, ids: Sequence[int]) -> str:
        return str(self.tokenizer.decode(list(ids), clean_up_tokenization_spaces=False))
