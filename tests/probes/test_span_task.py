"""A task that nothing can be fitted on is refused by name before any fit."""

from __future__ import annotations

import numpy as np
import pytest

from augury.errors import DataError
from augury.probes.span_task import SpanTask, balanced_weights
from augury.probes.spans import rows_as_spans

GROUPS = np.repeat(np.arange(4), 3)
TRAIN, VALIDATION = GROUPS < 2, GROUPS == 2


def task(**changes: object) -> SpanTask:
    facts: dict[str, object] = {
        "spans": rows_as_spans(np.zeros((12, 2), np.float32)),
        "target": "binary",
        "values": np.tile([0.0, 1.0, 0.0], 4),
        "groups": GROUPS,
        "train": TRAIN,
        "validation": VALIDATION,
    }
    return SpanTask(**(facts | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"values": np.zeros(12)}, "values of train: only 0 in 6 spans"),
        ({"values": np.where(TRAIN, np.arange(12) % 2, 1)}, "values of validation: only 1"),
        ({"values": np.arange(12.0)}, "expected a binary target"),
        (
            {"values": np.where(np.arange(12) == 7, np.nan, np.tile([0.0, 1.0, 0.0], 4))},
            "values: span 7",
        ),
        ({"groups": np.zeros(12, int)}, "one group alone cannot be split"),
        ({"validation": GROUPS == 1}, "1 both in train and in validation, the first of them 1"),
        ({"train": GROUPS == 9}, "train: no span"),
        ({"train": TRAIN.astype(int)}, "train: type int64"),
        ({"values": np.zeros(11)}, "one per span"),
        ({"weights": np.full(12, -1.0)}, "weights: a negative"),
        ({"target": "rank", "values": np.repeat(np.arange(4.0), 3)}, "no group with two unlike"),
        ({"target": "ordinal", "values": np.tile([0, 2, 2], 4)}, r"training levels \[0, 2\]"),
        ({"target": "ordinal", "values": np.where(TRAIN, np.arange(12) % 2, 2)}, "only 2 in 3"),
        (
            {
                "target": "classes",
                "values": np.arange(12) % 3 * (GROUPS != 2) + (np.arange(12) == 6),
            },
            "no span of class 2",
        ),
    ],
)
def test_what_cannot_be_learned_is_named(changes: dict[str, object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        task(**changes)


def test_values_outside_train_and_validation_are_not_looked_at() -> None:
    values = np.where(GROUPS == 3, np.nan, np.tile([0.0, 1.0, 0.0], 4))
    assert not task(values=values).used[GROUPS == 3].any()


def test_balanced_weights_make_the_classes_weigh_the_same() -> None:
    values = np.array([0, 0, 0, 1, 2, 2, 1, 1])
    train = np.arange(8) < 6
    weights = balanced_weights(values, train)
    sums = [weights[values == value].sum() for value in range(3)]
    np.testing.assert_allclose(sums, 2)
    assert weights[train].mean() == pytest.approx(1) and not weights[~train].any()
