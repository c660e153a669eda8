"""Offsets of given token ids in their text, from the bytes that each id stands for."""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterator, Sequence
from functools import cache

import numpy as np

from augury.errors import DataError
from augury.traces.tokenizer import Tokenizer

__all__ = ["offsets_of_ids"]

Ranges = list[tuple[int, int]]


def offsets_of_ids(
    tokenizer: Tokenizer, ids: Sequence[int], text: str
) -> tuple[np.ndarray, np.ndarray]:
    """Place ids in the text that they decode to, without encoding the text again.

    The bytes of the ids are laid end to end (byte-level vocabularies, then pieces with byte
    fallback, then whole words with white space between) and the first reading that reproduces
    `text` exactly is used. Ids that share a character share its place. Pieces may lose the one
    leading space that their decoder strips.

    Args:
        tokenizer: Gives the vocabulary string of each id.
        ids: What the model produced.
        text: What it decodes to, special tokens kept.

    Returns:
        Starts and ends, int32 [token], in code points of `text`, end exclusive.

    Raises:
        DataError: No reading of the ids gives `text`.
    """
    ids = [int(number) for number in ids]
    pieces = list(tokenizer.convert_ids_to_tokens(ids))
    added = {number: token.content for number, token in tokenizer.added_tokens_decoder.items()}
    if all(isinstance(piece, str) for piece in pieces):
        contents = [added.get(number) for number in ids]
        for read in (_byte_level, _sentence_pieces, _words):
            ranges = read(pieces, contents, text)
            if ranges is not None:
                flat = np.asarray(ranges, dtype=np.int32).reshape(len(ids), 2)
                return flat[:, 0].copy(), flat[:, 1].copy()
    raise DataError(
        "token ids of the text",
        found=f"{len(ids)} ids that do not decode to the text {text[:40]!r}...",
        expected="ids whose bytes are the text",
        fix="store the text as the tokenizer decodes it, with special tokens and spaces kept",
    )


Reading = Callable[[Sequence[str], Sequence[str | None], str], Ranges | None]


def _byte_level(pieces: Sequence[str], added: Sequence[str | None], text: str) -> Ranges | None:
    table = _byte_of_character()
    chunks: list[bytes] = []
    for piece, content in zip(pieces, added, strict=True):
        if content is not None:
            chunks.append(content.encode("utf-8"))
        elif all(character in table for character in piece):
            chunks.append(bytes(table[character] for character in piece))
        else:
            return None
    if b"".join(chunks).decode("utf-8", "replace") != text:
        return None
    return list(_ranges_of_bytes(chunks, 0))


def _sentence_pieces(
    pieces: Sequence[str], added: Sequence[str | None], text: str
) -> Ranges | None:
    ranges: Ranges = []
    spelled: list[str] = []
    done = 0
    for run in _runs(pieces, added):
        if isinstance(run, str):
            spelled.append(run)
            ranges.append((done, done + len(run)))
        else:
            # The decoders of such vocabularies show every byte of a broken character by itself.
            whole = _decoded(b"".join(run))
            spelled.append("\ufffd" * len(run) if whole is None else whole)
            one_each = ((done + k, done + k + 1) for k in range(len(run)))
            ranges.extend(one_each if whole is None else _ranges_of_bytes(run, done))
        done += len(spelled[-1])
    joined = "".join(spelled)
    if joined == text:
        return ranges
    if joined[:1] == " " and joined[1:] == text:
        return [(max(start - 1, 0), max(end - 1, 1)) for start, end in ranges]
    return None


def _runs(pieces: Sequence[str], added: Sequence[str | None]) -> Iterator[str | list[bytes]]:
    """Pieces as text; neighbouring byte pieces such as `<0xF0>` together as bytes."""
    run: list[bytes] = []
    for piece, content in zip(pieces, added, strict=True):
        if content is None and len(piece) == 6 and piece.startswith("<0x") and piece[5] == ">":
            run.append(bytes([int(piece[3:5], 16)]))
            continue
        if run:
            yield run
            run = []
        yield piece.replace("\u2581", " ") if content is None else content
    if run:
        yield run


def _words(pieces: Sequence[str], added: Sequence[str | None], text: str) -> Ranges | None:
    ranges: Ranges = []
    done = 0
    for piece, content in zip(pieces, added, strict=True):
        word = piece if content is None else content
        start = text.find(word, done)
        if not word or start < 0 or text[done:start].strip():
            return None
        done = start + len(word)
        ranges.append((start, done))
    return None if text[done:].strip() else ranges


def _ranges_of_bytes(chunks: Sequence[bytes], first: int) -> Iterator[tuple[int, int]]:
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    done = first
    for chunk in chunks:
        start = done
        done += len(decoder.decode(chunk))
        # A character whose bytes are still coming belongs to every chunk that holds some of them.
        unfinished = bool(decoder.getstate()[0])
        yield start, done + unfinished


def _decoded(raw: bytes) -> str | None:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return None


@cache
def _byte_of_character() -> dict[str, int]:
    """The printable alphabet of byte-level vocabularies.

    Visible Latin-1 bytes stand for themselves, the other bytes, in order, for the characters from
    U+0100 on.
    """
    visible = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    hidden = [byte for byte in range(256) if byte not in set(visible)]
    table = {chr(byte): byte for byte in visible}
    return table | {chr(0x100 + order): byte for order, byte in enumerate(hidden)}
