"""Small worlds for judging: chains with rare events and smooth scores."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from scipy.signal import lfilter

from augury.evaluate.records import CellScores


@dataclass(frozen=True)
class World:
    """Chains of equal length: the first halves train and validate, the last half is test."""

    traces: np.ndarray
    split: np.ndarray
    labels: np.ndarray
    rng: np.random.Generator

    def smooth(self, rho: float = 0.9) -> np.ndarray:
        """One AR(1) value per row, independent of the labels, started anew in each chain."""
        n_traces = int(self.traces[-1]) + 1
        noise = self.rng.normal(size=(n_traces, len(self.traces) // n_traces))
        return lfilter([1.0], [1.0, -rho], noise, axis=1).ravel()

    def position(self) -> np.ndarray:
        """Token position of each row in its chain, as a share."""
        n_traces = int(self.traces[-1]) + 1
        length = len(self.traces) // n_traces
        return np.tile(np.arange(length) / length, n_traces)

    def cell(
        self,
        scores: np.ndarray,
        site: str = "resid.0",
        horizon: int = 4,
        baselines: dict[str, np.ndarray] | None = None,
        labels: np.ndarray | None = None,
    ) -> CellScores:
        """A cell of this world; prevalence is the default baseline."""
        return CellScores(
            site=site,
            horizon=horizon,
            label="event",
            kind="point",
            labels=self.labels if labels is None else labels,
            scores=scores,
            groups=self.traces,
            traces=self.traces,
            split=self.split,
            baselines=baselines or {"prevalence": np.zeros(len(self.traces))},
        )


@pytest.fixture
def make_world() -> Callable[..., World]:
    """Build a world: `make_world(seed, n_traces=..., length=..., rate=..., run=...)`."""

    def make(
        seed: int, *, n_traces: int = 80, length: int = 50, rate: float = 0.02, run: int = 2
    ) -> World:
        rng = np.random.default_rng(seed)
        starts = rng.random((n_traces, length)) < rate
        labels = starts.copy()
        for step in range(1, run):
            labels[:, step:] |= starts[:, :-step]
        quarter = n_traces // 4
        split = np.repeat([0, 1, 2], [quarter, quarter, n_traces - 2 * quarter])
        return World(
            traces=np.repeat(np.arange(n_traces), length),
            split=np.repeat(split, length),
            labels=labels.ravel(),
            rng=rng,
        )

    return make
