from __future__ import annotations

import numpy as np
import pytest

from augury.evaluate.ceiling import ceiling_of
from augury.evaluate.metrics import average_precision
from augury.targets.importance import Importance, anchors


def world(
    spread: float, noise: np.ndarray, seed: int, percentile: float = 90
) -> tuple[Importance, np.ndarray]:
    """Measured importances, and the true ones behind them."""
    rng = np.random.default_rng(seed)
    truth = rng.normal(scale=spread, size=len(noise))
    measured = truth + noise * rng.normal(size=len(noise))
    chosen, threshold = anchors(np.abs(measured), percentile=percentile)
    return Importance(measured, noise, noise, chosen, threshold), truth


def test_the_ceiling_is_what_the_truth_reaches() -> None:
    """With equal errors the best score is the size of the truth itself."""
    noise = np.full(400, 0.1)
    reached, told = [], []
    for seed in range(40):
        of, truth = world(0.12, noise, seed)
        reached.append(average_precision(of.anchor, np.abs(truth)).value)
        told.append(ceiling_of(of, percentile=90, draws=20).anchor_binary)
    assert np.mean(told) == pytest.approx(np.mean(reached), abs=0.03)


def test_reliability_is_the_share_of_variance_that_is_not_error() -> None:
    noise = np.random.default_rng(0).uniform(0.02, 0.2, 4000)
    of, _ = world(0.1, noise, 1)
    expected = 0.01 / (0.01 + float(np.mean(noise**2)))
    assert ceiling_of(of, percentile=90, draws=2).reliability == pytest.approx(expected, abs=0.05)


def test_with_noise_alone_who_knows_the_error_is_as_good_as_who_knows_everything() -> None:
    noise = np.random.default_rng(2).uniform(0.01, 0.3, 2000)
    of, _ = world(0.0, noise, 3)
    found = ceiling_of(of, percentile=90, draws=20)
    assert found.error_alone == pytest.approx(found.anchor_binary, abs=0.05)
    assert found.error_alone > 0.15 and abs(found.importance_signed) < 0.3


def test_exact_measurements_have_a_high_ceiling_and_their_error_tells_nothing() -> None:
    noise = np.random.default_rng(4).uniform(0.001, 0.002, 500)
    of, _ = world(0.2, noise, 5)
    found = ceiling_of(of, percentile=90, draws=10)
    assert found.anchor_binary > 0.97 and found.importance_abs > 0.97
    assert found.importance_signed > 0.99 and found.error_alone < 0.2


def test_a_problem_whose_spread_is_all_error_has_a_ceiling_of_0_and_not_none() -> None:
    """Left out, it would lift the mean over problems."""
    noise = np.full(60, 0.1)
    found = [ceiling_of(world(0.0, noise, seed)[0], percentile=90, draws=5) for seed in range(30)]
    nothing = [each.importance_signed for each in found if each.reliability == 0]
    assert len(nothing) > 5 and nothing == [0.0] * len(nothing)
    assert np.mean([each.importance_signed for each in found]) < 0.2


def test_without_errors_there_is_no_ceiling() -> None:
    of, _ = world(0.2, np.full(50, 0.1), 6)
    unknown = Importance(of.signed, of.error * np.nan, of.error * np.nan, of.anchor, of.threshold)
    assert ceiling_of(unknown, percentile=90).anchor_binary is None
