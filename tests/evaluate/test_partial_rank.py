"""Partial rank correlation takes out what covariates say, and no more."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr

from augury.errors import DataError
from augury.evaluate.partial_rank import partial_rank, partial_spearman
from augury.evaluate.rank_columns import rank_columns

RNG = np.random.default_rng(0)
NOTHING = np.zeros((200, 0))


def test_without_covariates_it_is_the_rank_correlation() -> None:
    left = RNG.standard_normal(200)
    right = np.round(left + RNG.standard_normal(200), 1)
    wanted = spearmanr(left, right).statistic
    assert partial_spearman(left, right, NOTHING) == pytest.approx(wanted, abs=1e-12)
    assert rank_columns(right[:, None], left[:, None])[0] == pytest.approx(wanted, abs=1e-12)


def test_one_covariate_gives_the_formula_of_three_correlations() -> None:
    left, right, third = RNG.standard_normal((3, 200)) + RNG.standard_normal(200)
    xy, xz, yz = (
        spearmanr(*two).statistic for two in ((left, right), (left, third), (right, third))
    )
    wanted = (xy - xz * yz) / np.sqrt((1 - xz**2) * (1 - yz**2))
    assert partial_spearman(left, right, third[:, None]) == pytest.approx(wanted, abs=1e-12)


def test_rising_maps_of_any_quantity_change_nothing() -> None:
    left, right, third = RNG.standard_normal((3, 200)) + RNG.standard_normal(200)
    plain = partial_spearman(left, right, third[:, None])
    bent = partial_spearman(np.exp(left), right**3, np.exp(3 * third)[:, None])
    assert bent == pytest.approx(plain, abs=1e-12)


def test_what_a_covariate_tells_is_not_left_and_what_it_does_not_tell_is() -> None:
    common = RNG.standard_normal(200)
    left, right = (common + 0.5 * RNG.standard_normal(200) for _ in range(2))
    told = partial_rank(left, right, common[:, None], draws=200, permutations=400, seed=0)
    assert abs(told.value) < 0.15 and told.p > 0.05
    known = partial_rank(left, right, RNG.standard_normal((200, 1)), draws=200, seed=0)
    assert known.value > 0.6 and known.p < 0.01
    assert known.interval is not None and known.interval.low > 0.4
    assert partial_spearman(left, right, left[:, None]) == 0.0


def test_p_is_small_by_chance_as_often_as_it_should_be() -> None:
    found = []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        third = rng.standard_normal(60)
        left, right = (third + rng.standard_normal(60) for _ in range(2))
        one = partial_rank(left, right, third[:, None], draws=20, permutations=99, seed=seed)
        found.append(one.p <= 0.05)
    assert 2 <= sum(found) <= 20


def test_values_that_are_not_finite_are_refused() -> None:
    with pytest.raises(DataError, match="not finite"):
        partial_spearman(np.full(200, np.nan), RNG.standard_normal(200), NOTHING)
