"""CKA knows the geometry of rows and nothing else, and unrelated states are at 0."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from scipy.stats import t

from augury.errors import DataError
from augury.evaluate.cka import linear_cka, similarity, unbiased_hsic

RNG = np.random.default_rng(0)


def _by_definition(left: np.ndarray, right: np.ndarray) -> float:
    """Mean over all ways to draw four different rows: the statistic that HSIC is the mean of."""
    terms = [
        left[i, j] * right[i, j] + left[i, j] * right[q, r] - 2 * left[i, j] * right[i, q]
        for i, j, q, r in permutations(range(len(left)), 4)
    ]
    return float(np.mean(terms))


def test_the_closed_form_is_the_mean_over_all_quadruples_of_rows() -> None:
    for rows in (4, 6, 7):
        left, right = (RNG.standard_normal((rows, 3)) for _ in range(2))
        grams = left @ left.T, right @ right.T
        assert unbiased_hsic(*grams) == pytest.approx(_by_definition(*grams), abs=1e-12)


def test_turns_scales_and_offsets_change_nothing_and_single_coordinates_do() -> None:
    left = RNG.standard_normal((60, 8))
    right = left @ RNG.standard_normal((8, 5)) + 0.3 * RNG.standard_normal((60, 5))
    turn = np.linalg.qr(RNG.standard_normal((8, 8)))[0]
    plain = linear_cka(left, right)
    assert 0.2 < plain < 0.99
    assert linear_cka(7 * left @ turn + 100, right) == pytest.approx(plain, abs=1e-9)
    assert linear_cka(right, left) == pytest.approx(plain, abs=1e-12)
    stretched = left * np.array([10, 1, 1, 1, 1, 1, 1, 1])
    assert abs(linear_cka(stretched, right) - plain) > 0.01
    assert linear_cka(left, 3 * left @ turn) == pytest.approx(1.0, abs=1e-9)


def test_unrelated_states_are_at_zero_however_wide_they_are() -> None:
    """The plain estimate would be above 0.8 here."""
    found = [linear_cka(*RNG.standard_normal((2, 40, 200))) for _ in range(100)]
    assert abs(np.mean(found)) < 0.02
    assert min(found) < 0 < max(found)


def test_the_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    def pair(rows: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        shared = rng.standard_normal((rows, 4))
        return shared + 0.7 * rng.standard_normal((rows, 4)), shared

    truth = linear_cka(*pair(4000, np.random.default_rng(1)))
    held = 0
    for seed in range(60):
        found = similarity(*pair(80, np.random.default_rng([2, seed])), seed=seed)
        held += found.low <= truth <= found.high
        assert abs(found.shuffled) < 0.2 < found.cka
    assert held >= 52


def test_the_interval_is_that_of_leaving_out_blocks_one_by_one() -> None:
    left = RNG.standard_normal((40, 6))
    right = left + RNG.standard_normal((40, 6))
    found = similarity(left, right, seed=3)
    block = np.random.default_rng(3).permutation(40) % 20
    left_out = [linear_cka(left[block != b], right[block != b]) for b in range(20)]
    reach = t.ppf(0.975, 19) * np.sqrt(19 * np.var(left_out))
    assert found.cka == pytest.approx(linear_cka(left, right), abs=1e-12)
    assert found.high - found.cka == pytest.approx(reach, rel=1e-9)


def test_other_rows_are_refused() -> None:
    with pytest.raises(DataError, match="the same rows"):
        linear_cka(RNG.standard_normal((5, 3)), RNG.standard_normal((6, 3)))
    with pytest.raises(DataError, match="not finite"):
        linear_cka(np.full((5, 3), np.nan), RNG.standard_normal((5, 3)))
