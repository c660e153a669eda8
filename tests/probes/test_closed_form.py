"""Closed forms agree with their textbook definitions and know their symmetries."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from augury.errors import DataError, UsageError
from augury.probes.closed_form import (
    difference_of_means,
    lda,
    moments_of_blocks,
    shared_moments,
    whitened_difference_of_means,
)
from augury.probes.linear import scores
from probes.conftest import Planted


def test_lda_without_shrinkage_is_that_of_scikit_learn(planted: Planted) -> None:
    shared = shared_moments(planted.states, planted.labels, np.ones_like(planted.weights))
    found = lda(shared, shrinkage=0)
    for column in range(4):
        peer = LinearDiscriminantAnalysis(solver="lsqr")
        peer.fit(planted.states.astype(np.float64), planted.labels[:, column])
        np.testing.assert_allclose(found.weight[column], peer.coef_[0], rtol=1e-4, atol=1e-6)
        assert found.bias[column] == pytest.approx(peer.intercept_[0], rel=1e-4, abs=1e-4)


def test_difference_of_means_is_the_difference_of_weighted_means(planted: Planted) -> None:
    found = difference_of_means(shared_moments(planted.states, planted.labels, planted.weights))
    for column in range(4):
        label, weight = planted.labels[:, column], planted.weights[:, column]
        high = np.average(planted.states[label], axis=0, weights=weight[label])
        low = np.average(planted.states[~label], axis=0, weights=weight[~label])
        np.testing.assert_allclose(found.weight[column], high - low, rtol=1e-4, atol=1e-4)
        middle = found.weight[column] @ ((high + low) / 2) + found.bias[column]
        assert middle == pytest.approx(0, abs=1e-2)


def test_lda_scores_do_not_change_under_a_rotation(planted: Planted) -> None:
    turn, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(12, 12)))
    turned = (planted.states.astype(np.float64) @ turn).astype(np.float32)
    before = lda(shared_moments(planted.states, planted.labels, planted.weights))
    after = lda(shared_moments(turned, planted.labels, planted.weights))
    np.testing.assert_allclose(
        scores(turned, after), scores(planted.states, before), rtol=1e-3, atol=1e-3
    )


def test_a_column_of_one_class_is_named(planted: Planted) -> None:
    labels = planted.labels.copy()
    labels[:, 2] = False
    shared = shared_moments(planted.states, labels, planted.weights)
    for grid in (lda(shared), difference_of_means(shared)):
        assert grid.problem == ("", "", "rows of both classes are needed", "")
        assert not grid.weight[2].any() and grid.bias[2] == 0


def test_a_singular_covariance_needs_shrinkage(planted: Planted) -> None:
    twice = np.concatenate([planted.states, np.zeros_like(planted.states)], axis=1)
    shared = shared_moments(twice, planted.labels, planted.weights)
    assert np.isfinite(lda(shared, shrinkage=0.1).weight).all()
    with pytest.raises(UsageError, match="singular covariance"):
        lda(shared, shrinkage=0)
    with pytest.raises(UsageError, match="expected 0 to 1"):
        lda(shared, shrinkage=2)


def test_whitened_difference_of_means_ranks_as_lda_and_cuts_half_way(planted: Planted) -> None:
    shared = shared_moments(planted.states, planted.labels, planted.weights)
    whitened, peer = whitened_difference_of_means(shared), lda(shared)
    length = np.linalg.norm(whitened.weight, axis=1) * np.linalg.norm(peer.weight, axis=1)
    cosine = np.einsum("ch,ch->c", whitened.weight, peer.weight) / length
    np.testing.assert_allclose(cosine, 1, atol=1e-6)
    middle = np.einsum("ch,ch->c", whitened.weight, (shared.positive + shared.negative) / 2)
    np.testing.assert_allclose(middle + whitened.bias, 0, atol=1e-4)
    plain = difference_of_means(shared)
    assert (
        np.linalg.norm(plain.weight, axis=1) > 2 * np.linalg.norm(whitened.weight, axis=1)
    ).any()


def test_whitening_makes_the_difference_of_means_indifferent_to_units(planted: Planted) -> None:
    factor = 2.0 ** np.arange(-6, 6)
    scaled = (planted.states * factor).astype(np.float32)
    before, after = (
        whitened_difference_of_means(
            shared_moments(states, planted.labels, planted.weights), shrinkage=0
        )
        for states in (planted.states, scaled)
    )
    np.testing.assert_allclose(
        scores(scaled, after), scores(planted.states, before), rtol=1e-3, atol=1e-4
    )


def test_blocks_that_come_once_give_what_the_array_gives(planted: Planted) -> None:
    states = planted.states + np.float32(1000)
    whole = shared_moments(states, planted.labels, planted.weights)
    cuts = [slice(0, 1), slice(1, 400), slice(400, 401), slice(401, 1500)]
    found = moments_of_blocks(
        (torch.from_numpy(states[rows]), planted.labels[rows], planted.weights[rows])
        for rows in cuts
    )
    for name in ("positive", "negative", "share", "covariance"):
        np.testing.assert_allclose(getattr(found, name), getattr(whole, name), rtol=1e-9, atol=1e-9)
    for kind in (lda, difference_of_means, whitened_difference_of_means):
        np.testing.assert_allclose(kind(found).weight, kind(whole).weight, rtol=1e-6)


def test_bad_blocks_are_named(planted: Planted) -> None:
    states = torch.from_numpy(planted.states)
    block = (states, planted.labels, planted.weights)
    broken = states.clone()
    broken[int(np.flatnonzero(planted.weights.any(axis=1))[2]), 1] = torch.nan
    with pytest.raises(DataError, match="not finite"):
        moments_of_blocks([block, (broken, planted.labels, planted.weights)])
    with pytest.raises(DataError, match="4 columns, width 11"):
        moments_of_blocks([block, (states[:, :11], planted.labels, planted.weights)])
    with pytest.raises(DataError, match="no row with a positive weight"):
        moments_of_blocks([])
