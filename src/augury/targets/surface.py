"""What a question looks like, without any model: words, not substrings."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

__all__ = ["QUESTION_WORDS", "Surface", "WordCounts", "count_words", "surface", "words"]

QUESTION_WORDS = ("what", "where", "when", "who", "how", "why", "which")

_WORD = re.compile(r"[^\W\d_]+(?:['\u2019][^\W\d_]+)*")
_NEGATIONS = frozenset(
    "not no never none nobody nothing nowhere neither nor cannot without".split()
)
_HEDGES = frozenset(
    "possibly perhaps maybe might could probably likely unlikely sometimes often usually "
    "approximately roughly generally typically".split()
)
_FIRST_WORDS = {"whose": "who", "whom": "who", "who's": "who", "what's": "what", "where's": "where"}
_MAY = re.compile(r"\bmay\b")
_MONTH_BEFORE = frozenset("in of on since until by during last next early late mid".split())


@dataclass(frozen=True, slots=True)
class WordCounts:
    """How often each word occurs in some corpus."""

    counts: Mapping[str, int]
    total: int
    """Of all words."""

    name: str
    """Which corpus."""

    def rarity(self, word: str) -> float:
        """Negative log10 of the word's share, with one added to every count: 0 is every word."""
        return -math.log10((self.counts.get(word, 0) + 1) / (self.total + len(self.counts) + 1))


@dataclass(frozen=True, slots=True)
class Surface:
    """Features of a question's text."""

    char_length: int
    question_type: str
    """The question word that comes first, or `other`."""

    has_negation: bool
    has_ambiguity: bool
    """A word that hedges: possibly, might, could... `may` counts as a verb, not as the month."""

    rarity_mean: float
    """Over the words; see `WordCounts.rarity`."""

    rarity_max: float


def words(text: str) -> list[str]:
    """The words in lower case; numbers are none, `don't` is one."""
    return [match.group().casefold().replace("\u2019", "'") for match in _WORD.finditer(text)]


def count_words(texts: Iterable[str], name: str) -> WordCounts:
    """Count the words of a corpus."""
    counts = Counter(word for text in texts for word in words(text))
    return WordCounts(counts, counts.total(), name)


def surface(question: str, counts: WordCounts) -> Surface:
    """Features of one question.

    Args:
        question: Its text, options not included.
        counts: Of the corpus that says which words are rare.
    """
    found = words(question)
    rarity = [counts.rarity(word) for word in found] or [0.0]
    return Surface(
        char_length=len(question),
        question_type=_type(found),
        has_negation=any(word in _NEGATIONS or word.endswith("n't") for word in found),
        has_ambiguity=any(word in _HEDGES for word in found) or _permits(question),
        rarity_mean=sum(rarity) / len(rarity),
        rarity_max=max(rarity),
    )


def _type(found: list[str]) -> str:
    named = (_FIRST_WORDS.get(word, word) for word in found)
    return next((word for word in named if word in QUESTION_WORDS), "other")


def _permits(question: str) -> bool:
    """Whether some `may` is the verb: in small letters, and no preposition of dates before it."""
    for match in _MAY.finditer(question):
        before = words(question[: match.start()])
        if not (before and before[-1] in _MONTH_BEFORE):
            return True
    return False
