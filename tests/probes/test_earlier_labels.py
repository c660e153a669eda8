from __future__ import annotations

import numpy as np
import pytest

from augury.evaluate.metrics import auroc
from augury.probes.earlier_labels import earlier_labels


def _rows(seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.random(200) < 0.2, np.repeat(np.arange(5), 40)


@pytest.mark.parametrize("horizon", [-3, 0, 1, 4])
def test_nothing_that_is_not_yet_known_changes_a_feature(horizon: int) -> None:
    # Reading the row's own label, or a label that tells of the future, fails.
    labels, traces = _rows(0)
    plain = earlier_labels(labels, traces, horizon=horizon)
    for row in (3, 40, 77, 199):
        changed = labels.copy()
        changed[max(0, row - max(horizon, 0)) :] ^= True
        again = earlier_labels(changed, traces, horizon=horizon)
        np.testing.assert_array_equal(again[row], plain[row])
        first = 40 * (row // 40)
        known = row - max(horizon, 0) - 1
        if known >= first:
            changed = labels.copy()
            changed[known] ^= True
            again = earlier_labels(changed, traces, horizon=horizon)
            assert (again[row] != plain[row]).any()


def test_labels_of_other_traces_do_not_count_and_traces_may_be_mixed() -> None:
    labels, traces = _rows(1)
    plain = earlier_labels(labels, traces)
    changed = np.where(traces == 2, ~labels, labels)
    others = traces != 2
    np.testing.assert_array_equal(earlier_labels(changed, traces)[others], plain[others])
    order = np.argsort(np.tile(np.arange(40), 5), kind="stable")
    np.testing.assert_array_equal(earlier_labels(labels[order], traces[order]), plain[order])


def test_independent_labels_are_not_predicted_by_any_feature() -> None:
    # A planted leak of the row's own label makes some feature an oracle.
    rng = np.random.default_rng(2)
    labels, traces = rng.random(4000) < 0.3, np.repeat(np.arange(40), 100)
    features = earlier_labels(labels, traces)
    areas = [auroc(labels, column).value for column in features.T if column.std() > 0.05]
    assert len(areas) > 5 and max(abs(area - 0.5) for area in areas) < 0.06
