"""A slice of `benchmarks/validity.py`: the same worlds, few of them."""

from __future__ import annotations

import numpy as np
import validity
import validity_leaks as leaks
from validity_scores import SCORES, misses, truth
from validity_worlds import HORIZONS, SITES, null_world, planted_world


def test_null_grids_hardly_ever_have_a_significant_cell() -> None:
    found = [validity.null_grid(seed)[0] for seed in range(2000, 2006)]
    # Binomial(6, 0.05) exceeds 2 with probability 0.002.
    assert sum(found) <= 2


def test_a_planted_cell_is_recovered_at_the_stated_effect() -> None:
    assert all(validity.planted_grid(validity.STATED_EFFECT, seed)[0] for seed in (2001, 2002))


def test_what_position_causes_is_explained_by_position() -> None:
    found = [validity.position_grid(seed) for seed in (2001, 2002)]
    assert [named for named, _ in found] == [True, True]


def test_leaks_are_caught_and_would_have_paid() -> None:
    assert leaks.token_split_is_caught(2001)
    assert leaks.hidden_token_split_is_caught(2001)
    assert leaks.same_text_is_caught(2001)
    by_trace, by_token = leaks.aurocs(2001)
    assert by_token > by_trace


def test_intervals_cover_the_truth_of_a_fixed_scorer() -> None:
    right = truth(0.1)
    sides = np.array([misses(20, 0.1, right, seed) for seed in range(60)])
    covered = np.mean(sides == 0, axis=0)
    # Binomial(60, 0.95) is below 50 with probability 0.001.
    assert dict(zip(SCORES, covered >= 50 / 60, strict=True)) == dict.fromkeys(SCORES, True)


def test_only_the_planted_site_differs_from_a_null_world() -> None:
    """The plant stands `horizon` tokens before the onsets, in its own trace."""
    for horizon in HORIZONS:
        planted = planted_world(5, site=SITES[2], horizon=horizon, effect=2.0)
        plain = planted_world(5, site=SITES[2], horizon=horizon, effect=0.0)
        moved = np.any(planted.states[SITES[2]] != plain.states[SITES[2]], axis=1)
        onset = np.flatnonzero(planted.onset)
        right = [
            row - horizon
            for row in onset
            if 0 <= planted.position[row] - horizon
            and 0 <= row - horizon < len(moved)
            and planted.trace[row - horizon] == planted.trace[row]
        ]
        assert np.flatnonzero(moved).tolist() == sorted(right)
        assert np.array_equal(planted.states[SITES[1]], plain.states[SITES[1]])


def test_null_states_drift_and_neighbouring_sites_are_alike() -> None:
    world = null_world(0)
    first, second = (world.states[site] for site in SITES[:2])
    same = np.flatnonzero(np.diff(world.trace) == 0)
    after = np.corrcoef(first[same, 0], first[same + 1, 0])[0, 1]
    between = np.corrcoef(first[:, 0], second[:, 0])[0, 1]
    assert 0.85 < after < 0.98 and 0.7 < between < 0.95
