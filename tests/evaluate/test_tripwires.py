from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from augury.errors import CheckFailed
from augury.evaluate.tripwires import (
    memorises,
    raise_if_tripped,
    reload_is_exact,
    rotation_excess,
    shuffled_labels_ok,
)

N_TRACES, LENGTH, HIDDEN = 120, 80, 24


def _excess(seed: int, *, leak: float, cells: int = 6, draws: int = 5) -> np.ndarray:
    """Random directions on states that know the event well: what honest shuffles are.

    `leak` mixes the direction of the event into each of them.
    """
    rng = np.random.default_rng(seed)
    traces = np.repeat(np.arange(N_TRACES), LENGTH)
    labels = np.zeros(N_TRACES * LENGTH, bool)
    labels[np.arange(0, len(labels), LENGTH) + rng.integers(5, LENGTH, N_TRACES)] = True
    event = rng.normal(size=HIDDEN)
    states = rng.normal(size=(len(labels), HIDDEN)) + 1.5 * labels[:, None] * event
    states += rng.normal(size=(N_TRACES, HIDDEN))[traces]  # every trace its own subject
    out = []
    for _ in range(draws):
        directions = rng.normal(size=(HIDDEN, cells)) + leak * event[:, None]
        out.append(rotation_excess(labels, states @ directions, traces))
    return np.stack(out)


def test_honest_shuffles_of_states_that_know_the_event_seldom_touch_the_wire() -> None:
    touched = sum(not shuffled_labels_ok(_excess(seed, leak=0.0)).passed for seed in range(150))
    assert touched <= 6  # nominal 1 %; more than 6 of 150 has probability 0.001


def test_a_single_draw_would_have_cried_leak() -> None:
    one_draw = [float(np.abs(_excess(seed, leak=0.0, draws=1)).max()) for seed in range(5)]
    assert min(one_draw) > 0.2


def test_shuffles_that_leak_touch_the_wire_and_are_described() -> None:
    found = shuffled_labels_ok(_excess(0, leak=1.0))
    assert not found.passed and found.measured < found.bound
    assert "mean of 6 cells and 5 shuffles" in found.detail


def test_a_leak_in_one_cell_of_many_touches_the_wire() -> None:
    excess = np.hstack([_excess(3, leak=0.0, cells=27), _excess(3, leak=8.0, cells=1)])
    assert not shuffled_labels_ok(excess).passed
    unchanged = np.full((5, 1), 0.2)  # labels that were never shuffled: the same fit every time
    assert not shuffled_labels_ok(unchanged).passed
    assert shuffled_labels_ok(np.zeros((5, 3))).passed


def test_a_large_grid_touches_the_wire_no_more_often_than_a_small_one() -> None:
    rng = np.random.default_rng(0)
    wires = [shuffled_labels_ok(rng.normal(size=(5, 400))) for _ in range(100)]
    assert sum(not wire.passed for wire in wires) <= 5  # nominal 1 %; more has p < 0.001


def test_excess_is_auroc_less_its_mean_over_all_rotations() -> None:
    rng = np.random.default_rng(4)
    traces = np.repeat(np.arange(6), 7)
    labels = rng.random(42) < 0.2
    scores = np.round(rng.normal(size=(42, 3)), 1) + 0.5 * traces[:, None]
    mean = np.zeros(3)
    for shift in range(7):
        rotated = np.concatenate([np.roll(labels[traces == k], shift) for k in range(6)])
        mean += [roc_auc_score(rotated, column) / 7 for column in scores.T]
    auroc = np.array([roc_auc_score(labels, column) for column in scores.T])
    np.testing.assert_allclose(rotation_excess(labels, scores, traces), auroc - mean, atol=1e-12)
    assert np.isnan(rotation_excess(np.zeros(42, bool), scores, traces)).all()


def test_memorising_needs_a_nearly_perfect_ranking() -> None:
    labels = np.arange(50) % 10 == 0
    assert memorises(labels, labels + 0.01 * np.arange(50)).passed
    assert not memorises(labels, np.arange(50.0)).passed
    never = memorises(np.zeros(5, bool), np.arange(5.0))
    assert not never.passed and "no positive row" in never.detail


def test_a_single_changed_bit_is_seen() -> None:
    scores = np.random.default_rng(0).normal(size=100).astype(np.float32)
    again = scores.copy()
    assert reload_is_exact(scores, again).passed
    again[3] = np.nextafter(again[3], np.float32(9))
    found = reload_is_exact(scores, again)
    assert not found.passed and found.measured == 1.0
    assert not reload_is_exact(np.zeros(3), -np.zeros(3)).passed
    assert not reload_is_exact(scores, scores.astype(np.float64)).passed
    assert not reload_is_exact(scores, scores[:-1]).passed


def test_touched_wires_stop_the_job_and_are_named() -> None:
    good, bad = reload_is_exact(np.zeros(2), np.zeros(2)), reload_is_exact(np.zeros(2), np.ones(2))
    raise_if_tripped([good])
    with pytest.raises(CheckFailed, match="the reloaded probe scores the same: 2 of 2 scores"):
        raise_if_tripped([good, bad])
