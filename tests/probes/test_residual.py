from __future__ import annotations

import numpy as np
import pytest

from augury.errors import DataError
from augury.probes.residual import residual


def test_what_the_features_explain_is_gone_and_the_rest_is_kept() -> None:
    rng = np.random.default_rng(0)
    features, hidden = rng.normal(size=(600, 3)), rng.normal(size=600)
    values = features @ [2.0, -1.0, 0.5] + hidden + 7
    train = np.arange(600) < 400
    found = residual(values, features, train)
    assert np.abs(np.corrcoef(features[~train].T, found[~train])[3, :3]).max() < 0.15
    assert np.corrcoef(hidden[~train], found[~train])[0, 1] > 0.98


def test_rows_outside_of_train_fit_nothing() -> None:
    rng = np.random.default_rng(1)
    features, values = rng.normal(size=(100, 2)), rng.normal(size=100)
    train = np.arange(100) < 60
    plain = residual(values, features, train)
    changed = np.where(train, values, 100 * values)
    np.testing.assert_allclose(residual(changed, features, train)[train], plain[train])
    with pytest.raises(DataError, match="at least 2"):
        residual(values, features, np.zeros(100, bool))
