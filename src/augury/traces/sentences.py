"""Split text into sentences that tile it: every code point is in exactly one."""

from __future__ import annotations

import re
from itertools import pairwise

__all__ = ["split_sentences"]

_ABBREVIATIONS = frozenset(
    "e.g i.e etc vs cf al approx resp eq eqs fig figs ed eds est incl "
    "dr mr mrs ms prof st jr sr rev gen col capt lt hon messrs mme mlle mt dept univ inc ltd co "
    "jan feb mar apr jun jul aug sep sept oct nov dec a.m p.m u.s u.k ph.d m.d b.a m.a".split()
)
_BEFORE_NUMBERS = frozenset("no nos sec ch vol pp p".split())

# Math is skipped whole. A dollar sign opens math only before, and closes it only after, something
# that is not a space, and never before a digit: otherwise it is money.
_MATH = re.compile(
    r"\$\$.+?\$\$|\\\[.+?\\\]|\\\(.+?\\\)|(?<![\\$])\$(?![\s$])[^$\n]{0,300}?(?<![\s\\])\$(?!\d)",
    re.DOTALL,
)
_STOP = re.compile(r"[.!?\u2026\u3002\uff01\uff1f]+[\"'\u201d\u2019)\]*_]*\s+")
_BLANK_LINE = re.compile(
    r"[^\S\n]*\n\s*\n\s*|[^\S\n]*\n(?=[^\S\n]*(?:[-*\u2022#]+|\(?\w{1,3}[.)])\s)"
)
_LAST_WORD = re.compile(r"(?<![\w.])[\w.]*\w$")
# A capital by itself is an initial after a name or an initial; elsewhere it names a point or a set.
_INITIAL = re.compile(r"(?:^|[A-Z]\w*\.?\s+)[A-HJ-Z]$")
_LIST_NUMBER = re.compile(r"(?:^|\n|[.!?]\s)[^\S\n]*\(?(?:\d{1,3}|[A-Za-z])$")


def split_sentences(text: str) -> list[tuple[int, int]]:
    r"""Sentences of `text` as code-point ranges `[start, end)`.

    A sentence ends after `.`, `!` or `?` (and closing quotes) before white space, at a blank line,
    and before a list item or heading on a new line. Decimals, list numbers, abbreviations,
    initials, formulas (`$...$`, `$$...$$`, `\(...\)`, `\[...\]`) and stops before a lower-case
    word do not end one. White space belongs to the sentence before it, leading white space to
    the first.

    Returns:
        Ranges that tile the text: the first starts at 0, each next where the one before ends, the
        last ends at `len(text)`. Empty for an empty text.
    """
    math = [hit.span() for hit in _MATH.finditer(text)]
    ends = {hit.end() for hit in _BLANK_LINE.finditer(text)}
    for hit in _STOP.finditer(text):
        if _ends_sentence(text, hit):
            ends.add(hit.end())
    lead = len(text) - len(text.lstrip())
    inside = {end for end in ends if any(start < end < stop for start, stop in math)}
    cuts: list[int] = []
    for end in sorted(end for end in ends - inside if lead < end < len(text)):
        if cuts and not text[cuts[-1] : end].strip():
            cuts.pop()
        cuts.append(end)
    bounds = [0, *cuts, len(text)] if text else []
    return list(pairwise(bounds))


def _ends_sentence(text: str, stop: re.Match[str]) -> bool:
    if text[stop.end() : stop.end() + 1].islower():
        return False
    if stop.group().rstrip() != ".":
        return True
    before = text[max(0, stop.start() - 40) : stop.start()]
    if _LIST_NUMBER.search(before):
        return False
    word = _LAST_WORD.search(before)
    if word is None:
        return True
    last = word.group().lower()
    if last in _BEFORE_NUMBERS:
        return not text[stop.end() : stop.end() + 1].isdigit()
    return not _INITIAL.search(before) and last not in _ABBREVIATIONS
