"""Worlds in which it is known what a probe may find: simulated traces, events and hidden states.

States drift slowly from token to token, are alike in neighbouring sites, and every trace has an
offset of its own. Events come in clusters, and some traces have many more than others.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from scipy.signal import lfilter

from augury.evaluate.metrics import average_precision
from augury.evaluate.records import CellScores
from augury.probes.baselines import fit_baselines
from augury.probes.facts import TokenFacts
from augury.probes.grid import fit_logistic_grid
from augury.probes.linear import scores
from augury.targets.events import Events
from augury.targets.horizons import at_horizon

SITES = tuple(f"resid.{block}" for block in range(5))
HORIZONS = (16, 8, 4, 1, 0, -4, -8)
HIDDEN = 8
BASELINES = ("prevalence", "position", "last_three_tokens")
_L2 = (1e-2, 1.0)
_TRAIN, _VALIDATION, _TEST = 50, 20, 40
_VOCABULARY = 24


@dataclass(frozen=True)
class World:
    """Traces one below the other."""

    trace: np.ndarray
    """Int [row]; every trace is its own group."""

    position: np.ndarray
    """Int [row], tokens since the start of the trace."""

    onset: np.ndarray
    """Bool [row]."""

    inside: np.ndarray
    """Bool [row]."""

    token: np.ndarray
    """Int [row], id of the token."""

    states: dict[str, np.ndarray]
    """By site: float32 [row, hidden]."""

    side: np.ndarray
    """Int [row]: 0 train, 1 validation, 2 test. By trace, unless a leak is wanted."""


def null_world(seed: int) -> World:
    """States that know nothing of events."""
    return _world(np.random.default_rng((seed, 0)), by_position=False)


def planted_world(seed: int, *, site: str, horizon: int, effect: float) -> World:
    """Null states, but those of `site` are moved `horizon` tokens before each onset.

    Args:
        seed: Of the draw.
        site: The only site that knows.
        horizon: Tokens from the state that knows to the onset.
        effect: How far the state is moved, in standard deviations along one random direction.
    """
    rng = np.random.default_rng((seed, 1))
    world = _world(rng, by_position=False)
    at = np.flatnonzero(world.onset) - horizon
    inside = (at >= 0) & (at < len(world.trace))
    at, owner = at[inside], world.trace[world.onset][inside]
    knows = at[world.trace[at] == owner]
    states = world.states[site]
    direction = rng.normal(size=HIDDEN)
    direction /= np.linalg.norm(direction)
    along = states @ direction
    states[knows] += (effect * along.std() * direction).astype(np.float32)
    return world


def position_world(seed: int) -> World:
    """Events are likelier late in a trace; states know the position, and nothing else of events."""
    rng = np.random.default_rng((seed, 2))
    world = _world(rng, by_position=True)
    bumps = np.exp(-(((world.position[:, None] - np.array([10, 30, 50])) / 12) ** 2))
    for states in world.states.values():
        states[:, :3] = 3 * bumps + 0.1 * states[:, :3]
    return world


def _world(rng: np.random.Generator, *, by_position: bool) -> World:
    lengths = rng.integers(40, 81, _TRAIN + _VALIDATION + _TEST)
    trace = np.repeat(np.arange(len(lengths)), lengths)
    position = np.concatenate([np.arange(length) for length in lengths])
    present = np.arange(lengths.max()) < lengths[:, None]
    onset, inside = _events(rng, present.shape, by_position=by_position)
    states = {
        site: states[present].astype(np.float32)
        for site, states in zip(SITES, _drifting(rng, present.shape), strict=True)
    }
    token = _tokens(rng, present.shape)
    side = np.repeat([0, 1, 2], [_TRAIN, _VALIDATION, _TEST])[trace]
    return World(trace, position, onset[present], inside[present], token[present], states, side)


def _events(
    rng: np.random.Generator, shape: tuple[int, int], *, by_position: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Onsets and extents, bool [trace, token]: an event of 1 to 3 tokens makes another likelier."""
    onset, inside = np.zeros(shape, bool), np.zeros(shape, bool)
    rate = 0.03 * np.exp(0.6 * rng.normal(size=shape[0]) - 0.18)
    running, excited = np.zeros(shape[0], int), np.zeros(shape[0])
    for token in range(shape[1]):
        late = 2.5 / (1 + np.exp(-(token - 35) / 4)) if by_position else 1.0
        starts = (running == 0) & (rng.random(shape[0]) < rate * late * (1 + excited))
        running[starts] = rng.integers(1, 4, int(starts.sum()))
        onset[:, token], inside[:, token] = starts, running > 0
        running = np.maximum(running - 1, 0)
        excited = 0.9 * excited + 2.0 * starts
    return onset, inside


def _drifting(rng: np.random.Generator, shape: tuple[int, int]) -> list[np.ndarray]:
    """States of each site, [trace, token, hidden]: AR(1) with 0.9 per token and 0.8 per site."""
    found: list[np.ndarray] = []
    for _ in SITES:
        noise = rng.normal(size=(*shape, HIDDEN))
        # The first token is drawn from the stationary distribution.
        noise[:, 1:] *= np.sqrt(1 - 0.9**2)
        own = lfilter([1.0], [1.0, -0.9], noise, axis=1) + 0.7 * rng.normal(
            size=(shape[0], 1, HIDDEN)
        )
        found.append(0.8 * found[-1] + 0.6 * own if found else own)
    return found


def _tokens(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """A Markov chain of ids, int [trace, token]."""
    likely = rng.integers(0, _VOCABULARY, (_VOCABULARY, 4))
    ids = np.zeros(shape, int)
    for token in range(1, shape[1]):
        choice = rng.integers(0, 4, shape[0])
        ids[:, token] = likely[ids[:, token - 1], choice]
    return ids


def cells_of(world: World) -> list[CellScores]:
    """Fit every cell and baseline on the training traces and score all rows, as a study does.

    Of two ridge strengths the one with the higher average precision on validation is kept.
    """
    labels, use = _targets(world)
    baselines = fit_baselines(
        _facts(world),
        labels,
        use,
        train=world.side == 0,
        validation=world.side == 1,
        seed=0,
        names=BASELINES,
    )
    found = []
    for site in SITES:
        values = _fitted(world, site, labels, use)
        for column, horizon in enumerate(HORIZONS):
            rows = use[:, column]
            found.append(
                CellScores(
                    site=site,
                    horizon=horizon,
                    label="event",
                    kind="point",
                    labels=labels[rows, column],
                    scores=values[rows, column],
                    groups=world.trace[rows],
                    traces=world.trace[rows],
                    split=world.side[rows],
                    baselines={name: all_[rows, column] for name, all_ in baselines.items()},
                )
            )
    return found


def _targets(world: World) -> tuple[np.ndarray, np.ndarray]:
    """Labels and use, bool [row, horizon]."""
    borders = np.flatnonzero(np.diff(world.trace)) + 1
    parts = [np.split(array, borders) for array in (world.onset, world.inside)]
    events = [Events(*pair) for pair in zip(*parts, strict=True)]
    pairs = [
        [at_horizon(one, h, eligible=np.ones(len(one.onset), bool)) for one in events]
        for h in HORIZONS
    ]
    labels = np.stack([np.concatenate([p.label for p in column]) for column in pairs], axis=1)
    use = np.stack([np.concatenate([p.use for p in column]) for column in pairs], axis=1)
    return labels, use


def _fitted(world: World, site: str, labels: np.ndarray, use: np.ndarray) -> np.ndarray:
    """Scores of the chosen strength, float32 [row, horizon]."""
    train, chooser = world.side == 0, world.side == 1
    columns = list(product(range(len(HORIZONS)), _L2))
    horizon = np.array([h for h, _ in columns])
    grid = fit_logistic_grid(
        world.states[site][train],
        labels[train][:, horizon],
        use[train][:, horizon].astype(np.float32),
        np.array([l2 for _, l2 in columns]),
    )
    values = scores(world.states[site], grid)
    kept = []
    for h in range(len(HORIZONS)):
        rows = use[:, h] & chooser
        candidates = np.flatnonzero(horizon == h)
        quality = [
            average_precision(labels[rows, h], values[rows, c]).value or 0.0 for c in candidates
        ]
        kept.append(candidates[int(np.argmax(quality))])
    return values[:, kept]


def _facts(world: World) -> TokenFacts:
    rows, nothing = np.arange(len(world.trace)), np.zeros(len(world.trace), int)
    back = rows[:, None] - np.arange(3)
    start = (rows - world.position)[:, None]
    return TokenFacts(
        trace=world.trace,
        position=world.position,
        recent=np.where(back >= start, world.token[np.maximum(back, 0)], -1),
        since_sentence=nothing,
        since_event=nothing,
        earlier_events=nothing,
    )
