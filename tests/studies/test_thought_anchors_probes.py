"""Probes of sentences on planted data: what they must find, keep, and not find."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from augury.evaluate.cells import TEST, TRAIN, VALIDATION
from augury.evaluate.group_scores import GroupCell, judge_within_groups, scores_within
from augury.evaluate.verdict import BEYOND_BASELINES
from augury.probes.residual import left_over
from augury.probes.spans import Spans
from augury.studies.thought_anchors.asked import Asked
from augury.studies.thought_anchors.net_probes import (
    fit_logistic_folds,
    fit_net_folds,
    some_spans,
)
from augury.studies.thought_anchors.pilot import told_apart
from augury.studies.thought_anchors.reading_config import ProbeConfig
from augury.studies.thought_anchors.scores import Fold
from augury.studies.thought_anchors.site_probes import (
    FoldProbes,
    fit_site,
    shuffled_predictions,
)
from augury.studies.thought_anchors.vertical_features import filled, receiver_scores

PROBLEMS, SENTENCES, HIDDEN = 12, 40, 64
TRACE = np.repeat(np.arange(PROBLEMS), SENTENCES)
PLACE = np.tile(np.arange(SENTENCES, dtype=np.float64), PROBLEMS)
L2 = (1e3, 10.0, 0.1)


def folds() -> list[Fold]:
    """One problem tested in each, the next one for validation."""
    return [
        Fold(np.where(TRACE == n, TEST, np.where(TRACE == (n + 1) % 12, VALIDATION, TRAIN)))
        for n in range(PROBLEMS)
    ]


def asked_of(
    values: np.ndarray, *, anchors: bool = False, residuals: np.ndarray | None = None
) -> Asked:
    """A target, the place as its position score, and residual targets that folds share."""
    place = np.stack([PLACE, PLACE**2], axis=1)
    given = np.zeros((len(values), 0)) if residuals is None else residuals
    return Asked(
        values=values[:, None],
        is_anchor=(anchors,),
        position=[-PLACE[:, None]] * PROBLEMS,
        left_over=[
            left_over(values[:, None], place, train=fold.train, groups=TRACE) for fold in folds()
        ],
        residuals=[given] * PROBLEMS,
        residual_is_anchor=(False,) * given.shape[1],
        problems=TRACE,
        folds=folds(),
    )


def outside(fitted: list[FoldProbes], which: str) -> np.ndarray:
    """Scores of each problem by the fold that tested it."""
    found = np.empty(len(TRACE))
    for fold, probes in zip(folds(), fitted, strict=True):
        found[fold.test] = getattr(probes, which)[fold.test[~fold.train], 0]
    return found


def quality(values: np.ndarray, scores: np.ndarray) -> float:
    return float(scores_within(values, scores, TRACE).mean())


@pytest.fixture(scope="module")
def noise() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(len(TRACE), HIDDEN)).astype(np.float32)


@pytest.mark.parametrize("seed", range(4))
def test_position_is_kept_where_states_are_noise(seed: int) -> None:
    """The first version's concatenation fell from .51 to .22 here."""
    rng = np.random.default_rng(seed)
    values = -PLACE + rng.normal(scale=12, size=len(PLACE))
    states = rng.normal(size=(len(TRACE), 300)).astype(np.float32)
    fitted = fit_site(states, asked_of(values), L2)
    alone, both = quality(values, -PLACE), quality(values, outside(fitted, "mixed"))
    assert alone > 0.6 and both > alone - 0.01
    assert abs(quality(values, outside(fitted, "linear"))) < 0.15
    assert np.mean([probes.weights[0] for probes in fitted]) < 0.1


@pytest.mark.parametrize("anchors", [False, True])
def test_states_that_know_more_beat_position_and_probe_alone(
    noise: np.ndarray, anchors: bool
) -> None:
    rng = np.random.default_rng(1)
    hidden = rng.normal(size=len(TRACE))
    states = noise.copy()
    states[:, 5] += 2 * hidden
    values = -PLACE / 12 + hidden + rng.normal(scale=0.5, size=len(TRACE))
    if anchors:
        cut = np.array([np.quantile(values[TRACE == n], 0.8) for n in range(PROBLEMS)])
        values = (values >= cut[TRACE]).astype(np.float64)
    told = values.astype(bool) if anchors else values
    fitted = fit_site(states, asked_of(values, anchors=anchors), L2)
    position, linear, both = (
        quality(told, each)
        for each in (-PLACE, outside(fitted, "linear"), outside(fitted, "mixed"))
    )
    assert both > position + 0.08 and both > linear + 0.05


def test_what_place_leaves_over_is_found_without_the_place(noise: np.ndarray) -> None:
    hidden = np.random.default_rng(2).normal(size=len(TRACE))
    states = noise.copy()
    states[:, 5] += 2 * hidden
    states[:, 6] = PLACE
    values = -PLACE / 3 + hidden
    fitted = fit_site(states, asked_of(values), L2)
    rest = outside(fitted, "left_over")
    assert quality(hidden, rest) > 0.8 and abs(quality(PLACE, rest)) < 0.15
    assert quality(PLACE, outside(fitted, "linear")) < -0.9


def test_a_signal_at_one_site_is_found_there_and_nowhere_else(noise: np.ndarray) -> None:
    rng = np.random.default_rng(3)
    anchors = rng.random(len(TRACE)) < 0.2
    sites = {name: rng.normal(size=noise.shape).astype(np.float32) for name in ("a", "b", "c")}
    sites["b"][:, 9] += 1.5 * anchors
    asked = asked_of(anchors.astype(np.float64), anchors=True)
    cells = []
    for site, states in sites.items():
        fitted = fit_site(states, asked, L2)
        for kind in ("linear", "mixed"):
            baselines = {"prevalence": np.zeros(len(TRACE)), "position": -PLACE}
            own = outside(fitted, kind)
            cells.append(GroupCell("anchor", f"{kind}@{site}", anchors, own, TRACE, baselines))
    results = judge_within_groups(cells, draws=300, permutations=300, seed=0)
    beyond = {r.predictor for r in results if r.verdict == BEYOND_BASELINES}
    assert beyond == {"linear@b", "mixed@b"}


def test_nothing_of_the_tested_problem_reaches_its_scores(noise: np.ndarray) -> None:
    values = np.random.default_rng(4).normal(size=len(TRACE))
    other = values.copy()
    other[TRACE == 3] = 50.0 + np.arange(SENTENCES)
    first, second = (fit_site(noise, asked_of(each), L2)[3] for each in (values, other))
    at = TRACE[~folds()[3].train] == 3
    for name in ("linear", "left_over", "mixed"):
        np.testing.assert_allclose(
            getattr(first, name)[at], getattr(second, name)[at], atol=1e-5, err_msg=name
        )
    assert first.l2 == second.l2 and first.weights == second.weights


def test_shuffled_labels_leave_the_tested_problem_out(noise: np.ndarray) -> None:
    rng = np.random.default_rng(5)
    values = rng.normal(size=(len(TRACE), 30))
    found = shuffled_predictions(noise, values, folds(), 1e-3)
    within = [quality(column, own) for column, own in zip(values.T, found.T, strict=True)]
    assert abs(np.mean(within)) < 0.03
    leaky = [replace(fold, side=np.where(fold.side == TEST, TEST, TRAIN)) for fold in folds()]
    assert not np.allclose(shuffled_predictions(noise, values, leaky, 1e-3), found)


def sparse_evidence() -> tuple[Spans, np.ndarray]:
    """Sentences of 10 to 60 tokens; in an anchor a single token says so."""
    rng = np.random.default_rng(6)
    lengths = rng.integers(10, 60, size=len(TRACE))
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    tokens = rng.normal(size=(offsets[-1], 16)).astype(np.float32)
    anchors = rng.random(len(TRACE)) < 0.3
    telling = offsets[:-1] + rng.integers(0, lengths)
    tokens[telling[anchors], 0] += 8.0
    return Spans(tokens, offsets), anchors


def test_a_single_telling_token_is_found_by_token_probes_and_lost_in_the_mean() -> None:
    spans, anchors = sparse_evidence()
    config = ProbeConfig(seeds=(0,), width=16, epochs=30)
    some = folds()[:1]
    found = {}
    for kind in ("mlp", "attention", "multimax"):
        fitted = fit_net_folds(kind, spans, anchors, TRACE, some, config)
        each = []
        for fold, probe in zip(some, fitted, strict=True):
            own = some_spans(spans.tokens, spans.offsets, fold.test)
            each.append(
                scores_within(anchors[fold.test], probe.score(own)[:, 0], TRACE[fold.test])[0]
            )
        found[kind] = float(np.mean(each))
    assert found["multimax"] > 0.9 and found["attention"] > 0.9
    assert found["mlp"] < min(found["multimax"], found["attention"]) - 0.15


def test_logistic_folds_are_those_that_are_fitted_one_by_one(noise: np.ndarray) -> None:
    rng = np.random.default_rng(7)
    anchors = rng.random(len(TRACE)) < 0.2
    states = noise.copy()
    states[:, 3] += anchors
    together = fit_logistic_folds(states, anchors, TRACE, folds(), ("mean", (0.1,)))
    fold = folds()[4]
    alone = fit_logistic_folds(states, anchors, TRACE, [fold], ("mean", (0.1,)))[0]
    rows = some_spans(states, np.arange(len(states) + 1), fold.test)
    # The penalty is on deviations over the rows that some fold fits.
    close = np.corrcoef(together[4].score(rows)[:, 0], alone.score(rows)[:, 0])[0, 1]
    assert close > 0.999


def test_receivers_are_the_heads_that_single_out_a_few_sentences() -> None:
    rng = np.random.default_rng(8)
    heads = rng.random((len(TRACE), 6))
    peaks = PLACE == 7
    heads[:, 2] = 0.1 * rng.random(len(TRACE)) + peaks
    fitted = TRACE < 10
    scores, chosen = receiver_scores(heads, TRACE, fitted, count=1)
    assert chosen == [2] and quality(peaks, scores) == 1.0
    # Other problems' sentences do not choose.
    heads[~fitted, 4] = 100.0 * peaks[~fitted]
    assert receiver_scores(heads, TRACE, fitted, count=1)[1] == [2]


@pytest.mark.filterwarnings("error")
def test_a_problem_that_says_nothing_does_not_choose_the_receivers() -> None:
    """As one that is too short to have readers, or one in which the head is the same throughout."""
    rng = np.random.default_rng(8)
    heads = rng.random((len(TRACE), 6))
    heads[:, 2] = 0.1 * rng.random(len(TRACE)) + (PLACE == 7)
    everywhere = np.ones(len(TRACE), dtype=bool)
    for columns in (slice(None), slice(2, 3)):
        told = heads.copy()
        told[TRACE == 0, columns] = 1 / 3
        assert receiver_scores(told, TRACE, everywhere, count=1)[1] == [2]


def test_sentences_without_a_reader_stand_out_by_nothing() -> None:
    heads = np.random.default_rng(9).random((len(TRACE), 3)) + TRACE[:, None]
    known = PLACE < SENTENCES - 4
    found = filled(np.where(known[:, None], heads, 0.0), TRACE, known)
    np.testing.assert_array_equal(found[known], heads[known])
    for problem in range(PROBLEMS):
        own = TRACE == problem
        mean = heads[own & known].mean(axis=0)
        np.testing.assert_allclose(found[own & ~known], np.tile(mean, (4, 1)))


def test_states_that_are_alike_cannot_be_told_apart() -> None:
    rng = np.random.default_rng(10)
    texts = [f"sentence {n}" for n in range(30)]
    states = rng.normal(size=(30, 8)).astype(np.float32)
    assert told_apart(states, texts).passed
    assert not told_apart(np.repeat(states[::2], 2, axis=0), texts).passed
    # Only what reads alike may be alike.
    same = [texts[n // 2] for n in range(30)]
    assert told_apart(np.repeat(states[::2], 2, axis=0), same).passed
