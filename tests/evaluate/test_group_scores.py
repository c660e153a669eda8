from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.metrics import average_precision_score

from augury.errors import DataError
from augury.evaluate.group_scores import (
    GroupCell,
    candidates_within,
    judge_within_groups,
    scores_within,
)

GROUPS = np.repeat(np.arange(12), 30)


def cell(
    values: np.ndarray, scores: np.ndarray, groups: np.ndarray = GROUPS, **baselines: np.ndarray
) -> GroupCell:
    given = baselines or {"prevalence": np.zeros(len(values))}
    return GroupCell("target", "score", values, scores, groups, given)


def test_scores_are_those_of_scikit_learn_and_scipy_ties_included() -> None:
    rng = np.random.default_rng(0)
    numbers, scores = rng.normal(size=360), rng.integers(0, 6, 360).astype(float)
    labels = numbers > 0.8
    found = scores_within(labels, scores, GROUPS)
    ranks = scores_within(numbers.round(1), scores, GROUPS)
    for group in range(12):
        at = group == GROUPS
        assert found[group] == pytest.approx(average_precision_score(labels[at], scores[at]))
        assert ranks[group] == pytest.approx(spearmanr(numbers.round(1)[at], scores[at])[0])


@pytest.mark.parametrize("anchors", [False, True])
def test_candidates_have_the_scores_that_each_has_alone(anchors: bool) -> None:
    rng = np.random.default_rng(1)
    values, scores = rng.normal(size=360).round(1), rng.integers(0, 6, (360, 4)).astype(float)
    scores[:, 3] = 1.0  # knows nothing
    values[GROUPS == 2] = 0.5  # says nothing
    own = values > 0.8 if anchors else values
    alone = np.stack([scores_within(own, each, GROUPS) for each in scores.T])
    assert np.isnan(alone[:, 2]).all() and np.isfinite(alone[:, 3]).all()
    np.testing.assert_allclose(candidates_within(own, scores, GROUPS), alone, atol=1e-12)


def test_a_group_that_says_nothing_is_left_out_and_a_constant_score_gets_the_share() -> None:
    labels = np.zeros(360, dtype=bool)
    labels[:6] = True
    found = scores_within(labels, np.zeros(360), GROUPS)
    assert found[0] == pytest.approx(0.2) and np.isnan(found[1:]).all()
    assert scores_within(np.arange(360.0), np.zeros(360), GROUPS).tolist() == [0.0] * 12


def test_what_compares_only_between_groups_is_not_predictive() -> None:
    """Pooled precision would be perfect: the score knows which groups are rich."""
    rng = np.random.default_rng(1)
    rich = GROUPS >= 6
    labels = rng.random(360) < np.where(rich, 0.6, 0.1)
    labels[::30] = True
    (found,) = judge_within_groups([cell(labels, rich + 0.01 * rng.random(360))], seed=0)
    assert found.verdict == "not predictive" and found.groups == 12


def test_a_score_within_groups_is_found_and_its_twin_adds_nothing() -> None:
    rng = np.random.default_rng(2)
    values = rng.normal(size=360)
    scores = values + rng.normal(size=360)
    twin = np.exp(scores) * 3  # the same order
    alone, against = judge_within_groups(
        [cell(values, scores), cell(values, twin, twin=scores)], seed=0
    )
    assert alone.verdict == "predictive beyond baselines" and alone.p_corrected < 0.01
    assert alone.interval.low < alone.score.value < alone.interval.high
    assert against.verdict == "predictive, explained by twin"
    assert against.baselines["twin"].difference == 0


def test_under_ten_groups_there_is_no_interval_and_no_verdict() -> None:
    """One test problem gave the first version an interval of width 0 that excluded 0."""
    values = np.arange(270.0)
    (found,) = judge_within_groups([cell(values, values, np.repeat(np.arange(9), 30))], seed=0)
    assert found.score.value == pytest.approx(1.0)
    assert found.interval is None and found.p is None
    assert found.verdict == "insufficient data" and "at least 10" in found.why
    assert found.baselines["prevalence"].difference_low_simultaneous is None


def test_p_values_are_uniform_where_nothing_is_to_be_found() -> None:
    rng = np.random.default_rng(3)
    p = []
    for _ in range(120):
        # slow waves: neighbours hang together, and a null that forgot it would find something
        waves = np.cumsum(rng.normal(size=(2, 12, 30)), axis=2).reshape(2, -1)
        (found,) = judge_within_groups(
            [cell(waves[0], waves[1])], draws=20, permutations=99, seed=int(rng.integers(1e6))
        )
        p.append(found.p)
    assert 0.01 <= np.mean(np.array(p) <= 0.1) <= 0.2
    assert 0.4 < np.mean(p) < 0.6


def test_cells_of_other_rows_are_refused() -> None:
    values = np.arange(360.0)
    with pytest.raises(DataError, match="same rows"):
        judge_within_groups(
            [cell(values, values), cell(values, values, GROUPS[::-1].copy())], seed=0
        )
    values_bad = values.copy()
    values_bad[3] = np.nan
    with pytest.raises(DataError, match="not finite"):
        judge_within_groups([cell(values, values_bad)], seed=0)
