from __future__ import annotations

import numpy as np
import pytest

from augury.errors import UsageError
from augury.targets.importance import (
    LabelRule,
    anchors,
    blind_error,
    label_sentences,
    measurement_error,
    noise_ratio,
)
from augury.targets.rollout_counts import RolloutCounts


def counts(sentences: int, n: int = 100, p: float = 0.7, seed: int = 0) -> RolloutCounts:
    rng = np.random.default_rng(seed)
    unlike = rng.integers(2, n // 2, sentences)
    total = np.full(sentences, n)
    return RolloutCounts(total, rng.binomial(total, p), unlike, rng.binomial(unlike, p))


def of(rule: LabelRule, values: list[float]) -> np.ndarray:
    return label_sentences(np.array(values), counts(len(values)), rule).signed


def test_above_zero_helps_whatever_the_published_sign() -> None:
    """A sentence without which 30 % are right and with which 80 % are: published -.5 and +.5."""
    keep = {"drop_last": False}
    assert of(LabelRule("counterfactual", **keep), [0.3 - 0.8]).tolist() == [0.5]
    assert of(LabelRule("resampling", **keep), [0.8 - 0.3]).tolist() == [0.5]
    zero = of(LabelRule("counterfactual", **keep), [0.0])
    assert not np.signbit(zero[0])


def test_the_last_sentence_is_dropped_before_the_percentile_is_taken() -> None:
    values = [0.1, 0.2, 0.3, 0.4, 0.9]
    rule = LabelRule("resampling", percentile=70.0)
    found = label_sentences(np.array(values), counts(5), rule)
    assert found.anchor.tolist() == [False, False, False, True] and found.threshold == 0.4
    kept = label_sentences(np.array(values), counts(5), LabelRule("resampling", 70.0, False))
    assert kept.anchor.tolist() == [False, False, False, True, True]


def test_zeros_are_no_anchors_and_ties_are_all_anchors() -> None:
    """The first version made every sentence an anchor where 90 % of importances were 0."""
    chosen, threshold = anchors(np.array([0.0] * 19 + [0.2]), percentile=90)
    assert chosen.sum() == 1 and threshold == 0.2
    assert not anchors(np.zeros(10), percentile=90)[0].any()
    assert anchors(np.array([0.0, 0.5, 0.5, 0.5]), percentile=75)[0].sum() == 3


def test_a_percentile_out_of_range_is_refused() -> None:
    with pytest.raises(UsageError, match="0 to 100"):
        anchors(np.ones(3), percentile=100)


@pytest.mark.parametrize("estimator", ["counterfactual", "resampling"])
def test_the_error_is_the_spread_of_measurements_made_again(estimator: str) -> None:
    rng = np.random.default_rng(3)
    n, m, p, q, draws = 80, 12, 0.6, 0.75, 4000
    right, unlike = rng.binomial(n, p, (draws, 2)), np.full(draws, m)
    hits = rng.binomial(m, q, draws)
    first = hits / m if estimator == "counterfactual" else right[:, 0] / n
    spread = np.std(first - right[:, 1] / n)
    told = [
        measurement_error(
            RolloutCounts(np.array([n, n]), right[d], unlike[[d, d]], hits[[d, d]]), estimator
        )[0]
        for d in range(200)
    ]
    assert np.mean(told) == pytest.approx(spread, rel=0.08)


def test_what_was_not_measured_has_no_error() -> None:
    own = RolloutCounts(*(np.array(v) for v in ([9, 9, 9], [3, 4, 5], [0, 2, 1], [0, 1, -1])))
    assert np.isnan(measurement_error(own, "counterfactual")).tolist() == [True, False, True]
    assert np.isnan(measurement_error(own, "forced")).all()


def test_the_blind_error_knows_nothing_of_the_outcome() -> None:
    own = counts(30)
    other = RolloutCounts(own.rollouts, own.right, own.different, own.different[::-1] * 0)
    told = [blind_error(each, "counterfactual") for each in (own, other)]
    assert np.array_equal(*told, equal_nan=True)
    seen = [measurement_error(each, "counterfactual") for each in (own, other)]
    assert not np.array_equal(*seen, equal_nan=True)


@pytest.mark.parametrize(
    ("accuracy", "effect", "low", "high"),
    [(0.7, 0.0, 0.93, 1.07), (0.97, 0.0, 0.9, 1.1), (0.7, 0.2, 1.2, 40.0)],
)
@pytest.mark.parametrize("estimator", ["counterfactual", "resampling"])
def test_the_noise_ratio_is_one_where_nothing_matters(
    accuracy: float, effect: float, low: float, high: float, estimator: str
) -> None:
    rng = np.random.default_rng(5)
    sentences, n = 6000, np.full(6000, 95)
    change = rng.choice([-effect, effect], sentences)
    unlike = rng.integers(1, 60, sentences)
    hits = rng.binomial(unlike, accuracy + change)
    right = hits + rng.binomial(n - unlike, accuracy)
    after = np.append(right[1:], right[0]) / n
    if estimator == "resampling" and effect:
        right = rng.binomial(n, accuracy + change)
        after = np.append(right[1:], right[0]) / n
    own = RolloutCounts(n, right, unlike, hits)
    published = hits / unlike - after if estimator == "counterfactual" else after - right / n
    ratio = noise_ratio(label_sentences(published, own, LabelRule(estimator)))
    assert ratio is not None and low < ratio < high
