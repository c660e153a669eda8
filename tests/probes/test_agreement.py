"""The optimum is scikit-learn's where shapes are awkward; the whole table is in benchmarks."""

from __future__ import annotations

import pytest
from benchmarks.probe_agreement import CASES, compare


@pytest.mark.parametrize(
    "name",
    [
        "rows < features",
        "masked, weighted",
        "0.1 % positives",
        "duplicated and collinear",
        "duplicated, weak",
    ],
)
def test_coefficients_and_ranking_agree(name: str) -> None:
    found = compare(CASES[name]())
    assert found.coefficients < 1e-4
    assert found.scores < 1e-4
    # among so few rows, one pair of neighbours that swap places is more than 1e-6
    assert found.auroc < 1e-6 or found.pairs < 1.5
    assert found.passes <= 40
