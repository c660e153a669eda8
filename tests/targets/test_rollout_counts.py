from __future__ import annotations

import numpy as np

from augury.targets.rollout_counts import counts_of_shares


def shares(rng: np.random.Generator, sentences: int = 60) -> tuple[np.ndarray, ...]:
    """True counts, and what is published of them."""
    n = rng.integers(80, 101, sentences)
    right, unlike = rng.binomial(n, 0.8), rng.binomial(n, 0.5)
    distinct = rng.integers(1, n)
    hits = rng.binomial(unlike, 0.7)
    accuracy = right / n
    counterfactual = np.zeros(sentences)
    share = np.divide(hits, unlike, out=np.zeros(sentences), where=unlike > 0)
    counterfactual[:-1] = np.where(unlike[:-1] > 0, share[:-1] - accuracy[1:], 0.0)
    return n, right, unlike, hits, accuracy, unlike / n, 1 - distinct / n, counterfactual


def test_counts_come_back_from_their_shares() -> None:
    n, right, unlike, hits, *published = shares(np.random.default_rng(0))
    found = counts_of_shares(*published)
    told = found.rollouts == n
    assert told.mean() > 0.9  # the others have shares that fit another number as well
    assert (found.right[told] == right[told]).all()
    assert (found.different[told] == unlike[told]).all()
    inner = told[:-1]
    assert (found.different_right[:-1][inner] == hits[:-1][inner]).all()
    assert found.different_right[-1] == -1


def test_shares_of_no_count_are_told() -> None:
    *_, accuracy, different, overdetermined, counterfactual = shares(np.random.default_rng(1))
    accuracy[4] = 0.123456
    counterfactual[9] += 0.001
    found = counts_of_shares(accuracy, different, overdetermined, counterfactual)
    assert found.rollouts[4] == -1 and found.right[4] == -1
    assert found.different_right[9] == -1
    assert found.different_right[3] == -1  # its successor's accuracy is wrong
    assert (found.different_right[10:-1] >= 0).all()


def test_without_a_different_rollout_only_zero_fits() -> None:
    accuracy, none, spread = np.array([0.5, 0.75]), np.zeros(2), np.full(2, 0.5)
    fits = counts_of_shares(accuracy, none, spread, np.array([0.0, 0.0]), most=20)
    assert fits.different.tolist() == [0, 0] and fits.different_right.tolist() == [0, -1]
    wrong = counts_of_shares(accuracy, none, spread, np.array([0.1, 0.0]), most=20)
    assert wrong.different_right.tolist() == [-1, -1]
