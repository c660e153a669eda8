"""Seeds are trained side by side without touching each other, and the best weights are kept."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from augury.errors import DataError
from augury.probes.net_config import AttentionNet, MlpNet, MultiMaxNet, Training
from augury.probes.sequence import fit_sequence
from augury.probes.span_losses import objective
from augury.probes.span_metric import validation_metric
from augury.probes.span_task import SpanTask, TargetKind
from augury.probes.spans import Spans
from augury.probes.train_seeds import train_seeds

NET = MultiMaxNet(width=16, training=Training(epochs=4, batch_spans=16))


def task(seed: int = 0, target: TargetKind = "binary", signal: float = 3.0) -> SpanTask:
    rng = np.random.default_rng(seed)
    groups = np.arange(120) // 10
    offsets = np.concatenate([[0], np.cumsum(rng.integers(2, 9, 120))])
    tokens = rng.normal(size=(offsets[-1], 5)).astype(np.float32)
    values = (rng.random(120) < 0.4).astype(float)
    spans = Spans(tokens, offsets)
    tokens[spans.token_mask(values == 1), 1] += signal
    if target != "binary":
        values = 100 * values + 10 * rng.normal(size=120) + 1000
    return SpanTask(spans, target, values, groups, groups < 6, (groups >= 6) & (groups < 9))


def test_a_seed_comes_out_the_same_alone_and_among_eight() -> None:
    among = train_seeds(task(), NET, tuple(range(8)))
    for seed in (0, 5):
        alone = train_seeds(task(), NET, (seed,))
        for name, weight in alone.weights.items():
            np.testing.assert_allclose(among.weights[name][seed], weight[0], atol=1e-4)
    assert not np.allclose(among.weights["value"][0], among.weights["value"][1], atol=1e-2)


def test_the_same_call_gives_the_same_bits() -> None:
    first, second = (train_seeds(task(), NET, (0, 1)) for _ in range(2))
    for name, weight in first.weights.items():
        np.testing.assert_array_equal(weight, second.weights[name])


def test_the_returned_weights_are_those_that_validated_best_and_not_the_last() -> None:
    """Labels that are noise: training on goes nowhere, and validation soon falls."""
    noisy = task(signal=0.3)
    net = MlpNet(training=Training(learning_rate=1e-2, epochs=40, least_steps=0, patience=40))
    seeds = (0, 1, 2)
    probe, trained = fit_sequence(noisy, net, seeds)
    found = validation_metric(noisy, probe.score(noisy.spans)[noisy.validation])
    np.testing.assert_allclose(found, trained.history.max(axis=0), atol=1e-3)
    np.testing.assert_array_equal(trained.best, trained.history.max(axis=0))
    assert (trained.history[-1] < trained.best - 0.02).all(), "the last weights must be worse"


def test_training_stops_after_patience_and_a_seed_that_is_done_keeps_its_weights() -> None:
    net = MlpNet(training=Training(learning_rate=1e-2, epochs=60, least_steps=0, patience=3))
    trained = train_seeds(task(signal=0.3), net, (0, 1, 2, 3))
    done = []
    for history in trained.history.T:
        best, since, end = -np.inf, 0, len(history)
        for epoch, value in enumerate(history):
            best, since = (value, 0) if value > best else (best, since + 1)
            if since == 3:
                end = epoch + 1
                break
        done.append((end, history[:end].max()))
    assert len(trained.history) == max(end for end, _ in done) < 60
    np.testing.assert_array_equal(trained.best, [best for _, best in done])


def test_patience_does_not_count_before_the_least_number_of_steps() -> None:
    net = MlpNet(training=Training(epochs=30, least_steps=40, patience=1, batch_spans=30))
    trained = train_seeds(task(signal=0.0), net, (0,))
    assert len(trained.history) * 2 >= 40


@pytest.mark.parametrize("loss", ["huber", "squared"])
def test_continuous_scores_are_in_units_of_the_target(loss: str) -> None:
    planted = task(target="continuous")
    training = Training(learning_rate=1e-2, continuous_loss=loss)  # type: ignore[arg-type]
    probe, trained = fit_sequence(planted, MlpNet(training=training), (0,))
    score = probe.score(planted.spans)[~planted.used, 0]
    values = planted.values[~planted.used]
    assert np.abs(score - values).mean() < 0.5 * np.abs(values - values.mean()).mean()
    assert trained.best[0] > 0.6


def test_a_change_of_units_of_the_states_changes_nothing() -> None:
    planted = task()
    moved = replace(planted, spans=Spans(planted.spans.tokens * 64 + 128, planted.spans.offsets))
    before, after = (fit_sequence(t, NET, (0,))[0].score(t.spans) for t in (planted, moved))
    np.testing.assert_allclose(before, after, atol=2e-2)


def test_reported_spans_are_never_looked_at() -> None:
    planted = task()
    spoiled = planted.spans.tokens.copy()
    spoiled[planted.spans.token_mask(~planted.used)] = np.nan
    hidden = replace(
        planted,
        spans=Spans(spoiled, planted.spans.offsets),
        values=np.where(planted.used, planted.values, np.nan),
    )
    for net in (NET, MlpNet(training=NET.training)):
        clean, found = (fit_sequence(t, net, (0,))[0] for t in (planted, hidden))
        for name, weight in clean.weights.items():
            np.testing.assert_array_equal(found.weights[name], weight)


@pytest.mark.parametrize("side", ["train", "validation"])
def test_a_state_that_is_not_finite_is_named(side: str) -> None:
    planted = task()
    number = int(np.flatnonzero(getattr(planted, side))[2])
    planted.spans.tokens[planted.spans.offsets[number], 0] = np.inf
    with pytest.raises(DataError, match="not finite"):
        train_seeds(planted, NET, (0,))


def test_states_that_do_not_vary_are_refused() -> None:
    planted = task()
    planted.spans.tokens[:] = 2
    with pytest.raises(DataError, match="no feature varies"):
        train_seeds(planted, NET, (0,))


def test_weights_scale_the_loss_of_their_span() -> None:
    import torch

    planted = task()
    weights = np.where(np.arange(120) == 3, 2.0, 1.0)
    plain, heavy = (
        objective(t, Training(), torch.device("cpu"))
        for t in (planted, replace(planted, weights=weights))
    )
    scores, numbers = torch.zeros(1, 1), torch.tensor([3])
    ratio = float(heavy.at(scores, numbers) / plain.at(scores, numbers))
    assert ratio == pytest.approx(2 / (61 / 60))


def test_a_score_has_the_same_bits_alone_and_among_others() -> None:
    planted = task()
    for net in (NET, AttentionNet(width=16, training=NET.training)):
        probe, _ = fit_sequence(planted, net, (0, 1))
        whole = probe.score(planted.spans)
        for number in (0, 57):
            first, last = planted.spans.offsets[number : number + 2]
            alone = Spans(planted.spans.tokens[first:last], np.array([0, last - first]))
            np.testing.assert_array_equal(probe.score(alone)[0], whole[number])
