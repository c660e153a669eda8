"""Fit tokenised traces into the model's context by a rule that is named, and count what is lost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from augury.errors import DataError, UsageError
from augury.traces.align import token_range
from augury.traces.prompts import LITERAL
from augury.traces.tokens import TokenisedTrace
from augury.traces.trace import Span

__all__ = ["Overflow", "fit_to_context", "lost_spans"]

Overflow = Literal["error", "cut", "window"]


def fit_to_context(
    tokenised: TokenisedTrace, context: int, *, overflow: Overflow
) -> list[TokenisedTrace]:
    """Parts of a trace that the model can read; a trace that fits is returned as it is.

    `cut` keeps the first `context` tokens. `window` makes windows of at most `context` tokens, each
    half a context after the one before and each with the BOS if the trace had one. Every row
    is counted in exactly one window: the first that reaches it. Parts without a row to count are
    left out, so a prompt that fills the context leaves nothing of a cut trace (see `lost_spans`).

    Args:
        tokenised: A whole trace.
        context: Tokens that the model can read at once, at least 4.
        overflow: What to do with longer traces.

    Raises:
        DataError: The trace is longer and the rule is `error`.
        UsageError: A context under 4 tokens.
    """
    if context < 4:
        raise UsageError("context", found=f"{context} tokens", expected="at least 4")
    if len(tokenised) <= context:
        return [tokenised]
    if overflow == "error":
        raise DataError(
            f"trace {tokenised.trace_id!r}",
            found=f"{len(tokenised)} tokens",
            expected=f"at most the model's context of {context}",
            fix="set overflow to 'window' (every token is read) or 'cut' (the rest is dropped)",
        )
    if overflow == "cut":
        kept = tokenised.first_row < context
        return [_picked(tokenised, np.arange(context), tokenised.first_row, 0)] if kept else []
    return [
        _picked(tokenised, picked, first_row, part)
        for part, (picked, first_row) in enumerate(_windows(tokenised, context))
    ]


def lost_spans(parts: Sequence[TokenisedTrace], spans: Sequence[Span]) -> int:
    """Number of `spans` that no counted row of any part overlaps, literal prompt spans aside.

    Args:
        parts: What `fit_to_context` made of one trace; may be empty.
        spans: Spans of that trace.
    """
    return sum(
        not any(_seen(part, span) for part in parts) for span in spans if span.label != LITERAL
    )


def _windows(tokenised: TokenisedTrace, context: int) -> Iterator[tuple[np.ndarray, int]]:
    lead = int(tokenised.bos)
    tokens, room, stride = len(tokenised), context - lead, context // 2
    counted = tokenised.first_row
    for first in range(lead, tokens, stride):
        stop = min(first + room, tokens)
        if stop > counted:
            picked = np.concatenate([np.arange(lead), np.arange(first, stop)])
            yield picked, int(np.searchsorted(picked, counted))
            counted = stop
        if stop == tokens:
            return


def _picked(
    tokenised: TokenisedTrace, picked: np.ndarray, first_row: int, part: int
) -> TokenisedTrace:
    columns = {
        name: getattr(tokenised, name)[picked]
        for name in ("ids", "starts", "ends", "special", "role")
    }
    for column in columns.values():
        column.flags.writeable = False
    return replace(tokenised, **columns, first_row=first_row, part=part)


def _seen(part: TokenisedTrace, span: Span) -> bool:
    first, stop = token_range(part, span.start, span.end)
    return max(first, part.first_row) < stop
