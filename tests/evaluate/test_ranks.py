from __future__ import annotations

import numpy as np
from scipy.stats import rankdata

from augury.evaluate.ranks import mean_ranks, ranks_among


def test_ranks_are_those_of_scipy_with_and_without_ties() -> None:
    rng = np.random.default_rng(0)
    for size in (1, 2, 7, 300):
        for values in (rng.normal(size=size), rng.integers(3, size=size).astype(float)):
            assert (mean_ranks(values) == rankdata(values)).all()
            orders = np.stack([rng.permutation(values) for _ in range(5)])
            assert (ranks_among(orders, values) == rankdata(orders, axis=1)).all()
