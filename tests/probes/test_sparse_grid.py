"""The sparse fit has the optimum of scikit-learn's logistic regression."""

from __future__ import annotations

import numpy as np
from scipy import sparse
from sklearn.linear_model import LogisticRegression

from augury.probes.sparse_grid import fit_sparse_grid


def test_coefficients_agree_with_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    features = sparse.random(600, 20, 0.2, format="csr", random_state=0, dtype=np.float32)
    labels = rng.random((600, 3)) < [0.5, 0.2, 0.3]
    labels[:, 1] |= features[:, [4]].toarray()[:, 0] > 0.3
    weights = (rng.random((600, 3)) < 0.9) * rng.uniform(0.5, 4, (600, 3))
    l2 = np.array([1e-1, 1e-3, 1e-2])
    found = fit_sparse_grid(features, labels, weights, l2, tolerance=1e-6, max_passes=500)
    for column in range(3):
        total = weights[:, column].sum()
        peer = LogisticRegression(C=1 / (l2[column] * total), tol=1e-9, max_iter=2000)
        peer.fit(features.astype(np.float64), labels[:, column], weights[:, column])
        np.testing.assert_allclose(found.weight[column], peer.coef_[0], atol=2e-4)
        np.testing.assert_allclose(found.bias[column], peer.intercept_[0], atol=2e-4)


def test_a_column_of_one_class_stays_zero() -> None:
    features = sparse.identity(6, format="csr", dtype=np.float32)
    labels = np.array([[True, True]] * 3 + [[False, True]] * 3)
    found = fit_sparse_grid(features, labels, np.ones((6, 2)), np.full(2, 0.1))
    assert found.weight[0].any() and not found.weight[1].any() and found.bias[1] == 0
