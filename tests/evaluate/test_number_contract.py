from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from augury.errors import DataError
from augury.evaluate.number_contract import judge_numbers
from augury.evaluate.number_records import NumberCell

N_GROUPS, LENGTH = 60, 25


def _world(seed: int) -> tuple[NumberCell, np.random.Generator]:
    """Importance that falls along each text, with a part that position does not tell."""
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(N_GROUPS), LENGTH)
    place = np.tile(np.arange(LENGTH) / LENGTH, N_GROUPS)
    hidden = rng.normal(size=len(groups))
    level = rng.normal(size=N_GROUPS)[groups] * 3
    values = np.exp(level / 3 - 2 * place + hidden)
    split = np.repeat(np.repeat([0, 1, 2], [15, 15, 30]), LENGTH)
    baselines = {"constant": np.zeros(len(groups)), "position": -place}
    cell = NumberCell("resid.1", 0, "importance", values, hidden, groups, groups, split, baselines)
    return cell, rng


def _judge(cells, headline="group_spearman", **kwargs):
    return judge_numbers(cells, headline=headline, draws=200, permutations=199, seed=0, **kwargs)


def test_what_goes_beyond_position_is_told_from_what_position_explains() -> None:
    cell, rng = _world(0)
    place = -cell.baselines["position"]
    counting = replace(cell, site="resid.2", scores=-place + 0.05 * rng.normal(size=len(place)))
    noise = replace(cell, site="resid.3", scores=rng.normal(size=len(place)))
    knows, counts, nothing = _judge([cell, counting, noise])
    assert knows.verdict == "predictive beyond baselines"
    assert knows.p_corrected == pytest.approx(1 / 200)
    assert knows.difference_low_simultaneous > 0 and knows.interval.n_groups == 30
    assert counts.verdict == "predictive, explained by position"
    assert nothing.verdict == "not predictive"
    assert knows.best_baseline == "position"
    held = knows.baselines["position"].interval
    assert held.low < knows.baselines["position"].difference < held.high


def test_a_score_that_only_knows_the_group_is_not_predictive_within_groups() -> None:
    # Judged on pooled rows against a shuffle of all rows, it would be a discovery.
    cell, _ = _world(1)
    means = np.bincount(cell.groups, cell.values)[cell.groups]
    rng = np.random.default_rng(0)
    knows_group = replace(cell, scores=means + 1e-3 * rng.normal(size=len(means)))
    (within,) = _judge([knows_group])
    assert within.verdict == "not predictive"
    (pooled,) = _judge([knows_group], headline="spearman")
    assert pooled.test.spearman.value > 0.3 and pooled.verdict == "not predictive"


def test_null_grids_are_hardly_ever_predictive() -> None:
    false = 0
    for seed in range(20):
        cell, rng = _world(seed)
        smooth = np.cumsum(rng.normal(size=(5, N_GROUPS, LENGTH)), axis=2).reshape(5, -1)
        cells = [replace(cell, site=f"resid.{i}", scores=s) for i, s in enumerate(smooth)]
        values = np.cumsum(rng.normal(size=(N_GROUPS, LENGTH)), axis=1).ravel()
        cells = [replace(each, values=values) for each in cells]
        false += any(result.verdict.startswith("predictive") for result in _judge(cells))
    # Binomial(20, 0.05) exceeds 4 with probability 0.003.
    assert false <= 4


def test_one_row_per_group_is_judged_over_all_rows() -> None:
    rng = np.random.default_rng(0)
    groups, values = np.arange(200), rng.normal(size=200)
    split = np.repeat([1, 2], 100)
    scores = values + rng.normal(size=200)
    cell = NumberCell(
        "s", 0, "entropy", values, scores, groups, groups, split, {"none": 0 * values}
    )
    (result,) = _judge([cell], headline="spearman")
    assert result.verdict == "predictive beyond baselines"
    assert result.p == pytest.approx(1 / 200)
    (undefined,) = _judge([cell])
    assert undefined.verdict == "insufficient data" and "3 rows" in undefined.why


def test_the_line_comes_from_validation_and_makes_r2_free_of_scale() -> None:
    cell, _ = _world(0)
    plain = replace(cell, values=3 * cell.scores + 1)
    (result,) = _judge([plain])
    assert (result.slope, result.intercept) == pytest.approx((3, 1))
    assert result.test.r2.value == pytest.approx(1)
    spoiled = np.where(cell.split == 2, -plain.values, plain.values)
    (other,) = _judge([replace(plain, values=spoiled)])
    assert (other.slope, other.intercept) == pytest.approx((3, 1))


def test_few_groups_are_insufficient_and_bad_values_refused() -> None:
    cell, _ = _world(0)
    few = replace(cell, split=np.where(cell.groups > 50, 2, 0))
    (result,) = _judge([few])
    assert result.verdict == "insufficient data" and "9 test groups" in result.why
    assert result.interval is None and result.p is None
    values = cell.values.copy()
    values[3] = np.nan
    with pytest.raises(DataError, match="not finite"):
        _judge([replace(cell, values=values)])
    with pytest.raises(DataError, match="no baseline"):
        _judge([replace(cell, baselines={})])
