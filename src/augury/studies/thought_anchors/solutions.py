"""Solutions as a model reads them: tokens, every sentence at its place, and what cannot be read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from augury.activations.plan import ReadingPlan
from augury.activations.spans import planned_spans
from augury.activations.store import Store
from augury.errors import CheckFailed, DataError
from augury.models.load import context_of, load_tokenizer
from augury.runs.progress import say, track
from augury.studies.thought_anchors.config import ThoughtAnchorsConfig
from augury.studies.thought_anchors.gathering import gather_problems
from augury.traces.align import place_spans
from augury.traces.context import fit_to_context
from augury.traces.sources.math_rollouts import SENTENCE
from augury.traces.tokenizer import Tokenizer
from augury.traces.tokens import TokenisedTrace, tokenise
from augury.traces.trace import Trace

__all__ = [
    "SentenceRows",
    "Solutions",
    "only_sentences",
    "prepare_solutions",
    "sentence_rows",
    "sentence_spans",
]


@dataclass(frozen=True)
class Solutions:
    """What a model will read."""

    numbers: list[int]
    """Ids of the problems that can be read."""

    traces: list[Trace]
    """One per problem; its sentences are its only spans."""

    parts: list[TokenisedTrace]
    """Tokens of each trace, or of its windows; the order of the store."""

    skipped: dict[int, str]
    """Problem -> why it cannot be read, in one line."""

    def first(self, count: int) -> Solutions:
        """The first so many problems."""
        names = {trace.id for trace in self.traces[:count]}
        parts = [part for part in self.parts if part.trace_id in names]
        return Solutions(self.numbers[:count], self.traces[:count], parts, {})


class SentenceRows(NamedTuple):
    """Which rows of a store are of which sentence."""

    rows: np.ndarray
    """Row numbers of all sentences, one sentence behind the other, int64 [row]."""

    offsets: np.ndarray
    """Sentence i has `rows[offsets[i]:offsets[i + 1]]`, int64 [sentence + 1]."""


def prepare_solutions(config: ThoughtAnchorsConfig, plan: ReadingPlan) -> Solutions:
    """Tokenise every solution, place its sentences, and decode them back.

    Raises:
        DataError: None can be read; or one cannot, and `on_fault` is `stop`.
        CheckFailed: A sentence decodes to another text, and `on_fault` is `stop`.
        MissingInput: The problems or the model are not there.
    """
    model = config.named_model
    tokenizer, context = load_tokenizer(model), context_of(model)
    gathered = gather_problems(config.data)
    found = Solutions([], [], [], dict(gathered.skipped))
    pairs = list(zip(gathered.problems, gathered.traces, strict=True))
    for problem, trace in track(pairs, what="placing sentences", unit="problems"):
        only = only_sentences(trace)
        try:
            parts = _tokens(only, tokenizer, config, context)
            planned_spans({only.id: only}, parts, plan)
            _places(only, parts, plan)
        except (DataError, CheckFailed) as error:
            if config.data.on_fault == "stop":
                raise
            say(f"problem {problem.id} is left out: {error}")
            found.skipped[problem.id] = str(error)
            continue
        found.numbers.append(problem.id)
        found.traces.append(only)
        found.parts.extend(parts)
    if not found.traces:
        why = next(iter(found.skipped.values()), "none is there")
        raise DataError(
            "data", found=f"no problem that the model can read: {why}", expected="problems"
        )
    return found


def only_sentences(trace: Trace) -> Trace:
    """The trace without its spans of tags."""
    return replace(trace, spans=tuple(span for span in trace.spans if span.label == SENTENCE))


def sentence_spans(solutions: Solutions, plan: ReadingPlan) -> list[np.ndarray]:
    """What `extract` needs for the plan: tokens of the sentences of each part."""
    named = {trace.id: trace for trace in solutions.traces}
    return planned_spans(named, solutions.parts, plan) or []


def sentence_rows(
    store: Store,
    traces: Mapping[str, Trace],
    parts: Sequence[TokenisedTrace],
    wanted: Sequence[tuple[str, int]],
) -> SentenceRows:
    """Find the rows of sentences.

    Args:
        store: Of a plan of sentences.
        traces: By id.
        parts: In the order of the store.
        wanted: Trace and number of each sentence, from 0.

    Raises:
        CheckFailed: A sentence has no row: the store is of other sentences.
    """
    if [part.trace_id for part in parts] != list(store.traces):
        raise CheckFailed(
            f"store {store.path}", found="other traces", expected="those that were tokenised"
        )
    positions: dict[str, list[int]] = {}
    for position, part in enumerate(parts):
        positions.setdefault(part.trace_id, []).append(position)
    index = store.index
    found: dict[tuple[str, int], list[np.ndarray]] = {}
    for name in dict.fromkeys(name for name, _ in wanted):
        trace = only_sentences(traces[name])
        own = [parts[position] for position in positions[name]]
        for number, places in enumerate(_places(trace, own, store.plan)):
            found[name, number] = [
                _rows(store, index, positions[name][part], first, stop)
                for part, first, stop in places
            ]
    each = [np.concatenate(found[key]) for key in wanted]
    offsets = np.cumsum([0, *map(len, each)])
    return SentenceRows(np.concatenate(each), offsets)


def _tokens(
    trace: Trace, tokenizer: Tokenizer, config: ThoughtAnchorsConfig, context: int
) -> list[TokenisedTrace]:
    whole = tokenise(trace, tokenizer, bos=config.reading.bos)
    longest = config.reading.longest
    if longest is not None and len(whole) > longest:
        raise DataError(
            f"trace {trace.id!r}",
            found=f"{len(whole)} tokens",
            expected=f"at most reading.longest, {longest}",
        )
    overflow = "window" if config.reading.overflow == "window" else "error"
    parts = fit_to_context(whole, context, overflow=overflow)  # type: ignore[arg-type]
    for part in parts:
        place_spans(trace, part, tokenizer)
    return parts


def _places(
    trace: Trace, parts: Sequence[TokenisedTrace], plan: ReadingPlan
) -> list[list[tuple[int, int, int]]]:
    """Part and tokens `[first, stop)` of each sentence, as `planned_spans` takes them.

    Raises:
        DataError: A sentence has no token of its own.
    """
    number_of = {(span.start, span.end): n for n, span in enumerate(trace.spans)}
    found: list[list[tuple[int, int, int]]] = [[] for _ in trace.spans]
    for number, part in enumerate(parts):
        counted = 0 if part.part == 0 else part.first_row
        for one in place_spans(trace, part):
            if one.stop <= counted:
                continue
            own = found[number_of[one.span.start, one.span.end]]
            if plan.pooling == "tokens":
                own.append((number, max(one.first, counted), one.stop))
            elif one.ends_here:
                own.append((number, one.first, one.stop))
    missing = [n for n, own in enumerate(found) if not own]
    if missing:
        raise DataError(
            f"trace {trace.id!r}",
            found=f"sentence {missing[0]} has no token",
            expected="at least one token in every sentence",
        )
    return found


def _rows(
    store: Store, index: Mapping[str, np.ndarray], position: int, first: int, stop: int
) -> np.ndarray:
    """Rows of one part that are of the tokens `[first, stop)`."""
    own = store.rows_of(position)
    token = index["token"][own]
    if "first" in index:
        hits = np.flatnonzero((token == stop - 1) & (index["first"][own] == first))
    else:
        hits = np.arange(*np.searchsorted(token, [first, stop]))
    expected = stop - first if store.plan.pooling == "tokens" else 1
    if len(hits) != expected:
        raise CheckFailed(
            f"store {store.path}: trace {store.traces[position]!r}, tokens [{first}, {stop})",
            found=f"{len(hits)} rows",
            expected=str(expected),
            fix="read the states again",
        )
    return np.asarray(own.start + hits)
