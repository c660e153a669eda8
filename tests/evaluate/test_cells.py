from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from augury.errors import DataError
from augury.evaluate.cells import TEST, check_cells, split_rows


@pytest.fixture
def cell(make_world):
    world = make_world(0, n_traces=12, length=5)
    return world.cell(world.smooth())


def test_split_rows_are_the_rows_of_that_split_in_order(cell) -> None:
    rows = split_rows(cell, TEST)
    np.testing.assert_array_equal(rows.scores, cell.scores[cell.split == 2])
    assert set(rows.groups) == set(range(6, 12))


def test_a_sound_grid_passes(cell) -> None:
    check_cells([cell, replace(cell, horizon=8)])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: {"split": c.split * 2}, "expected 0 train, 1 validation or 2 test"),
        (lambda c: {"split": c.split[:-1]}, "split of type"),
        (lambda c: {"groups": c.groups - 1}, "negative groups"),
        (lambda c: {"groups": c.groups / 1.0}, "groups of type float64"),
        (lambda c: {"groups": c.groups // 4}, "group 0: in split 0 and in split 1"),
        (lambda c: {"traces": c.traces // 2}, "trace 0: in group 0 and in group 1"),
        (lambda c: {"baselines": {}}, "no baseline"),
        (lambda c: {"baselines": {"text": c.scores * np.nan}}, "baseline text: 60 of 60"),
        (lambda c: {"scores": c.scores * np.inf}, "resid.0, horizon 4: .* not finite"),
    ],
)
def test_a_grid_that_cannot_be_judged_is_refused_by_name(cell, change, message: str) -> None:
    with np.errstate(all="ignore"), pytest.raises(DataError, match=message):
        check_cells([replace(cell, **change(cell))])


def test_huge_group_numbers_are_checked_without_a_huge_table(cell) -> None:
    check_cells([replace(cell, groups=cell.groups * 10**15, traces=cell.traces * 10**14)])


def test_a_cell_given_twice_and_an_empty_grid_are_refused(cell) -> None:
    with pytest.raises(DataError, match="given twice"):
        check_cells([cell, cell])
    with pytest.raises(DataError, match="no cell"):
        check_cells([])
