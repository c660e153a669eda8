"""From spans of characters to ranges of tokens, and the proof that the range is the right one."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from augury.errors import CheckFailed
from augury.traces.tokenizer import Tokenizer
from augury.traces.tokens import TokenisedTrace
from augury.traces.trace import Span, Trace

__all__ = ["PlacedSpan", "place_spans", "token_range", "verify_placed"]

_BROKEN = "\ufffd"


@dataclass(frozen=True, slots=True)
class PlacedSpan:
    """A span and the tokens `[first, stop)` of one tokenised trace that overlap it."""

    span: Span
    """The span, in code points of the trace."""

    first: int
    """First token that overlaps it, from 0."""

    stop: int
    """One past the last token that overlaps it."""

    starts_here: bool = True
    """False in a window that the span entered from an earlier one: `first` is then no onset."""

    ends_here: bool = True
    """False in a window that the span goes on behind: `stop` is then not its end."""

    continues: bool = False
    """True where an earlier span of the same label ends right before it, but for white space."""


def token_range(tokenised: TokenisedTrace, start: int, end: int) -> tuple[int, int]:
    """Tokens that overlap code points `[start, end)`: first, and one past the last.

    Tokens of zero width (an added BOS) overlap nothing. Bytes of one character overlap together.
    A range that no token overlaps is returned as `(k, k)`, `k` being the first token after it.
    """
    overlap = (tokenised.ends > start) & (tokenised.starts < end)
    hits = np.flatnonzero(overlap & (tokenised.ends > tokenised.starts))
    if len(hits):
        return int(hits[0]), int(hits[-1]) + 1
    after = int(np.count_nonzero((tokenised.starts < end) | (tokenised.ends <= tokenised.starts)))
    return after, after


def place_spans(
    trace: Trace, tokenised: TokenisedTrace, tokenizer: Tokenizer | None = None
) -> list[PlacedSpan]:
    """Place the spans of `trace` on its tokens; spans that no token overlaps are left out.

    White space at the borders of a span is ignored, because most vocabularies glue it to the word
    after it, which belongs to the next span.

    Args:
        trace: The trace that was tokenised.
        tokenised: All of it, a cut of it, or one window.
        tokenizer: If given, every placed span is decoded back (see `verify_placed`).

    Raises:
        CheckFailed: A placed span does not decode to the text that it covers.
    """
    placed: list[PlacedSpan] = []
    reached: dict[str, int] = {}
    for span in sorted(trace.spans, key=lambda one: (one.start, one.end)):
        start, end = _core(trace.text, span)
        before = reached.get(span.label)
        joined = before is not None and not trace.text[before:start].strip()
        reached[span.label] = max(end, before or 0)
        first, stop = token_range(tokenised, start, end)
        if first < stop:
            here = int(tokenised.starts[first]) <= start
            ends = int(tokenised.ends[stop - 1]) >= end
            placed.append(PlacedSpan(span, first, stop, here, ends, continues=joined))
    if tokenizer is not None:
        verify_placed(trace, tokenised, placed, tokenizer)
    return placed


def verify_placed(
    trace: Trace,
    tokenised: TokenisedTrace,
    placed: Sequence[PlacedSpan],
    tokenizer: Tokenizer,
) -> None:
    """Decode the tokens of every placed span and compare with the text that they cover.

    White space at the borders is ignored, and so are characters whose bytes reach past the range.
    Canonically equal text (NFC) counts as equal, since some vocabularies normalise.

    Raises:
        CheckFailed: Some tokens stand elsewhere than their offsets say; both strings are shown.
    """
    for one in placed:
        covered = trace.text[tokenised.starts[one.first] : tokenised.ends[one.stop - 1]]
        span = trace.text[one.span.start : one.span.end]
        decoded = str(
            tokenizer.decode(
                tokenised.ids[one.first : one.stop].tolist(),
                skip_special_tokens=False,
                clean_up_tokenization_spaces=False,
            )
        )
        reaches = not one.starts_here or span.strip()[:1] in covered
        if not (reaches and _same(decoded.strip(), covered.strip())):
            raise CheckFailed(
                f"trace {trace.id!r}: span {one.span.label!r} "
                f"[{one.span.start}, {one.span.end}), tokens [{one.first}, {one.stop})",
                found=f"tokens that decode to {decoded[:80]!r}",
                expected=repr(covered[:80]),
                fix="tokenise the trace again with the tokenizer of the model",
            )


def _core(text: str, span: Span) -> tuple[int, int]:
    inner = text[span.start : span.end]
    if not inner.strip():
        return span.start, span.end
    start = span.start + len(inner) - len(inner.lstrip())
    return start, start + len(inner.strip())


def _same(decoded: str, covered: str) -> bool:
    if decoded == covered:
        return True
    if decoded and not decoded.strip(_BROKEN):
        # A window may begin inside a character: then nothing of it but broken bytes is left.
        return 0 < len(covered) <= len(decoded)
    head, tail = len(decoded) - len(decoded.lstrip(_BROKEN)), len(decoded.rstrip(_BROKEN))
    if (head or tail < len(decoded)) and head <= tail:
        # Broken characters at the borders: their tokens cover whole characters, at most one per
        # byte, and a run of fallback bytes that was cut is broken as a whole.
        fronts = range(int(head > 0), head + 1)
        backs = range(int(tail < len(decoded)), len(decoded) - tail + 1)
        kept = decoded[head:tail]
        if any(kept == covered[f : len(covered) - b] for f in fronts for b in backs):
            return True
    return unicodedata.normalize("NFC", decoded) == unicodedata.normalize("NFC", covered)
