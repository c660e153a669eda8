"""Day 5: the state of a question answered with high confidence, put into one with low confidence.

Every question with low confidence gets, at one site and the confidence position, the state of
another question: of one with high confidence (the patch), and of another one with low confidence
(the control: what any foreign state does). Where symbols change their meaning from question to
question, a donor's symbol means nothing here: what the patch does beyond the control is done by a
confidence that is not yet a symbol, and near the output nothing of it may be left.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from augury.causal.draws import random_directions
from augury.causal.edits import patch
from augury.causal.gates import Gate, share_gate
from augury.causal.grid_beyond import GridBeyond, grid_beyond
from augury.runs.progress import track
from augury.studies.introspection.analysis_config import AnalysisConfig
from augury.studies.introspection.bench import ConfidenceBench
from augury.studies.introspection.questions import FEWEST_ON_OPTIONS
from augury.studies.introspection.records import Ends, held

__all__ = ["PatchedSite", "Patching", "patch_sites"]

_FEWEST = 10


@dataclass(frozen=True, slots=True)
class PatchedSite:
    """What foreign states did at one site, in points of expected confidence."""

    site: str
    patched: float
    """Mean change with the state of a question of high confidence."""
    control: float
    """Mean change with the state of another question of low confidence."""
    effect: float
    """The first less the second."""
    interval: Ends | None
    """Of the effect, questions resampled."""
    share: float
    """Of the gap between donor and recipient that the patch closes, less that of the control."""
    p_zero: float | None
    """That patch and control do alike, corrected for all sites."""
    p_random: float
    """Against random changes of the state of the same length, corrected for all sites."""
    random: Ends
    """2.5 and 97.5 % points of the effects of these."""
    gate: str
    passed: bool
    """Whether the options keep their probability."""


@dataclass(frozen=True, slots=True)
class Patching:
    """Of one model."""

    sites: tuple[PatchedSite, ...]
    pairs: int
    why: str = ""
    """Why nothing was patched, where nothing was."""


@dataclass(frozen=True, slots=True, eq=False)
class _Pairs:
    """Places among the units of the bench."""

    recipient: np.ndarray
    donor: np.ndarray
    control: np.ndarray


def patch_sites(bench: ConfidenceBench, sites: Sequence[str], config: AnalysisConfig) -> Patching:
    """Patch at every site; nothing is fitted, so all units count."""
    pairs = _pair(bench, config)
    if len(pairs.recipient) < _FEWEST:
        why = f"{len(pairs.recipient)} pairs of questions, at least {_FEWEST} needed"
        return Patching((), len(pairs.recipient), why)
    shape = (len(pairs.recipient), len(sites))
    patched, control = np.zeros(shape), np.zeros(shape)
    drawn = np.zeros((config.causal.draws, *shape))
    gates = []
    known = list(enumerate(sites))
    for number, site in track(known, what="patching", unit="sites", total=len(known)):
        states = bench.states(site)[bench.rows].astype(np.float64)
        own = bench.ask([patch(site, _replaced(states, pairs.recipient, states[pairs.donor]))])
        other = bench.ask([patch(site, _replaced(states, pairs.recipient, states[pairs.control]))])
        patched[:, number] = _change(bench, own.confidence, pairs)
        control[:, number] = _change(bench, other.confidence, pairs)
        gates.append(
            share_gate(
                "fall of the share on the options",
                bench.clean.on_options[pairs.recipient] >= FEWEST_ON_OPTIONS,
                own.on_options[pairs.recipient] >= FEWEST_ON_OPTIONS,
                config.causal.mass_drop,
            )
        )
        length = np.linalg.norm(states[pairs.donor] - states[pairs.recipient], axis=1)[:, None]
        vectors = random_directions(config.causal.draws, states.shape[1], seed=config.seed)
        for draw, vector in enumerate(vectors):
            moved = states[pairs.recipient] + length * vector
            asked = bench.ask([patch(site, _replaced(states, pairs.recipient, moved))])
            drawn[draw, :, number] = _change(bench, asked.confidence, pairs)
    effect = grid_beyond(patched - control, drawn, np.arange(shape[0]), seed=config.seed)
    stated = bench.clean.confidence
    gap = float((stated[pairs.donor] - stated[pairs.recipient]).mean())
    told = [
        _told(site, number, (patched, control), effect, gap, gates[number])
        for number, site in known
    ]
    return Patching(tuple(told), shape[0])


def _told(
    site: str,
    number: int,
    changes: tuple[np.ndarray, np.ndarray],
    effect: GridBeyond,
    gap: float,
    gate: Gate,
) -> PatchedSite:
    p = float(effect.p_zero[number])
    low, high = np.quantile(effect.draws[:, number], [0.025, 0.975])
    return PatchedSite(
        site,
        float(changes[0][:, number].mean()),
        float(changes[1][:, number].mean()),
        float(effect.effect[number]),
        held(effect.intervals[number]),
        float(effect.effect[number]) / gap if gap > 0 else 0.0,
        p if np.isfinite(p) else None,
        float(effect.p_draws[number]),
        (float(low), float(high)),
        str(gate),
        bool(gate.passed),
    )


def _pair(bench: ConfidenceBench, config: AnalysisConfig) -> _Pairs:
    """Low questions with a donor and a control each, drawn at random."""
    order = np.argsort(bench.beyond_symbols, kind="stable")
    count = max(1, int(config.share * len(order)))
    low, high = order[:count], order[-count:]
    rng = np.random.default_rng([config.seed, 4])
    donor = rng.permutation(high)
    # Another of the low ones: everyone's neighbour in a random circle.
    circle = rng.permutation(low)
    return _Pairs(circle, donor, np.roll(circle, 1))


def _replaced(states: np.ndarray, at: np.ndarray, others: np.ndarray) -> np.ndarray:
    """States of all units with those of some replaced."""
    out = states.copy()
    out[at] = others
    return out


def _change(bench: ConfidenceBench, confidence: np.ndarray, pairs: _Pairs) -> np.ndarray:
    return np.asarray((confidence - bench.clean.confidence)[pairs.recipient])
