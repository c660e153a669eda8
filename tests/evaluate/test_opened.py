from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from augury.evaluate import metrics
from augury.evaluate.opened import open_cell


def test_threshold_and_calibration_do_not_see_the_test_rows(make_world) -> None:
    world = make_world(0)
    cell = world.cell(world.smooth() + 4 * world.labels)
    test = cell.split == 2
    other = replace(
        cell,
        scores=np.where(test, world.smooth(), cell.scores),
        labels=np.where(test, world.rng.random(len(test)) < 0.5, cell.labels),
    )
    first, second = open_cell(cell), open_cell(other)
    assert first.threshold == second.threshold
    assert first.calibration == second.calibration
    assert first.validation == second.validation
    assert first.test != second.test


def test_each_split_is_scored_on_its_own_rows(make_world) -> None:
    world = make_world(1)
    cell = world.cell(world.smooth() + 2 * world.labels)
    opened = open_cell(cell)
    for number, found in enumerate((opened.train, opened.validation, opened.test)):
        at = cell.split == number
        assert found.rows == at.sum()
        assert found.positives == cell.labels[at].sum()
        assert found.prevalence == pytest.approx(cell.labels[at].mean())
        assert found.positive_groups == len(set(cell.groups[at & cell.labels]))
        expected = metrics.average_precision(cell.labels[at], cell.scores[at])
        assert found.average_precision == expected
        threshold = opened.threshold.value
        assert found.f1 == metrics.f1(cell.labels[at], cell.scores[at], threshold=threshold)


def test_a_label_that_never_occurs_in_validation_leaves_no_threshold(make_world) -> None:
    world = make_world(2)
    cell = world.cell(world.smooth(), labels=world.labels & (world.split != 1))
    opened = open_cell(cell)
    assert opened.threshold.value is None and opened.calibration is None
    assert opened.test.f1.reason.startswith("no threshold")
    assert opened.brier.value is None
    assert opened.lack.startswith("no positive row in validation")
