"""Answers and confidence from logits: what softmax, entropy and bins mean."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from augury.errors import UsageError
from augury.targets.confidence import (
    BIN_MIDPOINTS,
    choices,
    expected_confidence,
    logit_margin,
    spread_over_bins,
)


def test_a_symbol_s_probability_is_that_of_all_its_tokens() -> None:
    rng = np.random.default_rng(0)
    vocabulary = rng.normal(size=50)
    p = np.exp(vocabulary) / np.exp(vocabulary).sum()
    ids = [(3, 7), (4,), (5, 9), (6,)]
    variants = np.full((1, 4, 2), -np.inf)
    for option, tokens in enumerate(ids):
        variants[0, option, : len(tokens)] = vocabulary[list(tokens)]
    said = choices(variants, np.array([np.log(np.exp(vocabulary).sum())]))
    own = np.array([p[list(tokens)].sum() for tokens in ids])
    np.testing.assert_allclose(said.option_mass, own.sum())
    np.testing.assert_allclose(said.probs[0], own / own.sum())
    np.testing.assert_allclose(said.entropy[0], -(said.probs * np.log(said.probs)).sum())


def test_entropy_ends_at_zero_and_at_log_four() -> None:
    variants = np.array([[[0.0]] * 4, [[500.0], [0.0], [0.0], [0.0]]])
    said = choices(variants, np.array([np.log(4.0), 500.0]))
    np.testing.assert_allclose(said.entropy, [np.log(4), 0], atol=1e-12)
    np.testing.assert_allclose(said.option_mass, [1, 1])


def test_the_margin_is_positive_where_the_right_option_is_chosen() -> None:
    logits = np.array([[1.0, 3.0, 2.0, 0.0], [1.0, 3.0, 2.0, 0.0]])
    np.testing.assert_allclose(logit_margin(logits, np.array([1, 2])), [1.0, -1.0])


def test_expected_confidence_is_between_the_outer_midpoints() -> None:
    np.testing.assert_allclose(expected_confidence(np.eye(8)), BIN_MIDPOINTS)
    np.testing.assert_allclose(expected_confidence(np.full((1, 8), 1 / 8)), [44.375])
    with pytest.raises(UsageError, match="8 bins"):
        expected_confidence(np.ones((1, 4)))


@given(st.floats(0, 100))
def test_soft_labels_keep_their_mean(percent: float) -> None:
    weights = spread_over_bins(np.array([percent]))
    assert (weights >= 0).all() and np.count_nonzero(weights) <= 2
    np.testing.assert_allclose(weights.sum(), 1)
    kept = np.clip(percent, BIN_MIDPOINTS[0], BIN_MIDPOINTS[-1])
    np.testing.assert_allclose(expected_confidence(weights), [kept], atol=1e-9)
