"""Which single token a piece of text is, where it stands in running text."""

from __future__ import annotations

from augury.errors import DataError
from augury.traces.encode import encode
from augury.traces.tokenizer import Tokenizer

__all__ = ["single_token"]

_BEFORE = ("a", ".", "\n")
"""Texts that a piece may follow; many vocabularies write a word differently behind a blank."""


def single_token(text: str, tokenizer: Tokenizer) -> int:
    """Id of the one token that `text` is inside a running text, blanks counted.

    A text by itself may encode otherwise (SentencePiece puts a blank before it), so it is encoded
    behind something, and what is added must be one token that decodes to it.

    Raises:
        DataError: It is several tokens, or none.
    """
    seen: list[str] = []
    for before in _BEFORE:
        whole = before + text
        alone = encode(before, tokenizer, [(0, len(before))]).ids.tolist()
        ids = encode(whole, tokenizer, [(0, len(whole))]).ids.tolist()
        if len(ids) == len(alone) + 1 and ids[:-1] == alone:
            return int(ids[-1])
        pieces = tokenizer.convert_ids_to_tokens(ids[len(alone) :])
        seen.append(" ".join(repr(str(piece)) for piece in pieces))
    raise DataError(
        f"target {text!r}",
        found=f"the tokens {seen[0]}" if seen[0] else "no token of its own",
        expected="a text that is one token of this model",
        fix="name one of these tokens, or a word with its blank in front, such as ' the'",
    )
