"""Facts know the past only, and windows of one text give the facts of the whole."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest

from augury.errors import DataError
from augury.probes.facts import TokenFacts, gather_facts
from augury.targets.events import Events
from augury.traces.context import fit_to_context
from augury.traces.tokens import TokenisedTrace

TOKENS, FIRST = 40, 6


def text(name: str = "a", seed: int = 0) -> tuple[TokenisedTrace, Events]:
    """A trace of two code points per token, and three events in it."""
    ids = np.random.default_rng(seed).integers(0, 50, TOKENS).astype(np.int32)
    starts = 2 * np.arange(TOKENS, dtype=np.int32)
    plain = np.zeros(TOKENS, dtype=bool)
    role = np.where(np.arange(TOKENS) < FIRST, 1, 3).astype(np.uint8)
    inside = np.isin(np.arange(TOKENS), [10, 11, 12, 20, 31, 32])
    onset = np.isin(np.arange(TOKENS), [10, 20, 31])
    tokenised = TokenisedTrace(name, name, ids, starts, starts + 2, plain, role, FIRST)
    return tokenised, Events(onset, inside)


def facts_of(trace: TokenisedTrace, events: Events, horizons: tuple[int, ...] = ()) -> TokenFacts:
    rows = np.arange(FIRST, TOKENS)
    return gather_facts(
        [trace],
        (np.zeros_like(rows), rows),
        events=[events],
        sentence_starts=[[0, 2 * FIRST, 30, 51]],
        horizons=horizons,
    )


def test_every_fact_of_a_small_text_is_as_counted_by_hand() -> None:
    trace, events = text()
    facts = facts_of(trace, events)
    at = {token: token - FIRST for token in range(FIRST, TOKENS)}
    assert facts.position[at[6]] == 0 and facts.position[at[39]] == 33
    assert facts.recent[at[6], :3].tolist() == trace.ids[[6, 5, 4]].tolist()
    assert facts.recent[at[6], 7] == -1 and facts.recent[at[6], 6] == trace.ids[0]
    # code point 30 opens token 15; code point 51 lies inside token 25
    assert facts.since_sentence[[at[14], at[15], at[24], at[25], at[26]]].tolist() == [
        8,
        0,
        9,
        0,
        1,
    ]
    since = {9: -1, 10: -1, 11: 1, 12: 1, 13: 1, 14: 2, 20: 8, 21: 1, 31: 11, 33: 1}
    assert {token: int(facts.since_event[at[token]]) for token in since} == since
    earlier = {10: 0, 11: 1, 20: 1, 21: 2, 31: 2, 32: 3}
    assert {token: int(facts.earlier_events[at[token]]) for token in earlier} == earlier
    # among the last 16 tokens before the token: 26 has left 10 behind, 36 has left 20
    recent = {10: 0, 11: 1, 21: 2, 26: 2, 27: 1, 31: 1, 32: 2, 36: 2, 37: 1}
    assert {token: int(facts.recent_events[at[token]]) for token in recent} == recent


def test_nothing_after_a_token_changes_its_facts() -> None:
    trace, events = text()
    other, _ = text(seed=9)
    for token in (12, 20, 31):
        ids = np.where(np.arange(TOKENS) <= token, trace.ids, other.ids).astype(np.int32)
        past = np.arange(TOKENS) < token
        changed = Events(events.onset & past, events.inside & past)
        later = TokenisedTrace(
            "a", "a", ids, trace.starts, trace.ends, trace.special, trace.role, FIRST
        )
        before, after = facts_of(trace, events), facts_of(later, changed)
        for field in fields(TokenFacts):
            first, second = getattr(before, field.name), getattr(after, field.name)
            if first is not None:
                known = slice(0, token - FIRST + 1)
                np.testing.assert_array_equal(first[known], second[known], err_msg=field.name)


def test_a_look_back_knows_only_events_before_the_token_it_asks_about() -> None:
    trace, events = text()
    plain, columns = facts_of(trace, events), facts_of(trace, events, horizons=(5, 0, -4))
    for name in ("since_event", "earlier_events", "recent_events"):
        wide, narrow = getattr(columns, name), getattr(plain, name)
        np.testing.assert_array_equal(wide[:, 0], narrow)
        np.testing.assert_array_equal(wide[:, 1], narrow)
        np.testing.assert_array_equal(wide[4:, 2], narrow[:-4])


@pytest.mark.parametrize("context", [12, 17])
def test_windows_give_the_facts_of_the_whole_text(context: int) -> None:
    whole, events = text()
    parts = fit_to_context(whole, context, overflow="window")
    assert len(parts) > 2
    part_events, rows = [], []
    for number, part in enumerate(parts):
        at = part.starts // 2
        part_events.append(Events(events.onset[at], events.inside[at]))
        rows += [(number, token) for token in range(part.first_row, len(part))]
    starts = [0, 2 * FIRST, 30, 51]
    split = gather_facts(
        parts,
        (np.array([n for n, _ in rows]), np.array([t for _, t in rows])),
        events=part_events,
        sentence_starts=[starts] * len(parts),
    )
    joined = facts_of(whole, events)
    for field in fields(TokenFacts):
        if getattr(joined, field.name) is not None:
            np.testing.assert_array_equal(getattr(split, field.name), getattr(joined, field.name))


def test_facts_never_cross_from_one_text_into_the_next() -> None:
    one, events = text("a", 0)
    two, _ = text("b", 1)
    rows = np.arange(FIRST, TOKENS)
    both = gather_facts(
        [one, two],
        (np.repeat([0, 1], len(rows)), np.tile(rows, 2)),
        events=[events, events],
        sentence_starts=[[0, 2 * FIRST, 30, 51]] * 2,
        categories=["sums", "other"],
    )
    alone = facts_of(two, events)
    second = slice(len(rows), None)
    assert both.trace.tolist() == [0] * len(rows) + [1] * len(rows)
    assert both.category is not None and both.category[second] == ("other",) * len(rows)
    names = ("position", "recent", "since_sentence", "since_event", "earlier_events")
    for name in (*names, "recent_events"):
        np.testing.assert_array_equal(getattr(both, name)[second], getattr(alone, name))


def test_columns_of_unequal_length_and_nan_are_refused() -> None:
    trace, events = text()
    facts = facts_of(trace, events)
    values = {field.name: getattr(facts, field.name) for field in fields(TokenFacts)}
    with pytest.raises(DataError, match="expected one length"):
        TokenFacts(**values | {"position": facts.position[:-1]})
    with pytest.raises(DataError, match="own_logprob: nan"):
        TokenFacts(**values | {"own_logprob": np.full(len(facts), np.nan)})
