"""A planted cause is found by the baseline that sees it, and by no other."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from augury.errors import DataError, UsageError
from augury.probes.baselines import BASELINES, fit_baselines, fit_features
from augury.probes.facts import TokenFacts
from augury.probes.text_features import hashed_ngrams

TRACES, TOKENS = 60, 100
WORDS = [f"{a}{b}" for a in ("foo", "bar", "baz", "qux", "zip", "zap") for b in "abcde"]


OVERLAP = {"position_rank": {"position"}, "last_three_tokens": {"ngrams"}}


@dataclass(frozen=True)
class World:
    facts: TokenFacts
    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray


@pytest.fixture(scope="module")
def world() -> World:
    rng = np.random.default_rng(3)
    rows = TRACES * TOKENS
    trace, position = np.repeat(np.arange(TRACES), TOKENS), np.tile(np.arange(TOKENS), TRACES)
    ids = rng.integers(0, 40, rows)
    back = np.arange(16)
    place = np.maximum(np.arange(rows)[:, None] - back, 0)
    facts = TokenFacts(
        trace=trace,
        position=position,
        recent=np.where(back <= position[:, None], ids[place], -1),
        since_sentence=rng.integers(0, 20, rows),
        since_event=rng.integers(-1, 60, rows),
        earlier_events=rng.integers(0, 4, rows),
        recent_events=rng.integers(0, 4, rows),
        said=tuple(" ".join(WORDS[i] for i in row) for row in rng.integers(0, 30, (rows, 6))),
        category=tuple(np.array(["sum", "story", "riddle"])[trace % 3]),
        own_logprob=rng.normal(-4, 2, rows),
    )
    return World(facts, trace < 36, (trace >= 36) & (trace < 48), trace >= 48)


def causes(facts: TokenFacts) -> dict[str, np.ndarray]:
    """Which rows are likely, by the baseline that can know."""
    assert facts.category is not None and facts.own_logprob is not None
    return {
        "position_rank": facts.position > 80,
        "position": (facts.position > 30) & (facts.position < 50),
        "last_three_tokens": (facts.recent[:, 1] == 5) | (facts.recent[:, 2] == 9),
        "ngrams": (facts.recent[:, 3:8] == 7).any(axis=1),
        "tfidf": np.array(["fooa" in said.split() for said in facts.said or ()]),
        "text": (facts.recent[:, 8:16] == 11).any(axis=1),
        "earlier_events": (facts.since_event >= 0) & (facts.since_event < 6),
        "category": np.array(facts.category) == "riddle",
        "own_probability": facts.own_logprob > -2,
    }


def fit(world: World, labels: np.ndarray, use: np.ndarray | None = None) -> dict[str, np.ndarray]:
    mask = np.ones_like(labels) if use is None else use
    return fit_baselines(
        world.facts, labels, mask, train=world.train, validation=world.validation, seed=0
    )


@pytest.fixture(scope="module")
def planted(world: World) -> np.ndarray:
    """Labels [row, column], one column per cause."""
    likely = np.stack(list(causes(world.facts).values()), axis=1)
    chance = np.where(likely, 0.5, 0.02)
    return np.asarray(np.random.default_rng(0).random(chance.shape) < chance)


@pytest.fixture(scope="module")
def fitted(world: World, planted: np.ndarray) -> dict[str, np.ndarray]:
    return fit(world, planted)


def test_each_cause_is_found_by_the_baseline_that_sees_it_and_by_no_other(
    world: World, planted: np.ndarray, fitted: dict[str, np.ndarray]
) -> None:
    names = list(causes(world.facts))
    assert tuple(fitted) == BASELINES
    for column, cause in enumerate(names):
        truth = planted[world.test, column]
        quality = {
            name: average_precision_score(truth, scores[world.test, column])
            for name, scores in fitted.items()
        }
        assert quality[cause] > 1.3 * truth.mean(), (cause, quality)
        # `text` contains the last tokens and the position; n-grams contain the last three tokens
        allowed = {cause, "text"} | OVERLAP.get(cause, set())
        for name in set(names) - allowed:
            assert quality[name] < 1.45 * truth.mean(), (cause, name, quality)


def test_prevalence_is_one_score_for_all_rows(
    world: World, planted: np.ndarray, fitted: dict[str, np.ndarray]
) -> None:
    scores = fitted["prevalence"]
    assert (scores == scores[0]).all()
    share = planted[world.train].mean(0)
    np.testing.assert_allclose(1 / (1 + np.exp(-scores[0])), share, rtol=0.01)


def test_sampled_negatives_leave_the_mean_probability_right(
    world: World, planted: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("augury.probes.baselines._MOST_NEGATIVES", 800)
    found = fit_baselines(
        world.facts,
        planted,
        np.ones_like(planted),
        train=world.train,
        validation=world.validation,
        seed=0,
        names=("position", "earlier_events", "own_probability"),
    )
    for name, scores in found.items():
        mean = (1 / (1 + np.exp(-scores[world.train]))).mean(0)
        np.testing.assert_allclose(mean, planted[world.train].mean(0), rtol=0.12, err_msg=name)


def test_test_labels_and_unused_rows_change_nothing(
    world: World, planted: np.ndarray, fitted: dict[str, np.ndarray]
) -> None:
    labels = planted.copy()
    labels[world.test] = ~labels[world.test]
    for name, scores in fit(world, labels).items():
        np.testing.assert_array_equal(scores, fitted[name], err_msg=name)
    use = np.random.default_rng(1).random(planted.shape) < 0.8
    first = fit(world, planted, use)
    second = fit(world, np.where(use, planted, ~planted), use)
    for name, scores in second.items():
        np.testing.assert_array_equal(scores, first[name], err_msg=name)


def test_a_column_of_one_class_gets_its_prevalence_from_everybody(
    world: World, planted: np.ndarray
) -> None:
    labels = planted[:, :2].copy()
    labels[world.train, 1] = False
    found = fit(world, labels)
    for scores in found.values():
        np.testing.assert_array_equal(scores[:, 1], found["prevalence"][:, 1])
        assert np.isfinite(scores).all()


def test_facts_with_columns_serve_each_column_its_own(world: World) -> None:
    since = np.stack([world.facts.since_event, world.facts.position], axis=1)
    earlier = np.zeros_like(since)
    own = np.stack([world.facts.own_logprob, -world.facts.position.astype(float)], axis=1)
    wide = replace(
        world.facts,
        since_event=since,
        earlier_events=earlier,
        recent_events=earlier,
        own_logprob=own,
    )
    chance = np.where(np.stack([since[:, 0] % 60 < 6, since[:, 1] < 6], axis=1), 0.6, 0.02)
    labels = np.random.default_rng(0).random(chance.shape) < chance
    found = fit_baselines(
        wide,
        labels,
        np.ones_like(labels),
        train=world.train,
        validation=world.validation,
        seed=0,
        names=("earlier_events", "own_probability"),
    )
    assert set(found) == {"earlier_events", "own_probability"}
    for column in range(2):
        truth = labels[world.test, column]
        scores = found["earlier_events"][world.test, column]
        assert average_precision_score(truth, scores) > 3 * truth.mean()
    truth, scores = labels[world.test, 1], found["own_probability"][world.test, 1]
    assert average_precision_score(truth, scores) > 3 * truth.mean()


def test_missing_facts_leave_their_baselines_out(world: World, planted: np.ndarray) -> None:
    less = replace(world.facts, said=None, category=None, own_logprob=None)
    found = fit(replace(world, facts=less), planted[:, :1])
    assert set(BASELINES) - set(found) == {"tfidf", "category", "own_probability"}


def test_bad_input_is_named(world: World, planted: np.ndarray) -> None:
    with pytest.raises(DataError, match="rows in both"):
        fit(replace(world, validation=world.train), planted)
    with pytest.raises(DataError, match="labels and use"):
        fit(world, planted[:-1])
    with pytest.raises(UsageError, match="magic; expected names from prevalence"):
        fit_baselines(
            world.facts,
            planted,
            planted,
            train=world.train,
            validation=world.validation,
            seed=0,
            names=("magic",),
        )


def test_any_features_can_be_fitted_and_a_far_pair_needs_ngrams(world: World) -> None:
    # One of six ids and then another, anywhere in the last 16: a bag cannot tell their order.
    recent = np.where(world.facts.recent < 0, -1, world.facts.recent % 6)
    labels = ((recent[:, 1:] == 2) & (recent[:, :-1] == 4)).any(axis=1)[:, None]
    use = np.ones_like(labels)
    sides = {"train": world.train, "validation": world.validation, "seed": 0}
    facts = replace(world.facts, recent=recent)
    text = fit_baselines(facts, labels, use, **sides, names=("text",))["text"]
    pairs = fit_features(hashed_ngrams(recent), labels, use, **sides)
    truth = labels[world.test, 0]
    found = [average_precision_score(truth, each[world.test, 0]) for each in (text, pairs)]
    assert found[1] > 0.9 > found[0] + 0.1
    dense = fit_features(labels.astype(float), labels, use, **sides)
    assert average_precision_score(truth, dense[world.test, 0]) == 1
