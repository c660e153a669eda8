"""The shuffled-label control: honest worlds pass, worlds that leak do not."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from augury.evaluate.tripwires import Tripwire, rotation_excess, shuffled_labels_ok
from augury.probes.control import rotate_within, weights_within
from augury.probes.grid import fit_logistic_grid
from augury.probes.linear import probe_of

DRAWS, HIDDEN = 5, 10


def _world(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """States that know the event well, and position; long traces have more events, all late."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(20, 120, 160)
    traces = np.repeat(np.arange(160), lengths)
    position = np.concatenate([np.arange(n) for n in lengths])
    labels = np.zeros(len(traces), bool)
    for trace, (end, length) in enumerate(zip(np.cumsum(lengths), lengths, strict=True)):
        for _ in range(trace % 2 + 4 * int(length > 80)):
            labels[end - length + rng.integers(int(0.6 * length), length)] = True
    states = rng.normal(size=(len(traces), HIDDEN)).astype(np.float32)
    states[:, 0] += 2 * labels
    states[:, 1] = position / 40 + 0.2 * states[:, 1]
    states += rng.normal(size=(160, HIDDEN)).astype(np.float32)[traces]
    return states, labels, traces


def _wire(seed: int, *, kept: float = 0.0, centred: bool = True) -> tuple[float, Tripwire]:
    """Mean excess and the wire; `kept` is the share of traces whose labels were not rotated."""
    states, labels, traces = _world(seed)
    rng = np.random.default_rng(seed + 1000)
    train, test = traces < 100, traces >= 100
    use = np.ones(int(train.sum()), bool)
    columns, weights = [], []
    for _ in range(DRAWS):
        rotated = rotate_within(labels[train], use, traces[train], rng)
        leaks = rng.random(160)[traces[train]] < kept
        rotated = np.where(leaks, labels[train], rotated)
        columns.append(rotated)
        weights.append(
            weights_within(rotated, use, traces[train]) if centred else use.astype(np.float32)
        )
    grid = fit_logistic_grid(
        torch.from_numpy(states[train]),
        np.stack(columns, 1),
        np.stack(weights, 1),
        np.full(DRAWS, 0.01),
    )
    scores = np.stack(
        [probe_of(grid, n).score(torch.from_numpy(states[test])) for n in range(DRAWS)], axis=1
    )
    excess = rotation_excess(labels[test], scores, traces[test])[:, None]
    return float(excess.mean()), shuffled_labels_ok(excess)


def test_honest_controls_are_right_on_average_and_seldom_touch_the_wire() -> None:
    found = [_wire(seed) for seed in range(40)]
    means = np.array([mean for mean, _ in found])
    assert abs(means.mean()) < 3.5 * means.std(ddof=1) / np.sqrt(len(means))
    assert sum(not wire.passed for _, wire in found) <= 3  # nominal 1 %: 4 of 40 has p < 0.001


def test_controls_without_the_weights_would_learn_rich_traces_and_cry_leak() -> None:
    found = [_wire(seed, centred=False) for seed in range(40)]
    means = np.array([mean for mean, _ in found])
    assert means.mean() > 3 * means.std(ddof=1) / np.sqrt(len(means))


@pytest.mark.parametrize("kept", [1.0, 0.5])
def test_labels_that_were_not_rotated_touch_the_wire(kept: float) -> None:
    assert all(not _wire(seed, kept=kept)[1].passed for seed in range(5))


def test_every_row_is_positive_as_often_as_negative_over_all_rotations() -> None:
    rng = np.random.default_rng(0)
    traces = np.repeat([4, 7, 9], [6, 5, 4])
    labels = np.array([0, 1, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0], bool)
    use = np.ones(15, bool)
    use[5] = False
    balance = np.zeros(15)
    for _ in range(4000):
        rotated = rotate_within(labels, use, traces, rng)
        assert [rotated[traces == t].sum() for t in (4, 7, 9)] == [2, 1, 0]
        assert not rotated[5]
        weights = weights_within(rotated, use, traces)
        balance += np.where(rotated, weights, -weights) / 4000
    assert weights[5] == 0 and not weights[traces == 9].any()
    np.testing.assert_allclose(balance, 0, atol=0.06)
