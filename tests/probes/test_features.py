"""Features are the curves and indicators that they claim to be."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from augury.probes.facts import TokenFacts
from augury.probes.features import count_hats, last_three, one_hot, text_features


def facts(recent: np.ndarray) -> TokenFacts:
    zero = np.zeros(len(recent), dtype=np.int64)
    return TokenFacts(zero, zero, recent, zero, zero - 1, zero)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(-3, 10_000), min_size=1, max_size=20))
def test_hats_are_at_most_two_shares_that_sum_to_one(counts: list[int]) -> None:
    hats = count_hats(np.array(counts))
    np.testing.assert_allclose(hats.sum(1), 1, atol=1e-6)
    assert ((hats > 0).sum(1) <= 2).all()
    np.testing.assert_array_equal(hats[:, -1] == 1, np.array(counts) < 0)


def test_a_line_in_the_logarithm_of_the_count_is_a_combination_of_hats() -> None:
    counts = np.arange(0, 4000, 7)
    hats = count_hats(counts)
    line = np.log1p(counts)
    weights, *_ = np.linalg.lstsq(hats, line, rcond=None)
    np.testing.assert_allclose(hats @ weights, line, atol=1e-4)


def test_last_three_has_four_ones_that_depend_on_those_tokens_alone() -> None:
    recent = np.random.default_rng(0).integers(-1, 30, size=(200, 16))
    found = last_three(facts(recent)).toarray()
    assert (found.sum(1) == 4).all()
    older = recent.copy()
    older[:, 3:] = -1
    older[0, 15] = recent.max()
    np.testing.assert_array_equal(last_three(facts(older)).toarray(), found)
    swapped = recent[:, [1, 0, *range(2, 16)]]
    differs = recent[:, 0] != recent[:, 1]
    assert (last_three(facts(swapped)).toarray() != found).any(1)[differs].all()


def test_text_features_count_the_recent_tokens() -> None:
    recent = np.full((2, 16), -1)
    recent[0, [0, 5, 9]] = 7
    recent[1, [0, 12]] = [7, 3]
    difference = text_features(facts(recent)).toarray()
    assert difference[0].sum() == difference[1].sum() == 4 + 16 + 2
    assert difference.max() == 14


def test_one_hot_columns_are_the_sorted_names() -> None:
    np.testing.assert_array_equal(one_hot(("b", "a", "b")), [[0, 1], [1, 0], [0, 1]])
