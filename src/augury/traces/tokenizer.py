"""What this package asks of a tokenizer; any fast tokenizer of the hub libraries fits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

__all__ = ["Tokenizer", "special_contents"]


class Tokenizer(Protocol):
    """The part of a hub tokenizer that is used here; nothing else of it is ever called."""

    bos_token_id: int | None
    """Id of the begin-of-sequence token; None where the vocabulary has none. May be 0."""

    chat_template: Any
    """Template text, or None."""

    @property
    def added_tokens_decoder(self) -> Mapping[int, Any]:
        """Id -> added token with `content`, `special`, `lstrip` and `rstrip`."""
        ...

    def __call__(self, text: str, **options: Any) -> Mapping[str, Any]:
        """Encode one text; `input_ids`, and `offset_mapping` in code points if asked for."""
        ...

    def decode(self, token_ids: Any, **options: Any) -> Any:
        """Text of the ids."""
        ...

    def convert_ids_to_tokens(self, ids: Any, **options: Any) -> Any:
        """Vocabulary strings of the ids, before any decoder."""
        ...

    def apply_chat_template(self, conversation: Any, **options: Any) -> Any:
        """Render a conversation."""
        ...


def special_contents(tokenizer: Tokenizer) -> dict[str, int]:
    """Strings that the tokenizer would parse as special tokens, with their ids.

    Added tokens that are not special (for instance `</think>` of reasoning models) are ordinary
    vocabulary and are left out.
    """
    added = tokenizer.added_tokens_decoder.items()
    return {token.content: number for number, token in added if token.special and token.content}
