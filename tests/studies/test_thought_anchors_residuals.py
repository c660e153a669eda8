"""What place and text leave over, where place, words and states each tell a part."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import polars as pl
import pytest

from augury.evaluate.cells import TEST, TRAIN, VALIDATION
from augury.evaluate.group_scores import scores_within
from augury.studies.thought_anchors.asked import Asked, ask
from augury.studies.thought_anchors.config import (
    LabelConfig,
    Target,
    ThoughtAnchorsConfig,
    is_anchor,
    residual_name,
)
from augury.studies.thought_anchors.ladder import climb, sentence_features
from augury.studies.thought_anchors.reading_config import ProbeConfig, Residual
from augury.studies.thought_anchors.residuals import left_of_targets
from augury.studies.thought_anchors.scores import Fold
from augury.studies.thought_anchors.site_probes import FoldProbes, fit_site

PROBLEMS, SENTENCES, WORDS, HIDDEN = 10, 50, 40, 24
TRACE = np.repeat(np.arange(PROBLEMS), SENTENCES)
PLACE = np.tile(np.arange(SENTENCES, dtype=np.float64), PROBLEMS)
FOLDS = [
    Fold(np.where(TRACE == n, TEST, np.where(TRACE == (n + 1) % PROBLEMS, VALIDATION, TRAIN)))
    for n in range(PROBLEMS)
]
TAKEN: tuple[Residual, ...] = ("none", "position", "position+text")


@dataclass(frozen=True, eq=False)
class World:
    """Parts of the importance, in standard deviations, and states that tell words and signal."""

    table: pl.DataFrame
    text: np.ndarray
    signal: np.ndarray
    states: np.ndarray


def planted(*, text: float, signal: float, seed: int = 0) -> World:
    """Sizes fall with the place; the rest is a sum over the sentence's words, and the signal."""
    rng = np.random.default_rng(seed)
    said = [rng.choice(WORDS, size=6, replace=False) for _ in TRACE]
    known = np.zeros((len(TRACE), WORDS))
    for row, own in zip(known, said, strict=True):
        row[own] = 1.0
    of_words = known @ rng.normal(size=WORDS)
    of_words = (of_words - of_words.mean()) / of_words.std()
    hidden = rng.normal(size=len(TRACE))
    states = known @ rng.normal(size=(WORDS, HIDDEN)) + rng.normal(size=(len(TRACE), HIDDEN))
    states[:, 0] += 4 * hidden
    noise = 0.3 * rng.normal(size=len(TRACE))
    signed = 8 + text * of_words + signal * hidden + noise - PLACE / 10
    sizes = np.maximum(signed, 0.0)
    cut = np.array([np.percentile(sizes[TRACE == n], 90) for n in range(PROBLEMS)])
    table = pl.DataFrame(
        {
            "group": [f"problem {n}" for n in TRACE],
            "trace": TRACE,
            "sentence": PLACE.astype(int),
            "sentences": np.full(len(TRACE), SENTENCES),
            "text": [" ".join(f"word{n}" for n in own) for own in said],
            "tags": [["unknown"]] * len(TRACE),
            "importance_abs": sizes,
            "importance_signed": signed,
            "anchor_binary": sizes >= cut[TRACE],
        }
    )
    return World(table, of_words, hidden, states.astype(np.float32))


def config_of(taken: Residual, labels: LabelConfig | None = None) -> ThoughtAnchorsConfig:
    probes = ProbeConfig(residual=taken)
    return ThoughtAnchorsConfig(activations=True, labels=labels or LabelConfig(), probes=probes)


@cache
def asked(world: World, taken: Residual) -> Asked:
    return ask(world.table, FOLDS, config_of(taken))


@cache
def fitted(world: World, taken: Residual) -> list[FoldProbes]:
    return fit_site(world.states, asked(world, taken), (1e2, 1.0, 1e-2))


def joined(of_fold: list[np.ndarray]) -> np.ndarray:
    """Each problem's rows by the fold that tested it."""
    found = np.empty(len(TRACE))
    for fold, own in zip(FOLDS, of_fold, strict=True):
        found[fold.test] = own[fold.test]
    return found


def left(world: World, taken: Residual, target: Target = "importance_abs") -> list[np.ndarray]:
    """A residual target, of each fold."""
    at = list(config_of(taken).residuals).index(target)
    return [residuals[:, at] for residuals in asked(world, taken).residuals]


def probed(world: World, taken: Residual, at: int = 1) -> np.ndarray:
    """What a probe of the states says of a residual target, each problem by the fold that tests."""
    found = np.empty(len(TRACE))
    for fold, probes in zip(FOLDS, fitted(world, taken), strict=True):
        found[fold.test] = probes.residual[fold.test[~fold.train], at]
    return found


def quality(values: np.ndarray, scores: np.ndarray) -> float:
    return float(scores_within(values, scores, TRACE).mean())


@pytest.fixture(scope="module")
def world() -> World:
    return planted(text=1.0, signal=1.0)


def test_what_place_leaves_over_stands_at_right_angles_to_place_on_train_rows(
    world: World,
) -> None:
    """And on no others: they have a law of their own here, and nothing is fitted to it."""
    features, fold = sentence_features(world.table), FOLDS[3]
    signed = world.table["importance_signed"].to_numpy().copy()
    signed[fold.test] += PLACE[fold.test]
    table = world.table.with_columns(importance_signed=pl.Series(signed))
    rest = left_of_targets(table, features, fold, config_of("position"))[:, 2]
    told = features.position[:, np.ptp(features.position[fold.train], axis=0) > 0]

    def most(rows: np.ndarray) -> float:
        return float(np.abs(np.corrcoef(told[rows].T, rest[rows])[-1, :-1]).max())

    assert most(fold.train) < 0.05 and most(fold.test) > 0.5


def test_words_are_taken_away_by_place_and_text_and_by_nothing_less(world: World) -> None:
    place, both = (joined(left(world, taken)) for taken in ("position", "position+text"))
    assert quality(world.text, place) > 0.6 and quality(PLACE, place) < 0.1
    assert abs(quality(world.text, both)) < 0.25 and abs(quality(PLACE, both)) < 0.1
    # What is in neither stays, and stands out more.
    assert quality(world.signal, both) > quality(world.signal, place) + 0.1 > 0.6


def test_a_probe_of_the_rest_finds_what_states_tell_and_not_what_words_do(world: World) -> None:
    scores = probed(world, "position+text")
    rest = joined(left(world, "position+text"))
    assert quality(world.signal, scores) > 0.8 and quality(rest, scores) > 0.65
    # States tell the words, too, and a probe of what place leaves over takes them in.
    by_place = probed(world, "position")
    assert abs(quality(world.text, scores)) < quality(world.text, by_place) - 0.15
    assert quality(world.signal, scores) > quality(world.signal, by_place)


def test_nothing_is_left_of_what_words_tell_wholly_for_ladder_or_probe() -> None:
    only = planted(text=1.0, signal=0.0)
    features, rests = sentence_features(only.table), left(only, "position+text")
    rung = []
    for fold, rest in zip(FOLDS, rests, strict=True):
        sides = {"train": fold.train, "validation": fold.validation}
        rung.append(climb(features, rest[:, None], **sides, seed=0)["text"][:, 0])
    rest, place = joined(rests), joined(left(only, "position"))
    assert quality(place, probed(only, "position")) > 0.5
    assert abs(quality(rest, joined(rung))) < 0.2
    assert quality(rest, probed(only, "position+text")) < 0.2


def test_position_and_linear_go_on_from_place_whatever_is_judged(world: World) -> None:
    none, position, text = (fitted(world, taken) for taken in TAKEN)
    assert min(weight for fold in none for weight in fold.weights) > 0
    for one, other, third in zip(none, position, text, strict=True):
        assert one.weights == other.weights == third.weights
        np.testing.assert_allclose(one.mixed, other.mixed, rtol=1e-6)
        np.testing.assert_allclose(one.mixed, third.mixed, rtol=1e-6)
        np.testing.assert_allclose(one.linear, third.linear, rtol=1e-4, atol=1e-6)
        assert one.residual.shape[1] == 0
        assert not np.allclose(other.residual, third.residual, atol=0.01)


@pytest.mark.parametrize("taken", ["position", "position+text"])
def test_residual_anchors_are_the_top_share_of_each_problem_by_what_is_left(
    world: World, taken: Residual
) -> None:
    """Of train problems and of those that are not; and they are no longer the early ones."""
    numbers, marks = (left(world, taken, name) for name in ("importance_abs", "anchor_binary"))
    for rest, mark in zip(numbers, marks, strict=True):
        assert set(np.unique(mark)) == {0.0, 1.0}
        for problem in range(PROBLEMS):
            own = TRACE == problem
            assert mark[own].sum() == SENTENCES // 10
            assert rest[own][mark[own] == 1].min() > rest[own][mark[own] == 0].max()
    early = PLACE < SENTENCES / 2
    assert world.table["anchor_binary"].to_numpy()[early].sum() > 45
    assert marks[0][early].sum() < 35


def test_a_sentence_without_measured_importance_is_no_residual_anchor(world: World) -> None:
    sizes = np.where(PLACE < 40, world.table["importance_abs"].to_numpy() ** 2, 0.0)
    sizes[TRACE == 2] = 0.0  # foretold to be below 0 at the end
    table = world.table.with_columns(importance_abs=pl.Series(sizes))
    unmeasured = replace(world, table=table)
    rest, marks = (left(unmeasured, "position", n)[0] for n in ("importance_abs", "anchor_binary"))
    assert (rest[sizes == 0] > 0).any() and not marks[sizes == 0].any()
    assert marks[TRACE == 3].sum() == SENTENCES // 10


@pytest.mark.parametrize("taken", ["position", "position+text"])
def test_nothing_of_tested_or_validating_problems_reaches_other_rows(
    world: World, taken: Residual
) -> None:
    held = ~FOLDS[4].train
    moved = np.where(held, 3.0 + PLACE % 7, world.table["importance_abs"].to_numpy())
    said = [
        "words of its own" if away else text
        for away, text in zip(held, world.table["text"], strict=True)
    ]
    table = world.table.with_columns(importance_abs=pl.Series(moved), text=pl.Series(said))
    other = replace(world, table=table)
    for target in ("importance_abs", "anchor_binary"):
        before, after = (left(each, taken, target)[4] for each in (world, other))
        np.testing.assert_allclose(before[~held], after[~held], atol=1e-9)
        assert not np.allclose(before[held], after[held])


def test_names_tell_what_was_taken_away() -> None:
    place, both = (config_of(taken).residuals for taken in ("position", "position+text"))
    assert list(place) == ["anchor_binary", "importance_abs", "importance_signed"]
    assert place["importance_abs"] == "importance_abs_residual"
    assert both["importance_abs"] == "importance_abs_text_residual"
    assert not set(place.values()) & set(both.values())
    assert is_anchor(residual_name("anchor_binary", "position+text"))
    assert not config_of("none").residuals
    fewer = config_of("position", LabelConfig(targets=("importance_signed",)))
    assert list(fewer.residuals.values()) == ["importance_signed_residual"]
    without = config_of("position").model_copy(update={"activations": False})
    assert not without.residuals
