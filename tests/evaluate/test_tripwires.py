from __future__ import annotations

import numpy as np
import pytest

from augury.errors import CheckFailed
from augury.evaluate.tripwires import (
    memorises,
    null_band,
    raise_if_tripped,
    reload_is_exact,
    shuffled_labels_ok,
)


def _null(n_cells: int) -> np.ndarray:
    return 0.1 * np.exp(np.random.default_rng(0).normal(size=(999, n_cells)) / 10)


def test_shuffled_labels_pass_inside_the_null_and_trip_when_they_leak() -> None:
    null = _null(20)
    honest = shuffled_labels_ok(np.full(20, 0.1), null)
    leaking = shuffled_labels_ok(np.full(20, 0.25), null)
    assert honest.passed and honest.measured > honest.bound
    assert not leaking.passed
    assert "0.2500" in leaking.detail and "20 of 20 cells" in leaking.detail


def test_a_direction_that_happens_to_meet_the_event_token_does_not_trip_the_wire() -> None:
    observed = np.append(np.full(12, 0.1), np.full(8, 0.4))
    assert shuffled_labels_ok(observed, _null(20)).passed


def test_one_of_many_cells_at_its_own_limit_does_not_trip_the_wire() -> None:
    null = _null(50)
    observed = np.full(50, 0.1)
    observed[7] = null_band(null[:, 7], level=0.98)[1]
    assert shuffled_labels_ok(observed, null).passed


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
