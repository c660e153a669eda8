"""High/low directions find what was planted, and agree where they are one."""

from __future__ import annotations

import numpy as np
import pytest

from augury.errors import DataError, UsageError
from augury.probes.contrast import agreement, contrasts, extremes, split_halves

ROWS, WIDTH = 400, 16
HALVES = split_halves(ROWS, 8, seed=0)
EVERY = np.ones(ROWS, dtype=bool)


def _unit(vector: np.ndarray) -> np.ndarray:
    return np.asarray(vector / np.linalg.norm(vector))


def _states(seed: int, values: np.ndarray, axis: int, *, size: float = 1.0) -> np.ndarray:
    states = np.random.default_rng(seed).standard_normal((ROWS, WIDTH)) + 5
    return states + size * values[:, None] * np.eye(WIDTH)[axis]


VALUES = np.random.default_rng(9).standard_normal(ROWS)


def test_the_ends_are_the_highest_and_lowest_of_the_rows_that_may_be_taken() -> None:
    rows = np.arange(ROWS) < 100
    high, low = extremes(VALUES, rows, share=0.25)
    assert high.sum() == low.sum() == 25 and not (high & low).any()
    assert not high[100:].any() and not low[100:].any()
    middle = rows & ~high & ~low
    assert VALUES[low].max() <= VALUES[middle].min() <= VALUES[middle].max() <= VALUES[high].min()


def test_the_planted_direction_is_found_and_its_head_is_high() -> None:
    found = contrasts(_states(0, VALUES, 3), extremes(VALUES, EVERY), HALVES, whiten=False)
    assert _unit(found.whole)[3] > 0.95


def test_whitening_looks_past_a_loud_coordinate() -> None:
    rng = np.random.default_rng(1)
    states = _states(0, VALUES, 3)
    loud = VALUES + 0.5 * rng.standard_normal(ROWS)
    states[:, 7] = 20 * loud
    # Coordinate 8 holds the noise of the loud one, and nothing else.
    states[:, 8] = 20 * (loud - VALUES)
    plain, white = (
        contrasts(states, extremes(VALUES, EVERY), HALVES, whiten=w).whole for w in (False, True)
    )
    apart = states @ _unit(plain), states @ white
    correlation = [abs(np.corrcoef(VALUES, one)[0, 1]) for one in apart]
    assert correlation[1] > 0.97 > correlation[0]


def test_halves_share_no_row_and_make_up_the_whole() -> None:
    assert (HALVES.sum(axis=1) == ROWS // 2).all()
    states = _states(0, VALUES, 3)
    found = contrasts(states, extremes(VALUES, EVERY), HALVES, whiten=False)
    high, low = extremes(VALUES, EVERY)
    first = HALVES[0]
    wanted = states[high & first].mean(axis=0) - states[low & first].mean(axis=0)
    assert found.halves[0, 0] == pytest.approx(wanted, abs=1e-4)
    other = states[high & ~first].mean(axis=0) - states[low & ~first].mean(axis=0)
    assert found.halves[0, 1] == pytest.approx(other, abs=1e-4)


def _agreement(axis: int, *, size: float = 0.6, common: float = 0.0) -> tuple[float, float | None]:
    noise = common * np.random.default_rng(5).standard_normal((ROWS, WIDTH))
    ends = extremes(VALUES, EVERY)
    one, other = (
        contrasts(_states(seed, VALUES, at, size=size) + noise, ends, HALVES, whiten=False)
        for seed, at in ((1, 3), (2, axis))
    )
    found = agreement(one, other)
    return found.cosine, found.corrected


def test_one_direction_in_two_places_agrees_up_to_its_ceiling() -> None:
    cosine, corrected = _agreement(3)
    assert corrected is not None and 0.85 < corrected < 1.15
    assert cosine < corrected
    _, apart = _agreement(4)
    assert apart is not None and abs(apart) < 0.2


def test_noise_that_two_places_share_is_no_agreement() -> None:
    """Cosines of directions from the same rows would say so."""
    cosine, corrected = _agreement(4, size=1.0, common=3.0)
    assert cosine > 0.25
    assert corrected is None or abs(corrected) < 0.5 * cosine + 0.2


def test_what_never_repeats_has_no_ceiling() -> None:
    _, corrected = _agreement(3, size=0.0)
    assert corrected is None


def test_values_all_alike_have_no_ends() -> None:
    with pytest.raises(DataError, match="all alike"):
        extremes(np.ones(ROWS), EVERY)
    with pytest.raises(UsageError, match="share"):
        extremes(VALUES, EVERY, share=0.6)
