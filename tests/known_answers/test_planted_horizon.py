from __future__ import annotations

import numpy as np
import pytest
from tests.known_answers.worlds import HORIZONS, judge, planted

from augury.evaluate.verdict import BEYOND_BASELINES, EXPLAINED_BY
from augury.targets import horizons


def found_at(world_horizon: int | None, seed: int) -> list[int]:
    return [c.horizon for c in judge(planted(world_horizon, seed)) if c.verdict == BEYOND_BASELINES]


@pytest.mark.parametrize("horizon", [8, 4, 0, -4, -8])
def test_a_signal_planted_at_a_horizon_is_found_there_and_nowhere_else(horizon: int) -> None:
    assert found_at(horizon, seed=1) == [horizon]


@pytest.mark.parametrize("seed", range(4))
def test_on_null_traces_no_cell_is_predictive(seed: int) -> None:
    verdicts = [cell.verdict for cell in judge(planted(None, seed), seed=seed)]
    assert not [v for v in verdicts if v == BEYOND_BASELINES or v.startswith(EXPLAINED_BY)]


def test_labels_shifted_by_one_token_move_the_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    """The mutant in which the label slid by one token must be seen by the test above."""
    right = horizons._shifted

    def slid(values: np.ndarray, horizon: int) -> np.ndarray:
        return right(values, horizon + 1)

    monkeypatch.setattr(horizons, "_shifted", slid)
    assert found_at(4, seed=1) != [4]


def test_the_sign_is_the_documented_one() -> None:
    """h > 0 looks ahead: a state that stands before its event is found at positive h."""
    world = planted(4, seed=2)
    trace, token = np.argwhere(world.onset)[0]
    assert world.states[trace, token - 4, 3] > 3
    assert 4 in HORIZONS and found_at(4, seed=2) == [4]
