"""Every kind fits every target that it claims, and what it cannot do is said."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from augury.errors import DataError, UsageError
from augury.probes.kinds import KINDS, LINEAR, fit_kind
from augury.probes.net_config import MlpNet, Training
from augury.probes.pooled import PooledProbe, level_probabilities
from augury.probes.pooled_fits import PooledSettings, RidgeSettings
from augury.probes.span_task import SpanTask, TargetKind
from augury.probes.spans import Spans

CLAIMS = [(name, target) for name, kind in KINDS.items() for target in kind.targets]


def task(target: TargetKind, *, hidden: int = 6, spans: int = 150) -> SpanTask:
    rng = np.random.default_rng(0)
    groups = np.arange(spans) // 10
    offsets = np.concatenate([[0], np.cumsum(rng.integers(4, 9, spans))])
    latent = rng.normal(size=spans)
    tokens = rng.normal(size=(offsets[-1], hidden)).astype(np.float32)
    ragged = Spans(tokens, offsets)
    tokens[:, 0] += np.repeat(2 * latent, ragged.lengths)
    values = {
        "binary": (latent > 0.5).astype(float),
        "classes": np.digitize(latent, [-0.5, 0.5]),
        "ordinal": np.digitize(latent, [-0.5, 0.5]),
    }.get(target, latent)
    return SpanTask(ragged, target, values, groups, groups % 3 == 0, groups % 3 == 1)


def quick(name: str) -> object:
    settings = KINDS[name].settings
    short = {"training": Training(epochs=20, learning_rate=3e-2, batch_spans=16)}
    return settings(**short) if KINDS[name].seeded else settings()


@pytest.mark.parametrize(("name", "target"), CLAIMS)
def test_every_kind_finds_a_plain_signal_in_every_target_that_it_claims(
    name: str, target: TargetKind
) -> None:
    planted = task(target)
    fitted = fit_kind(name, planted, settings=quick(name), seeds=(0, 1))  # type: ignore[arg-type]
    scores = fitted.score(planted.spans)
    assert scores.shape == (150, len(fitted.members)) and scores.dtype == np.float32
    assert np.isfinite(scores).all()
    assert fitted.validation.shape == (len(fitted.members),) and fitted.validation.mean() > 0.6


def test_members_are_seeds_classes_or_one_score() -> None:
    nets = fit_kind("mlp", task("rank"), settings=quick("mlp"), seeds=(4, 2))  # type: ignore[arg-type]
    assert nets.members == ("seed 4", "seed 2")
    assert fit_kind("multiclass", task("classes")).members == ("class 0", "class 1", "class 2")
    assert fit_kind("logistic", task("binary"), seeds=(4, 2)).members == ("score",)


def test_there_is_a_linear_kind_for_every_target() -> None:
    for target, name in LINEAR.items():
        assert KINDS[name].targets == (target,) and not KINDS[name].seeded


@pytest.mark.parametrize("name", ["logistic", "lda", "difference_of_means", "mlp", "attention"])
def test_fewer_spans_than_features_stay_finite(name: str) -> None:
    wide = task("binary", hidden=200)
    scores = fit_kind(name, wide, settings=quick(name)).score(wide.spans)  # type: ignore[arg-type]
    assert np.isfinite(scores).all() and np.ptp(scores) > 0


@pytest.mark.parametrize("name", KINDS)
def test_states_that_do_not_vary_and_states_that_are_not_finite_are_refused(name: str) -> None:
    planted = task(KINDS[name].targets[0])
    still = Spans(np.ones_like(planted.spans.tokens), planted.spans.offsets)
    with pytest.raises(DataError, match="no feature varies"):
        fit_kind(name, replace(planted, spans=still))
    planted.spans.tokens[planted.spans.offsets[12], 3] = np.nan
    assert planted.used[12]
    with pytest.raises(DataError, match="not finite"):
        fit_kind(name, planted)


def test_one_constant_feature_is_left_out() -> None:
    planted = task("binary")
    planted.spans.tokens[:, 4] = 5
    for name in ("logistic", "difference_of_means", "mlp"):
        fitted = fit_kind(name, planted, settings=quick(name))  # type: ignore[arg-type]
        before = fitted.score(planted.spans)
        moved = planted.spans.tokens.copy()
        moved[:, 4] = 6
        after = fitted.score(Spans(moved, planted.spans.offsets))
        np.testing.assert_allclose(after, before, atol=1e-6)


def test_the_strength_is_chosen_on_validation() -> None:
    planted = task("binary", hidden=60)
    alone = [
        fit_kind("logistic", planted, settings=RidgeSettings(l2=(l2,))) for l2 in (1e-2, 0.3, 30.0)
    ]
    together = fit_kind("logistic", planted, settings=RidgeSettings(l2=(1e-2, 0.3, 30.0)))
    assert together.validation[0] == max(one.validation[0] for one in alone)


def test_levels_have_probabilities_that_sum_to_one_and_follow_the_score() -> None:
    planted = task("ordinal")
    probe = fit_kind("ordinal", planted).probe
    assert isinstance(probe, PooledProbe)
    chances = level_probabilities(probe.score(planted.spans)[:, 0], probe.thresholds)
    np.testing.assert_allclose(chances.sum(axis=1), 1)
    shares = np.bincount(planted.values[planted.train]) / planted.train.sum()
    np.testing.assert_allclose(chances[planted.train].mean(axis=0), shares, atol=0.05)


def test_what_a_kind_cannot_do_is_said_with_what_can() -> None:
    with pytest.raises(UsageError, match="did you mean attention"):
        fit_kind("atention", task("binary"))
    with pytest.raises(UsageError, match="for this target take one of ridge, huber, mlp"):
        fit_kind("logistic", task("continuous"))
    with pytest.raises(UsageError, match="expected MlpNet"):
        fit_kind("mlp", task("binary"), settings=PooledSettings())
    with pytest.raises(UsageError, match="all different"):
        fit_kind("mlp", task("binary"), settings=MlpNet(), seeds=(1, 1))
    fitted = fit_kind("lda", task("binary"))
    with pytest.raises(DataError, match="fitted on"):
        fitted.score(task("binary", hidden=5).spans)
