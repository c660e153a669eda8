"""Constructed data in which it is known what a probe can find."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from augury.evaluate.contract import judge_grid
from augury.evaluate.records import CellResult, CellScores
from augury.probes.grid import fit_logistic_grid
from augury.probes.linear import scores
from augury.targets.events import Events
from augury.targets.horizons import at_horizon

HORIZONS = (8, 4, 1, 0, -1, -4, -8)
TRACES, TOKENS, HIDDEN = 150, 70, 12


@dataclass(frozen=True)
class World:
    """Traces of equal length with single-token events."""

    onset: np.ndarray  # bool [trace, token]
    states: np.ndarray  # float32 [trace, token, hidden]


def drifting_states(rng: np.random.Generator) -> np.ndarray:
    """States that change slowly, as real ones do: AR(1), correlation 0.9 per token."""
    noise = rng.standard_normal((TRACES, TOKENS, HIDDEN)).astype(np.float32)
    states = noise.copy()
    for token in range(1, TOKENS):
        states[:, token] = 0.9 * states[:, token - 1] + np.sqrt(1 - 0.81) * noise[:, token]
    return states


def planted(horizon: int | None, seed: int) -> World:
    """A world in which coordinate 3 tells at token t of an onset at t + horizon; None: nothing."""
    rng = np.random.default_rng(seed)
    onset = np.zeros((TRACES, TOKENS), bool)
    # At least 20 tokens apart, so that one event says nothing about another within any horizon.
    for row in onset:
        row[
            np.arange(12, TOKENS - 10, 20)
            + rng.integers(0, 8, 3)[: len(range(12, TOKENS - 10, 20))]
        ] = True
    states = drifting_states(rng)
    if horizon is not None:
        source = np.zeros_like(onset)
        for trace, token in np.argwhere(onset):
            source[trace, token - horizon] = True
        states[source, 3] += 5.0
    return World(onset, states)


def judge(world: World, seed: int = 0) -> list[CellResult]:
    """Fit and judge one site at every horizon, as a study does."""
    group = np.repeat(np.arange(TRACES), TOKENS)
    side = np.array([0, 0, 0, 1, 2])[group % 5]
    events = [Events(onset=row, inside=row) for row in world.onset]
    every = np.ones(TOKENS, bool)
    states = world.states.reshape(-1, HIDDEN)
    cells = []
    for horizon in HORIZONS:
        pairs = [at_horizon(event, horizon, eligible=every) for event in events]
        label = np.concatenate([pair.label for pair in pairs])
        use = np.concatenate([pair.use for pair in pairs])
        fit = (use & (side == 0)).astype(np.float32)[:, None]
        grid = fit_logistic_grid(states, label[:, None], fit, np.array([0.01]))
        score = scores(states, grid)[:, 0]
        position = np.tile(np.arange(TOKENS), TRACES).astype(np.float32)
        cells.append(
            CellScores(
                site="resid.0",
                horizon=horizon,
                label="event",
                kind="point",
                labels=label[use],
                scores=score[use],
                groups=group[use],
                traces=group[use],
                split=side[use],
                baselines={
                    "prevalence": np.zeros(use.sum(), np.float32),
                    "position": position[use],
                },
            )
        )
    return judge_grid(cells, draws=300, permutations=300, seed=seed)
