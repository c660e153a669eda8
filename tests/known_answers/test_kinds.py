"""A kind finds what it is built to find, and not what it cannot see."""

from __future__ import annotations

import numpy as np
import pytest
from tests.known_answers import span_worlds as worlds

from augury.probes.kinds import KINDS, fit_kind
from augury.probes.net_config import EmaNet, RollingNet
from augury.probes.pooled import PooledProbe
from augury.probes.pooled_fits import PooledSettings, RidgeSettings
from augury.probes.span_task import SpanTask
from augury.probes.spans import pooled, rows_as_spans

BINARY = [name for name, kind in KINDS.items() if "binary" in kind.targets]


@pytest.fixture(scope="module")
def single_token() -> SpanTask:
    return worlds.single_token(0)


@pytest.mark.parametrize("name", ["attention", "multimax", "softmax"])
def test_one_telling_token_in_a_long_span_is_found_token_by_token(
    single_token: SpanTask, name: str
) -> None:
    assert worlds.precision(name, single_token) > 0.9


@pytest.mark.parametrize("name", ["logistic", "lda", "difference_of_means", "mlp"])
def test_one_telling_token_in_a_long_span_is_lost_in_the_mean(
    single_token: SpanTask, name: str
) -> None:
    rows = ~single_token.used
    assert worlds.precision(name, single_token) < single_token.values[rows].mean() + 0.12


@pytest.mark.parametrize("name", BINARY)
def test_what_all_tokens_say_is_found_by_every_kind(name: str) -> None:
    assert worlds.precision(name, worlds.every_token(1)) > 0.9


def test_what_the_last_token_says_is_found_there_and_not_at_the_first() -> None:
    task = worlds.last_token(2)
    prevalence = task.values[~task.used].mean()
    assert worlds.precision("logistic", task, RidgeSettings(pooling="last")) > 0.9
    assert worlds.precision("logistic", task, RidgeSettings(pooling="first")) < prevalence + 0.12
    assert worlds.precision("difference_of_means", task, PooledSettings(pooling="last")) > 0.85


def test_a_burst_is_found_by_averages_over_time_and_not_by_its_loudest_token() -> None:
    task = worlds.burst(3)
    loudest = worlds.precision("multimax", task)
    assert loudest < 0.6
    for name, settings in (("rolling", RollingNet(window=8)), ("ema", EmaNet(half_life=8))):
        assert worlds.precision(name, task, settings) > max(0.7, loudest + 0.25)


def test_exclusive_or_needs_a_hidden_layer() -> None:
    task = worlds.exclusive_or(4)
    prevalence = task.values[~task.used].mean()
    assert worlds.precision("mlp", task) > 0.95
    assert worlds.precision("logistic", task) < prevalence + 0.15


@pytest.mark.parametrize("name", BINARY)
def test_where_there_is_nothing_nothing_is_found(name: str) -> None:
    task = worlds.nothing(5)
    prevalence = task.values[~task.used].mean()
    assert abs(worlds.precision(name, task) - prevalence) < 0.15


def test_planted_thresholds_and_their_direction_come_back() -> None:
    rng = np.random.default_rng(6)
    rows, thresholds = 6000, np.array([-1.0, 0.5, 2.0])
    direction = rng.normal(size=worlds.HIDDEN)
    states = rng.normal(size=(rows, worlds.HIDDEN)).astype(np.float32)
    latent = states @ direction + rng.logistic(size=rows)
    task = worlds.task_of(
        rows_as_spans(states), (latent[:, None] > thresholds).sum(axis=1), "ordinal"
    )
    probe = fit_kind("ordinal", task, settings=RidgeSettings(l2=(1e-5,))).probe
    assert isinstance(probe, PooledProbe)
    np.testing.assert_allclose(probe.weight[0], direction, atol=0.15)
    np.testing.assert_allclose(probe.thresholds - probe.bias, thresholds, atol=0.2)
    assert (np.diff(probe.thresholds) > 0).all()


def test_order_within_groups_is_found_where_groups_differ_in_level() -> None:
    rng = np.random.default_rng(7)
    spans = worlds.noise(rng, lengths=(4, 8))
    means = pooled(spans, "mean")[:, worlds.PLANTED]
    level = 20 * rng.normal(size=worlds.SPANS // worlds.SPANS_PER_GROUP)
    values = means + np.repeat(level, worlds.SPANS_PER_GROUP)
    task = worlds.task_of(spans, values, "rank")
    for name in ("pairwise", "mlp"):
        assert fit_kind(name, task).validation[0] > 0.9
