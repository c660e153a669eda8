"""Read `["label"]sentence["end-section"]` markup back onto the untouched text.

Annotators drop newlines, forget end tags, stop early and now and then change a word. The text
itself is known, so the markup is only asked where its sections start and end in it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

__all__ = ["FAULTS", "Marked", "Section", "align_markup"]

END = "end-section"

FAULTS = {
    "unterminated section": "the last section has no end tag; it ends with the annotation",
    "missing end tag": "a label follows inside a section; the section ends there",
    "orphan end tag": "an end tag without a section; ignored",
    "empty section": "a label without text; ignored",
    "text outside tags": "stretches of text in no section; left unlabelled",
    "tag-like text": "markup-like strings that are the author's own; kept as text",
    "white space differs": "annotation without the newlines of the text; taken from the text",
    "tail not annotated": "the text goes on after the annotation; left unlabelled",
    "text differs": "words changed by the annotator; placed on the original words",
    "stray label": "labels outside the known ones; kept",
}
"""Fault -> what it is and how it was repaired."""

_TAG = re.compile(r'\["([^"\]\n]{1,64})"\]')
_WORD = re.compile(r"\w+|[^\w\s]")


@dataclass(frozen=True, slots=True)
class Section:
    """A labelled stretch of the text, without white space at its borders."""

    label: str
    """As the annotator wrote it."""

    start: int
    """First code point of the text, from 0."""

    end: int
    """One past the last code point."""


@dataclass(frozen=True, slots=True)
class Marked:
    """What the markup says about the text."""

    sections: tuple[Section, ...]
    """In the order of the text; neighbours with one label stay apart."""

    faults: dict[str, int]
    """Fault (a key of `FAULTS`) -> how often it was repaired."""

    similarity: float
    """Share of words, 0 to 1, that markup and annotated part of the text have in common."""


@dataclass(frozen=True, slots=True)
class _Piece:
    tag: str | None
    start: int = 0
    end: int = 0


def align_markup(annotated: str, text: str) -> Marked:
    """Place the sections of `annotated` on `text`.

    First the two are compared without white space; a string that looks like a tag is text where
    `text` has it at that very place. If that fails, words are aligned by longest matches.

    Args:
        annotated: Text with inline markup; may be incomplete.
        text: The original.
    """
    faults: Counter[str] = Counter()
    exact = _exact(annotated, text)
    if exact is None:
        pieces, similarity = _by_words(annotated, text)
        faults["text differs"] += 1
    else:
        (pieces, bare), similarity = exact, 1.0
        faults["white space differs"] += bare.strip() not in text
    faults["tag-like text"] = len(_TAG.findall(annotated)) - sum(
        piece.tag is not None for piece in pieces
    )
    reached = max((piece.end for piece in pieces), default=0)
    faults["tail not annotated"] += bool(text[reached:].strip())
    sections = tuple(_sections(pieces, faults))
    return Marked(sections, {name: faults[name] for name in FAULTS if faults[name]}, similarity)


def _exact(annotated: str, text: str) -> tuple[list[_Piece], str] | None:
    """Pieces, and the annotation without tags, if it agrees with `text` but for white space."""
    places = [place for place, character in enumerate(text) if not character.isspace()]
    compact = "".join(text.split())
    pieces: list[_Piece] = []
    bare: list[str] = []
    at = 0

    def advance(part: str) -> bool:
        nonlocal at
        squeezed = "".join(part.split())
        if not compact.startswith(squeezed, at):
            return False
        bare.append(part)
        if squeezed:
            pieces.append(_Piece(None, places[at], places[at + len(squeezed) - 1] + 1))
            at += len(squeezed)
        return True

    done = 0
    for tag in _TAG.finditer(annotated):
        if not advance(annotated[done : tag.start()]):
            return None
        if not advance(tag.group()):
            pieces.append(_Piece(tag.group(1)))
        done = tag.end()
    return (pieces, "".join(bare)) if advance(annotated[done:]) else None


def _by_words(annotated: str, text: str) -> tuple[list[_Piece], float]:
    pieces: list[tuple[str | None, list[str]]] = []
    done = 0
    for tag in _TAG.finditer(annotated):
        if tag.group(1) != END and tag.group() in text:
            continue
        pieces.append((None, _words(annotated[done : tag.start()])))
        pieces.append((tag.group(1), []))
        done = tag.end()
    pieces.append((None, _words(annotated[done:])))
    spans = [word.span() for word in _WORD.finditer(text)]
    marked = [word for _, words in pieces for word in words]
    partner, matched = _partners(marked, _words(text))
    placed: list[_Piece] = []
    number = 0
    for label, words in pieces:
        mates = [mate for mate in partner[number : number + len(words)] if mate is not None]
        number += len(words)
        if label is not None:
            placed.append(_Piece(label))
        elif mates:
            placed.append(_Piece(None, spans[mates[0]][0], spans[mates[-1]][1]))
    reached = 1 + max((mate for mate in partner if mate is not None), default=-1)
    return placed, 2 * matched / max(1, len(marked) + reached)


def _partners(marked: Sequence[str], words: Sequence[str]) -> tuple[list[int | None], int]:
    """For each marked word its word in the text or None, and how many are equal."""
    partner: list[int | None] = [None] * len(marked)
    matched = 0
    matcher = SequenceMatcher(None, marked, words, autojunk=False)
    for kind, first, stop, low, high in matcher.get_opcodes():
        matched += stop - first if kind == "equal" else 0
        # Changed words stand where the original began to differ; the rest of the original may be
        # a tail that was never annotated, so they are not spread over it.
        for k in range(min(stop - first, high - low)):
            partner[first + k] = low + k
    return partner, matched


def _words(text: str) -> list[str]:
    return [word.casefold() for word in _WORD.findall(text)]


def _sections(pieces: Sequence[_Piece], faults: Counter[str]) -> Iterator[Section]:
    label: str | None = None
    covered: list[_Piece] = []

    def closed() -> Iterator[Section]:
        if label is not None and covered:
            yield Section(label, covered[0].start, covered[-1].end)
        faults["empty section"] += label is not None and not covered
        covered.clear()

    for piece in pieces:
        if piece.tag is None:
            faults["text outside tags"] += label is None
            if label is not None:
                covered.append(piece)
            continue
        faults["orphan end tag"] += label is None and piece.tag == END
        faults["missing end tag"] += label is not None and piece.tag != END
        yield from closed()
        label = None if piece.tag == END else piece.tag
    faults["unterminated section"] += label is not None
    yield from closed()
