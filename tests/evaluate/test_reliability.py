from __future__ import annotations

import numpy as np
import pytest

from augury.errors import UsageError
from augury.evaluate.metrics import expected_calibration_error
from augury.evaluate.reliability import prior_corrected, reliability


def test_the_table_adds_up_to_the_calibration_error() -> None:
    rng = np.random.default_rng(0)
    stated = np.round(rng.random(900) ** 2, 2)
    labels = rng.random(900) < stated**2
    table = reliability(labels, stated)
    assert sum(each.rows for each in table) == 900
    assert [each.stated for each in table] == sorted(each.stated for each in table)
    gap = sum(each.rows * abs(each.stated - each.observed) for each in table) / 900
    assert gap == pytest.approx(expected_calibration_error(labels, stated).value, abs=1e-12)
    assert reliability(np.zeros(0, bool), np.zeros(0)) == ()


def test_a_balanced_training_set_is_undone() -> None:
    # Two Gaussians: the posterior at each prior is known. Correcting the wrong way round, or the
    # probability instead of the odds, fails.
    x = np.linspace(-3, 4, 50)
    like_yes, like_no = np.exp(-((x - 1) ** 2) / 2), np.exp(-(x**2) / 2)

    def posterior(prior: float) -> np.ndarray:
        return prior * like_yes / (prior * like_yes + (1 - prior) * like_no)

    corrected = prior_corrected(posterior(0.5), fitted=0.5, used=0.02)
    np.testing.assert_allclose(corrected, posterior(0.02), rtol=1e-12)
    np.testing.assert_allclose(
        prior_corrected(corrected, fitted=0.02, used=0.5), posterior(0.5), rtol=1e-12
    )
    np.testing.assert_array_equal(
        prior_corrected(np.array([0.0, 1.0]), fitted=0.5, used=0.1), [0, 1]
    )


def test_a_share_of_none_or_all_is_refused() -> None:
    with pytest.raises(UsageError, match="fitted 0, used"):
        prior_corrected(np.array([0.5]), fitted=0.0, used=0.1)
