"""The model's own probability of an event, on worlds where it is known exactly."""

from __future__ import annotations

import numpy as np
import torch
from scipy.special import log_softmax

from augury.evaluate.metrics import average_precision
from augury.probes.own import expected_log_probability, triggers


def test_a_trigger_counts_by_the_share_of_its_places_that_start_an_event() -> None:
    ids = np.array([7, 3, 3, 7, 3, 3, 5])
    onset = np.array([True, False, True, True, False, False, False])
    known = triggers(ids, onset)
    assert known is not None
    assert known.ids.tolist() == [3, 7]
    np.testing.assert_allclose(np.exp(known.log_share), [1 / 4, 2 / 2])
    assert triggers(ids, np.zeros(7, dtype=bool)) is None


def test_the_probability_is_the_sum_over_triggers_of_probability_times_share() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 3, (50, 11)).astype(np.float32)
    known = triggers(np.array([2, 2, 9, 9, 9, 9]), np.array([1, 1, 0, 0, 0, 1], dtype=bool))
    assert known is not None
    found = expected_log_probability(torch.from_numpy(logits), known).numpy()
    p = np.exp(log_softmax(logits.astype(float), axis=1))
    np.testing.assert_allclose(np.exp(found), p[:, 2] * 1.0 + p[:, 9] * 0.25, rtol=1e-5)


def test_a_common_token_that_rarely_starts_an_event_does_not_drown_the_announcement() -> None:
    """Counting every token that ever started one, as a first version did, ranks by the comma."""
    rng = np.random.default_rng(1)
    comma, wait, other = 0, 1, 2
    likely = rng.random(4000)
    logits = np.log(np.stack([likely * 0.8, np.full(4000, 0.01), 0.19 + 0.8 * (1 - likely)], 1))
    announced = rng.random(4000) < 0.03
    logits[announced, wait] = np.log(0.5)
    ids = np.repeat([comma, wait, other], [1000, 30, 2000])
    onset = np.zeros(len(ids), dtype=bool)
    onset[:2], onset[1000:1030] = True, True
    known = triggers(ids, onset)
    assert known is not None
    weighted = expected_log_probability(torch.from_numpy(logits), known).numpy()
    flat = expected_log_probability(
        torch.from_numpy(logits), known._replace(log_share=np.zeros(2, dtype=np.float32))
    ).numpy()
    assert (average_precision(announced, weighted).value or 0) > 0.99
    assert (average_precision(announced, flat).value or 0) < 0.5
