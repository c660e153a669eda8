from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from augury.errors import DataError
from augury.probes.number_features import fit_number_features

RNG = np.random.default_rng(0)
X = RNG.normal(size=(300, 6)) * [1, 10, 100, 1, 1, 1] + 5
TRAIN, VALIDATION = np.arange(300) < 150, (np.arange(300) >= 150) & (np.arange(300) < 220)


def fit(features: np.ndarray | sparse.csr_matrix, values: np.ndarray) -> np.ndarray:
    return fit_number_features(features, values, train=TRAIN, validation=VALIDATION)


def test_a_linear_truth_is_found_whatever_the_scale_of_its_feature() -> None:
    values = np.stack([X[:, 0], X[:, 2], -X[:, 4]], axis=1)
    found = fit(X, values + 0.1 * RNG.normal(size=values.shape))
    for column in range(3):
        assert np.corrcoef(found[220:, column], values[220:, column])[0, 1] > 0.99


def test_inner_products_give_the_ridge_solution() -> None:
    scaled = (X - X[TRAIN].mean(0)) / X[TRAIN].std(0)
    values = scaled @ RNG.normal(size=(6, 2)) + RNG.normal(size=(300, 2)) + 7
    assert np.allclose(fit(X, values), fit(sparse.csr_matrix(scaled), values), atol=1e-6)


def test_columns_do_not_disturb_each_other_and_test_rows_are_not_read() -> None:
    values = X[:, :1] + RNG.normal(size=(300, 3))
    together = fit(X, values)
    assert np.allclose(together[:, [1]], fit(X, values[:, [1]]))
    values[220:] = 1e6
    assert np.allclose(together, fit(X, values))


def test_the_strength_is_chosen_on_validation() -> None:
    """Forty features for 150 rows: on noise the strongest, on a clean line the weakest is best."""
    wide = RNG.normal(size=(300, 120))
    clean = wide @ RNG.normal(size=(120, 1))
    assert np.corrcoef(fit(wide, clean)[220:, 0], clean[220:, 0])[0, 1] > 0.97
    noisy = wide[:, :1] * 0.3 + RNG.normal(size=(300, 1))
    assert fit(wide, noisy)[220:].std() < 0.5


def test_rows_on_two_sides_are_refused() -> None:
    with pytest.raises(DataError, match="on two sides"):
        fit_number_features(X, X[:, :1], train=TRAIN, validation=TRAIN)
