"""Onsets: the token with which an event begins, and the position at which it was decided."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from augury.errors import DataError
from augury.targets.events import token_events
from augury.traces.align import place_spans
from augury.traces.sentences import split_sentences
from augury.traces.tokenizer import Tokenizer
from augury.traces.tokens import TokenisedTrace
from augury.traces.trace import Trace

__all__ = ["Onset", "onsets_of", "opening_tokens", "target_ids"]


@dataclass(frozen=True, slots=True)
class Onset:
    """Where one event begins."""

    token: int
    """Index of its first token in the whole trace, from 0."""

    token_id: int
    """The id that really stands there."""

    token_text: str
    """What it decodes to."""

    in_completion: int
    """Its index among the completion's tokens, from 0."""

    start: int
    """First code point of the event in `Trace.text`."""

    opens_sentence: bool
    """Whether a sentence begins with it."""

    source: str
    """Source of its span, e.g. `detector:strict`."""

    @property
    def deciding(self) -> int:
        """The position whose state decides: the token before the onset."""
        return self.token - 1


def onsets_of(
    trace: Trace, tokenised: TokenisedTrace, tokenizer: Tokenizer, label: str
) -> list[Onset]:
    """Every event of one label in the completion, in order; spans are decoded back and compared.

    Raises:
        CheckFailed: A span does not stand where its tokens do.
    """
    placed = place_spans(trace, tokenised, tokenizer)
    by_token = {one.first: one.span for one in placed if one.span.label == label}
    opening = opening_tokens(trace, tokenised)
    out = []
    for token in np.flatnonzero(token_events(tokenised, placed, label).onset).tolist():
        if token < max(1, tokenised.first_row):
            continue
        span, token_id = by_token[token], int(tokenised.ids[token])
        text = str(tokenizer.decode([token_id], clean_up_tokenization_spaces=False))
        out.append(
            Onset(
                token=token,
                token_id=token_id,
                token_text=text,
                in_completion=token - tokenised.first_row,
                start=span.start,
                opens_sentence=bool(opening[token]),
                source=span.source,
            )
        )
    return out


def opening_tokens(trace: Trace, tokenised: TokenisedTrace) -> np.ndarray:
    """Tokens with which a sentence of the completion begins, bool [token].

    White space before a sentence belongs to its first token where the vocabulary glues it on.
    """
    shift = len(trace.prompt)
    text = trace.completion
    begins = [start for start, _ in split_sentences(text)]
    out = np.zeros(len(tokenised), dtype=bool)
    seen: set[int] = set()
    for token in range(tokenised.first_row, len(tokenised)):
        start, end = int(tokenised.starts[token]) - shift, int(tokenised.ends[token]) - shift
        core = start + len(text[start:end]) - len(text[start:end].lstrip())
        if core >= end:
            continue
        sentence = bisect_right(begins, core) - 1
        if sentence not in seen:
            seen.add(sentence)
            out[token] = not text[begins[sentence] : core].strip()
    return out


def target_ids(
    onsets: Iterable[Onset], tokenizer: Tokenizer, variants: Iterable[str] = ()
) -> dict[int, str]:
    """The target set: ids that really begin events, and those that declared variants begin with.

    A variant counts where its whole first word is one token; a piece of a word begins other words
    too.

    Args:
        onsets: Events as they were found.
        tokenizer: Of the model.
        variants: Texts, each taken as it is, with a space before it, in lower case and capitalised.

    Returns:
        Id to what it decodes to, by id.

    Raises:
        DataError: Neither an onset nor a variant.
    """
    ids = {one.token_id for one in onsets}
    for text in variants:
        for word in {text, text.lower(), text[:1].upper() + text[1:]} - {""}:
            for form in (word, f" {word}"):
                found = tokenizer(form, add_special_tokens=False)["input_ids"]
                # Some vocabularies write a space as a token of its own.
                written = [i for i in found if str(tokenizer.decode([i])).strip()]
                first = str(tokenizer.decode(written[:1])).strip()
                if first == word.split()[0]:
                    ids.add(int(written[0]))
    if not ids:
        raise DataError("target set", found="no onset and no variant", expected="at least one")
    return {i: str(tokenizer.decode([i], clean_up_tokenization_spaces=False)) for i in sorted(ids)}
