from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_curve

from augury.errors import DataError
from augury.evaluate.ranking import check_rows, rank_rows


def test_a_ranking_is_the_roc_curve_of_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    labels, scores = rng.random(300) < 0.2, rng.integers(0, 40, 300).astype(float)
    weights = rng.integers(1, 4, 300).astype(float)
    ranking = rank_rows(labels, scores, weights)
    false, true, thresholds = roc_curve(
        labels, scores, sample_weight=weights, drop_intermediate=False
    )
    np.testing.assert_array_equal(ranking.thresholds, thresholds[1:])
    np.testing.assert_allclose(ranking.true_positives / ranking.positives, true[1:], atol=1e-12)
    np.testing.assert_allclose(ranking.false_positives / ranking.negatives, false[1:], atol=1e-12)


def test_no_rows_rank_to_nothing() -> None:
    ranking = rank_rows(np.zeros(0, bool), np.zeros(0))
    assert len(ranking.thresholds) == 0
    assert (ranking.positives, ranking.negatives) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("labels", "scores", "message"),
    [
        (np.array([0, 1]), np.zeros(2), "labels of type int64; expected bool"),
        (np.array([True]), np.zeros(2), "one label and one score per row"),
        (np.array([True, False]), np.array([np.nan, 0.0]), "1 of 2 scores are not finite"),
    ],
)
def test_rows_that_no_metric_can_read_are_refused(
    labels: np.ndarray, scores: np.ndarray, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        check_rows(labels, scores)


def test_negative_weights_are_refused() -> None:
    with pytest.raises(DataError, match="none negative"):
        rank_rows(np.array([True, False]), np.zeros(2), np.array([1.0, -1.0]))
