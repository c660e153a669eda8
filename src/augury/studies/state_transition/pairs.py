"""Events and their controls: the same kind of place in another text, with the same target set."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

import numpy as np

from augury.causal.controls import match_controls
from augury.causal.moments import Moment
from augury.causal.selection import halves
from augury.errors import DataError
from augury.models.load import load_tokenizer
from augury.runs.folder import Run
from augury.studies.state_transition.baseline import read_baseline
from augury.studies.state_transition.config import StateTransitionConfig
from augury.studies.state_transition.events import SUMMARY, analysed_onsets
from augury.studies.state_transition.texts import Read, read_texts

__all__ = ["Pair", "Pairs", "make_pairs"]

_NEAR = 6
"""Tokens around an event in which no control may stand."""

_FEWEST = 20


@dataclass(frozen=True, slots=True)
class Pair:
    """One event and its control."""

    group: str
    half: int
    event_trace: str
    event_position: int
    """Deciding position in the whole text, from 0."""

    control_trace: str
    control_position: int
    opens_sentence: bool
    distance: float
    """How much later the one stands in its completion than the other, in tokens."""


@dataclass(frozen=True, eq=False, slots=True)
class Pairs:
    """All pairs of a run."""

    pairs: tuple[Pair, ...]
    events: tuple[Moment, ...]
    """Of each pair."""

    controls: tuple[Moment, ...]
    targets: tuple[int, ...]
    """The target set, the same for events and controls."""

    unmatched: int
    """Events for which no control was left."""

    reads: tuple[Read, ...]
    """The texts of the analysed variant."""

    @property
    def half(self) -> np.ndarray:
        """0 or 1 of each pair."""
        return np.array([pair.half for pair in self.pairs])

    @property
    def groups(self) -> list[str]:
        """Group of each event."""
        return [pair.group for pair in self.pairs]

    def rows(self) -> list[dict[str, object]]:
        """The pairs in plain form."""
        return [asdict(pair) for pair in self.pairs]


@dataclass(frozen=True, slots=True)
class _Place:
    read: int
    token: int
    """Of the onset, or of what stands there instead."""

    in_completion: int
    opens_sentence: bool
    half: int


def make_pairs(run: Run, config: StateTransitionConfig) -> Pairs:
    """Choose events and match a control to each.

    Controls stand in the same half of the problems, open a sentence exactly if the event does, and
    are as near to its position in the completion as can be. Nothing of the target set stands there,
    and no event is near.

    Raises:
        DataError: Fewer than 20 pairs.
    """
    tokenizer = load_tokenizer(config.named_model)
    reads = read_texts(run, config, tokenizer, read_baseline(run, config.analysis.variant))
    summary = json.loads((run.path / SUMMARY).read_text(encoding="utf-8"))
    targets = tuple(int(i) for i in summary["target_ids"])
    half = halves([read.group for read in reads], seed=config.analysis.seed)
    events, candidates = _places(reads, half, config, targets)
    order = np.random.default_rng(config.analysis.seed).permutation(len(events))
    events = [events[i] for i in sorted(order[: config.analysis.max_events])]
    found = match_controls(
        [place.in_completion for place in events],
        [(place.opens_sentence, place.half) for place in events],
        [place.in_completion for place in candidates],
        [(place.opens_sentence, place.half) for place in candidates],
        furthest=config.analysis.furthest,
    )
    if len(found.event) < _FEWEST:
        raise DataError(
            "events and controls",
            found=f"{len(found.event)} pairs of {len(events)} events",
            expected=f"at least {_FEWEST}",
            fix="generate more, or raise analysis.furthest",
        )
    matched = list(zip(found.event, found.control, found.distance, strict=True))
    return Pairs(
        tuple(_pair(reads, events[e], candidates[c], float(d)) for e, c, d in matched),
        tuple(_moment(reads, events[e]) for e, _, _ in matched),
        tuple(_moment(reads, candidates[c]) for _, c, _ in matched),
        targets,
        len(found.unmatched),
        tuple(reads),
    )


def _places(
    reads: list[Read], half: np.ndarray, config: StateTransitionConfig, targets: tuple[int, ...]
) -> tuple[list[_Place], list[_Place]]:
    events: list[_Place] = []
    candidates: list[_Place] = []
    for number, read in enumerate(reads):
        first = read.row.prompt_tokens
        side = int(half[number])
        for one in analysed_onsets(read, config):
            events.append(_Place(number, one.token, one.in_completion, one.opens_sentence, side))
        free = np.ones(len(read.ids), dtype=bool)
        free[: first + 1] = False
        free[np.isin(read.ids, targets)] = False
        for one in read.onsets:
            free[max(0, one.token - _NEAR) : one.token + _NEAR + 1] = False
        candidates += [
            _Place(number, int(token), int(token) - first, bool(read.opening[token]), side)
            for token in np.flatnonzero(free)
        ]
    return events, candidates


def _moment(reads: list[Read], place: _Place) -> Moment:
    read = reads[place.read]
    return Moment(read.trace_id, read.group, read.ids[: place.token])


def _pair(reads: list[Read], event: _Place, control: _Place, distance: float) -> Pair:
    return Pair(
        reads[event.read].group,
        event.half,
        reads[event.read].trace_id,
        event.token - 1,
        reads[control.read].trace_id,
        control.token - 1,
        event.opens_sentence,
        distance,
    )
