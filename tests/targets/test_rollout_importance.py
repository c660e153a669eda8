from __future__ import annotations

import numpy as np
import pytest
from tests.rollout_tree import same_text

from augury.targets.rollout_importance import from_rollouts, prefix_cut
from augury.traces.sources.math_rollouts import Rollout


def rollout(resampled: str, correct: bool, answer: str = "7", prefix: str = "") -> Rollout:
    return Rollout("A.", resampled, prefix, answer, correct)


ROLLOUTS = [
    [rollout("A.", True), rollout("A.", True), rollout("B.", False), rollout("C.", True)],
    [rollout("A.", True), rollout("A.", False), rollout("A.", False), rollout("B.", False, "")],
    [rollout("A.", True), rollout("A.", True)],
]


def test_importances_follow_their_definitions() -> None:
    found = from_rollouts(ROLLOUTS, same_text)
    assert found.accuracy.tolist() == pytest.approx([3 / 4, 1 / 3, 1.0])
    assert found.resampling.tolist() == pytest.approx([1 / 3 - 3 / 4, 1 - 1 / 3, 0.0])
    # of B. and C. one is right; no answered rollout of the second sentence differs
    assert found.counterfactual.tolist() == pytest.approx([1 / 2 - 1 / 3, 0.0, 0.0])
    assert found.different.tolist() == pytest.approx([1 / 2, 0.0, 0.0])
    assert found.overdetermined.tolist() == pytest.approx([1 - 3 / 4, 1 - 1 / 3, 1 - 1 / 2])


def test_without_a_similarity_nothing_is_said_of_meaning() -> None:
    found = from_rollouts(ROLLOUTS)
    assert np.isnan(found.counterfactual[:-1]).all() and np.isnan(found.different).all()
    assert not np.isnan(found.resampling).any()


def test_missing_rollouts_are_nan_and_not_zero() -> None:
    found = from_rollouts([ROLLOUTS[0], [], ROLLOUTS[2]], same_text)
    assert np.isnan(found.accuracy[1]) and np.isnan(found.resampling[:2]).all()
    assert np.isnan(found.counterfactual[0])


def test_a_sentence_as_alike_as_the_threshold_is_the_same() -> None:
    def alike(sentence: str, others: list[str]) -> np.ndarray:
        return np.full(len(others), 0.8)

    assert from_rollouts(ROLLOUTS, alike).different[0] == 0
    assert from_rollouts(ROLLOUTS, alike, threshold=0.81).different[0] == 1


def test_where_a_prefix_was_cut() -> None:
    texts = ["Same.", "Then.", "Same.", "So."]
    prompt = "Problem Same. <think>\n"
    assert prefix_cut(rollout("", True, prefix=f"{prompt}Same. Then."), texts, 2) == "right"
    assert prefix_cut(rollout("", True, prefix=f"{prompt}Then."), texts, 2) == "everywhere"
    assert prefix_cut(rollout("", True, prefix=f"{prompt}Same."), texts, 2) == "elsewhere"
    assert prefix_cut(rollout("", True, prefix=prompt), texts, 0) == "right"
