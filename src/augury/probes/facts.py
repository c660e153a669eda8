"""What is known about a token without its hidden state, and without looking ahead.

A baseline may use the past only: the ids up to this token, how far it is from the start, and the
events annotated before it. The length of the text, and so the relative position, belongs to the
future and is not here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from augury.errors import DataError
from augury.targets.events import Events
from augury.traces.tokens import TokenisedTrace

__all__ = ["RECENT", "TokenFacts", "gather_facts"]

RECENT = 16
"""How many of the last tokens a baseline may look at."""


@dataclass(frozen=True, eq=False)
class TokenFacts:
    """One entry per row; counts are in tokens."""

    trace: np.ndarray
    """Int [row], number of the trace that the row belongs to, from 0."""

    position: np.ndarray
    """Int [row], tokens since the first token of the completion (0 there, negative before it)."""

    recent: np.ndarray
    """Int [row, back]: the id `back` tokens ago, so 0 is the current one; -1 before the text.
    At least 3 wide."""

    since_sentence: np.ndarray
    """Int [row], tokens since the first token of the running sentence (0 there)."""

    since_event: np.ndarray
    """Int [row] or [row, column], tokens since the last token of an earlier event; -1 if none."""

    earlier_events: np.ndarray
    """Int [row] or [row, column], number of events that started earlier."""

    recent_events: np.ndarray | None = None
    """Int [row] or [row, column], events that started among the last `RECENT` tokens that are
    known; None where they were not counted."""

    said: tuple[str, ...] | None = None
    """[row], the running sentence up to this token, as text; None where the text is not there."""

    category: tuple[str, ...] | None = None
    """[row], kind of problem; None where the traces have none."""

    own_logprob: np.ndarray | None = None
    """Float [row] or [row, column], log-probability that the model itself gives to the event's
    first token as its next token; None where it was not read."""

    def __post_init__(self) -> None:
        """Refuse columns of different lengths."""
        named = {name: value for name, value in vars(self).items() if value is not None}
        lengths = {name: len(value) for name, value in named.items()}
        if len(set(lengths.values())) != 1:
            raise DataError("token facts", found=f"lengths {lengths}", expected="one length")
        if self.recent.ndim != 2 or self.recent.shape[1] < 3:
            raise DataError(
                "token facts: recent",
                found=f"shape {self.recent.shape}",
                expected="[row, back] with at least 3 tokens back",
            )
        if self.own_logprob is not None and np.isnan(self.own_logprob).any():
            raise DataError("token facts: own_logprob", found="nan", expected="log-probabilities")

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.trace)


def gather_facts(
    parts: Sequence[TokenisedTrace],
    rows: tuple[np.ndarray, np.ndarray],
    *,
    events: Sequence[Events],
    sentence_starts: Sequence[Sequence[int]],
    horizons: Sequence[int] = (),
    categories: Sequence[str] | None = None,
    own_logprob: np.ndarray | None = None,
) -> TokenFacts:
    """Collect the facts of many rows; windows of one trace are joined first.

    The events known to a row at token t are those before t, and for a column with a negative
    horizon those before t + h: a baseline that reads the label off its own input answers nothing.

    Args:
        parts: Tokenised traces, or their windows in order, each trace's windows side by side.
        rows: (number of the part [row], token index in that part [row]).
        events: Of each part.
        sentence_starts: Of each part, code points where its trace's sentences start.
        horizons: Tokens ahead, one per column; empty gives one column-free array.
        categories: Of each part.
        own_logprob: As in `TokenFacts`.
    """
    part_of_row, token_of_row = (np.asarray(array, dtype=np.int64) for array in rows)
    texts = _join(parts, events, sentence_starts)
    at = token_of_row + texts.offset[part_of_row]
    trace = texts.trace[part_of_row]
    first = texts.first_token[trace]
    back = at[:, None] - np.arange(RECENT)
    recent = np.where(back >= first[:, None], texts.ids[np.maximum(back, 0)], -1)
    known = at if not horizons else at[:, None] + np.minimum(np.asarray(horizons), 0)[None, :]
    first_known = first if not horizons else first[:, None]
    known = np.maximum(known, first_known)
    last, before = texts.last_inside[known], texts.onsets_before
    return TokenFacts(
        trace=trace,
        position=at - texts.first_completion[trace],
        recent=recent.astype(np.int32),
        since_sentence=at - texts.sentence[at],
        since_event=np.where(last >= first_known, known - last, -1),
        earlier_events=before[known] - before[first_known],
        recent_events=before[known] - before[np.maximum(known - RECENT, first_known)],
        category=None if categories is None else tuple(categories[i] for i in part_of_row),
        own_logprob=own_logprob,
    )


@dataclass(frozen=True)
class _Texts:
    """All traces one below the other, every token once."""

    ids: np.ndarray
    """[token]."""
    sentence: np.ndarray
    """[token], index of the first token of its sentence."""
    last_inside: np.ndarray
    """[token], index of the last event token before it, -1 if none."""
    onsets_before: np.ndarray
    """[token], onsets before it."""
    offset: np.ndarray
    """[part], from token index in the part to index here."""
    trace: np.ndarray
    """[part], number of its trace."""
    first_token: np.ndarray
    """[trace], index of its first token."""
    first_completion: np.ndarray
    """[trace], index of its first completion token."""


def _join(
    parts: Sequence[TokenisedTrace],
    events: Sequence[Events],
    sentence_starts: Sequence[Sequence[int]],
) -> _Texts:
    ids, onset, inside, sentence = [], [], [], []
    offset, trace, first_token, first_completion = [], [], [], []
    length = 0
    for number, (part, event) in enumerate(zip(parts, events, strict=True)):
        fresh = number == 0 or part.trace_id != parts[number - 1].trace_id
        skip = 0 if fresh else part.first_row
        if fresh:
            first_token.append(length)
            first_completion.append(length + part.first_row)
        offset.append(length - skip)
        trace.append(len(first_token) - 1)
        ids.append(part.ids[skip:])
        onset.append(event.onset[skip:])
        inside.append(event.inside[skip:])
        begins = _begins(part, sentence_starts[number])
        begins[0] |= fresh
        sentence.append(begins[skip:])
        length += len(part) - skip
    within = np.concatenate(inside)
    latest = np.maximum.accumulate(np.where(within, np.arange(length), -1))
    return _Texts(
        ids=np.concatenate(ids),
        sentence=np.maximum.accumulate(np.where(np.concatenate(sentence), np.arange(length), 0)),
        last_inside=np.concatenate([[-1], latest[:-1]]),
        onsets_before=np.concatenate([[0], np.cumsum(np.concatenate(onset))[:-1]]),
        offset=np.array(offset),
        trace=np.array(trace),
        first_token=np.array(first_token),
        first_completion=np.array(first_completion),
    )


def _begins(part: TokenisedTrace, starts: Sequence[int]) -> np.ndarray:
    """Whether a sentence starts in a token, bool [token]."""
    begins = np.zeros(len(part), dtype=bool)
    # the token that holds the first code point; an added BOS (end 0) never does
    at = np.searchsorted(part.ends, np.asarray(starts, dtype=np.int64), side="right")
    begins[at[at < len(part)]] = True
    return begins
