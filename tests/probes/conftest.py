"""Small grids with known truth for the tests of probes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest


@dataclass(frozen=True)
class Planted:
    """Correlated states, and labels drawn from logistic models on them."""

    states: np.ndarray
    labels: np.ndarray
    weights: np.ndarray
    l2: np.ndarray


@pytest.fixture(scope="session")
def planted() -> Planted:
    """1,500 rows x 12 features on unlike scales, 4 columns with masks and unequal weights."""
    rng = np.random.default_rng(7)
    rows, hidden, columns = 1500, 12, 4
    mixed = rng.normal(size=(rows, hidden)) @ rng.normal(size=(hidden, hidden))
    states = (mixed * rng.uniform(0.1, 10, hidden) + 5 * rng.normal(size=hidden)).astype(np.float32)
    direction = rng.normal(size=(columns, hidden)) / states.std(0)
    logits = 0.5 * (states - states.mean(0)) @ direction.T - 1.5
    labels = rng.random(logits.shape) < 1 / (1 + np.exp(-logits))
    weights = (rng.random(labels.shape) < 0.8) * rng.uniform(0.5, 3, labels.shape)
    return Planted(states, labels, weights.astype(np.float32), np.array([1e-4, 1e-2, 0.1, 1.0]))
