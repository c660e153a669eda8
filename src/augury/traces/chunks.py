"""Find the sentences of a text again, each at its own occurrence, and say where that fails.

Chunks come in the order of the text and leave nothing but white space between them, so a chunk
stands where the one before it ends. A chunk that stands elsewhere too ("Correct.") is never taken
for its twin, which a search from the beginning would do.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["PlacedChunk", "cut_everywhere", "place_chunks"]


@dataclass(frozen=True, slots=True)
class PlacedChunk:
    """Where one chunk stands."""

    index: int
    """Its number, from 0."""

    start: int
    """First code point in the text; -1 where the chunk is not there."""

    end: int
    """One past the last code point; -1 where the chunk is not there."""

    skipped: str
    """Text between the end of the chunk before and this one that no chunk has; normally empty."""

    verbatim: bool
    """False where white space differs from that of the text."""

    @property
    def found(self) -> bool:
        """Whether it stands in the rest of the text."""
        return self.start >= 0

    @property
    def fault(self) -> str:
        """What is wrong with it, in words; empty where nothing is."""
        if not self.found:
            return "not in the rest of the text"
        return f"text before it is in no chunk: {self.skipped[:40]!r}" if self.skipped else ""


def place_chunks(
    text: str, chunks: Sequence[str], *, start: int = 0, stop: int | None = None
) -> list[PlacedChunk]:
    """Place each chunk right behind the one before; white space inside a chunk may differ.

    A chunk that does not stand there is searched for in what follows, and the text that is then
    passed over is reported. One that is not found leaves the place where it was.

    Args:
        text: What the chunks were cut from.
        chunks: In the order of the text, without white space at their ends.
        start: Where the first may begin, in code points.
        stop: Where the last must have ended; the end of the text if not given.
    """
    end = len(text) if stop is None else stop
    at, placed = start, []
    for index, chunk in enumerate(chunks):
        pattern = re.compile(r"\s+".join(re.escape(word) for word in chunk.split()))
        here = re.compile(r"\s*").match(text, at, end)
        begin = here.end() if here else at
        hit = pattern.search(text, begin, end)
        if hit is None or hit.start() == hit.end():
            placed.append(PlacedChunk(index, -1, -1, "", False))
            continue
        verbatim = hit.group() == chunk
        placed.append(PlacedChunk(index, *hit.span(), text[begin : hit.start()].strip(), verbatim))
        at = hit.end()
    return placed


def cut_everywhere(chunks: Sequence[str], index: int) -> bool:
    """Whether deleting chunk `index` from the text before its end deletes earlier text, too.

    The published rollouts were continued from `text.replace(chunk, "")`, so where this is true
    they answer another question: what happens without *every* occurrence of the sentence.
    """
    before = " ".join(chunks[:index])
    return (before + " " + chunks[index]).replace(chunks[index], "").strip() != before.strip()
