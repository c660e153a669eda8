from __future__ import annotations

import numpy as np
import pytest

from augury.evaluate.reliability import prior_corrected
from augury.evaluate.stated import stated


def test_a_balanced_probability_promises_too_much_until_it_knows_the_prevalence() -> None:
    rng = np.random.default_rng(0)
    labels = rng.random(40_000) < 0.05
    groups = rng.integers(0, 40, len(labels))
    evidence = np.where(labels, 1.5, -1.5) + rng.normal(size=len(labels)) * np.sqrt(3)
    balanced = 1 / (1 + np.exp(-evidence))  # exact for halves: the log-odds of both classes
    made = stated("as fitted", labels, balanced, groups)
    assert made.mean == pytest.approx(balanced.mean()) and made.excess > 0.1
    assert made.interval is not None and made.interval.low > 0
    known = prior_corrected(balanced, fitted=0.5, used=0.05)
    corrected = stated("corrected", labels, known, groups)
    assert corrected.interval is not None
    assert corrected.interval.low < 0 < corrected.interval.high
    assert corrected.brier.value < made.brier.value
    assert corrected.calibration_error.value < 0.01 < made.calibration_error.value
