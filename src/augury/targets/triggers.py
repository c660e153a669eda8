"""Find where a text turns back on itself, by the phrases that say so."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from augury.config import Config
from augury.traces.sentences import split_sentences
from augury.traces.trace import Span, Trace

__all__ = ["TRIGGER", "Detected", "Triggers", "find_triggers", "with_triggers"]

TRIGGER = "trigger"
"""Label of the spans of detected phrases; their source is `detector:strict` or `:relaxed`."""


class Triggers(Config):
    """Which phrases count."""

    strict: tuple[str, ...] = ("Wait", "Actually", "Hold on")
    """Count where they open a sentence or a clause, or stand by themselves (`... 8 wait, let me`);
    not as a verb or an adverb (`wait for the bus`, `what is actually asked`)."""

    relaxed: tuple[str, ...] = ("Let me check", "Let's check", "I was wrong", "mistake")
    """Count wherever they stand, and so do the strict ones where they are not strict."""


@dataclass(frozen=True, slots=True)
class Detected:
    """One event."""

    start: int
    """First code point of the phrase in the text that was searched, from 0."""

    end: int
    phrase: str
    """As it stands in the text."""

    strict: bool


_WORD = re.compile(r"[\w'’]+")
_INTERJECTION = (
    "ah|alright|and|but|hmm+|hm|however|huh|no|nope|now|oh|ok|okay|or|right|so|then|though|uh|um|"
    "wait|actually|hold on|well|yeah|yes"
)
# What may stand between the beginning of a clause and a trigger that opens it.
_OPENING = re.compile(rf"(?:^|[.?!…;:,—–()\[\]\n\"“”*_-])\W*(?:(?:{_INTERJECTION})\b\W*)*\Z", re.I)
_STANDS_ALONE = re.compile(r"\s?[,.!?…;:—–-]")
_COMPLEMENT = re.compile(r"\s+(?:for|until|till|to|while|on|in|at|outside|times?|lists?)\b", re.I)
_QUOTED = re.compile(r"\"([^\"\n]{1,300})\"|“([^”\n]{1,300})”|'([^'\n]{1,300})'")
_COPIED = 5
"""A run of this many words that stands in the prompt too is a quotation."""


def find_triggers(text: str, triggers: Triggers, *, prompt: str = "") -> list[Detected]:
    """All events of a text in their order; a sentence has one at most.

    A phrase counts in any case, as whole words. Where a sentence holds several, the first strict
    one is its event, or else the first relaxed one. Phrases that are quoted from the prompt do not
    count: inside quotation marks whose content stands in the prompt, or within five words in a row
    that do.

    Args:
        text: A completion.
        triggers: Which phrases.
        prompt: What the completion answers.
    """
    starts = [start for start, _ in split_sentences(text)]
    copied = _copies(text, prompt)
    chosen: dict[int, Detected] = {}
    for hit in sorted(_hits(text, triggers), key=lambda one: (one.start, not one.strict)):
        if any(start <= hit.start and hit.end <= end for start, end in copied):
            continue
        sentence = bisect_right(starts, hit.start) - 1
        if sentence not in chosen or (hit.strict and not chosen[sentence].strict):
            chosen[sentence] = hit
    return [chosen[sentence] for sentence in sorted(chosen)]


def with_triggers(trace: Trace, triggers: Triggers) -> Trace:
    """The trace with its detected phrases as spans labelled `trigger`; older ones are replaced."""
    shift = len(trace.prompt)
    found = [
        Span(
            shift + one.start,
            shift + one.end,
            TRIGGER,
            f"detector:{'strict' if one.strict else 'relaxed'}",
        )
        for one in find_triggers(trace.completion, triggers, prompt=trace.prompt)
    ]
    kept = [span for span in trace.spans if span.label != TRIGGER]
    spans = tuple(sorted([*kept, *found], key=lambda span: (span.start, -span.end)))
    return Trace(
        trace.id, trace.group, trace.prompt, trace.completion, spans, trace.fields, trace.origin
    )


def _hits(text: str, triggers: Triggers) -> Iterator[Detected]:
    for hit in _pattern(triggers.strict).finditer(text):
        yield Detected(hit.start(), hit.end(), hit.group(), _is_strict(text, hit))
    for hit in _pattern(triggers.relaxed).finditer(text):
        yield Detected(hit.start(), hit.end(), hit.group(), False)


def _is_strict(text: str, hit: re.Match[str]) -> bool:
    if _COMPLEMENT.match(text, hit.end()):
        return False
    if _STANDS_ALONE.match(text, hit.end()):
        return True
    return _OPENING.search(text[max(0, hit.start() - 60) : hit.start()]) is not None


@cache
def _pattern(phrases: Sequence[str]) -> re.Pattern[str]:
    if not phrases:
        return re.compile(r"(?!)")
    longest_first = sorted(phrases, key=len, reverse=True)
    either = "|".join(r"\s+".join(map(re.escape, phrase.split())) for phrase in longest_first)
    # A hyphen or an apostrophe makes another word of it: `wait-list`, `mistake's`.
    return re.compile(rf"(?<![\w'’-])(?:{either})(?![\w'’]|-\w)", re.IGNORECASE)


def _copies(text: str, prompt: str) -> list[tuple[int, int]]:
    """Ranges of `text` that are quoted from the prompt."""
    told = [word.lower() for word in _WORD.findall(prompt)]
    if not told:
        return []
    joined = f" {' '.join(told)} "
    out = []
    for quoted in _QUOTED.finditer(text):
        inner = " ".join(word.lower() for word in _WORD.findall(quoted.group()[1:-1]))
        if inner and f" {inner} " in joined:
            out.append(quoted.span())
    runs = {tuple(told[i : i + _COPIED]) for i in range(len(told) - _COPIED + 1)}
    words = list(_WORD.finditer(text))
    for first in range(len(words) - _COPIED + 1):
        run = words[first : first + _COPIED]
        if tuple(word.group().lower() for word in run) in runs:
            out.append((run[0].start(), run[-1].end()))
    return out
