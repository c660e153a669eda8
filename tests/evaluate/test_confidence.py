"""Stated confidence: what is better calibrated is found better, and chance is not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import brier_score_loss, roc_auc_score

from augury.errors import DataError
from augury.evaluate.confidence import MEASURES, Stated, compare, measure


def _world(seed: int, *, overstated: float = 0.0, count: int = 400) -> Stated:
    rng = np.random.default_rng([seed, 7])
    truth = rng.uniform(0.1, 0.9, count)
    right = rng.random(count) < truth
    return Stated(right, np.clip(truth + overstated, 0, 1), truth + 0.1 * rng.random(count))


def test_measures_are_those_of_scikit_learn() -> None:
    of = _world(0)
    found = measure(of, draws=100, seed=0)
    assert found.values["AUROC2"] == pytest.approx(roc_auc_score(of.right, of.confidence))
    assert found.values["Brier"] == pytest.approx(brier_score_loss(of.right, of.confidence))
    assert found.values["accuracy"] == of.right.mean()
    assert list(found.values) == list(MEASURES)
    for name, held in found.intervals.items():
        assert held is not None and held.low <= found.values[name] <= held.high  # type: ignore[operator]


def test_a_perfect_maker_errs_as_much_as_chance_leaves_and_an_overstating_one_more() -> None:
    perfect, boaster = _world(0), _world(0, overstated=0.25)
    one, two = (measure(of, draws=100, seed=0) for of in (perfect, boaster))
    assert one.values["calibration error"] < 1.6 * one.perfect_error  # type: ignore[operator]
    assert two.values["calibration error"] > 3 * two.perfect_error  # type: ignore[operator]
    assert two.values["AUROC2"] == pytest.approx(one.values["AUROC2"], abs=0.02)


def test_the_truer_of_two_makers_is_found_on_the_same_questions() -> None:
    boaster, perfect = _world(1, overstated=0.25), _world(1)
    found = compare(boaster, perfect, draws=200, permutations=200, seed=0)
    error = found["calibration error"]
    assert error.value is not None and error.value < -0.1
    assert error.interval is not None and error.interval.high < 0
    assert error.p == pytest.approx(1 / 201)
    assert found["accuracy"].value == 0 and found["accuracy"].p == 1
    turned = compare(perfect, boaster, draws=200, permutations=200, seed=0)
    assert turned["calibration error"].value == pytest.approx(-error.value)


def test_two_makers_alike_differ_by_chance_as_often_as_they_should() -> None:
    hits = 0
    for seed in range(30):
        one = _world(seed, count=120)
        rng = np.random.default_rng(seed)
        noise = rng.normal(0, 0.1, (2, 120))
        makers = [replace(one, confidence=np.clip(one.confidence + n, 0, 1)) for n in noise]
        found = compare(*makers, draws=20, permutations=39, seed=seed)
        hits += min(d.p_corrected for d in found.values() if d.p_corrected is not None) <= 0.05
    assert hits <= 6


def test_without_a_wrong_answer_there_is_no_auroc_and_the_reason_is_no_number() -> None:
    of = _world(0)
    found = measure(replace(of, right=np.ones(400, dtype=bool)), draws=100, seed=0)
    assert found.values["AUROC2"] is None and found.intervals["AUROC2"] is None


def test_confidence_beyond_a_share_is_refused() -> None:
    of = _world(0)
    with pytest.raises(DataError, match="outside"):
        measure(replace(of, confidence=of.confidence * 100), seed=0)
    with pytest.raises(DataError, match="the same questions"):
        compare(of, _world(0, count=300), seed=0)
