from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from tests.judged import cell

from augury.errors import CheckFailed
from augury.evaluate.agreement import assert_agrees_with
from augury.evaluate.score import Score
from augury.evaluate.stored import write_results


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    write_results(tmp_path / "cells.json", [cell("resid.1", 4, 0.4), cell("resid.2", 4, 0.5)])
    return tmp_path / "cells.json"


def test_the_last_bits_may_differ_and_nothing_more(stored: Path) -> None:
    first, second = cell("resid.1", 4, 0.4), cell("resid.2", 4, 0.5)
    assert_agrees_with(stored, [first, replace(second, brier=Score(0.01 + 1e-14))])
    with pytest.raises(CheckFailed, match=r"cell 1\.brier\.value: stored 0\.01 / now 0\.0100"):
        assert_agrees_with(stored, [first, replace(second, brier=Score(0.01 + 1e-9))])


@pytest.mark.parametrize(
    "change",
    [
        {"verdict": "predictive beyond baselines"},
        {"brier": Score.undefined("gone")},
        {"baselines": {}},
        {"interval": None},
    ],
)
def test_texts_missing_values_and_missing_parts_are_differences(stored: Path, change) -> None:
    results = [replace(cell("resid.1", 4, 0.4), **change), cell("resid.2", 4, 0.5)]
    with pytest.raises(CheckFailed, match="cell 0"):
        assert_agrees_with(stored, results)


def test_another_number_of_cells_is_a_difference(stored: Path) -> None:
    with pytest.raises(CheckFailed, match="cell: stored"):
        assert_agrees_with(stored, [cell("resid.1", 4, 0.4)])


def test_a_file_from_before_a_field_existed_agrees(stored: Path) -> None:
    older = json.loads(stored.read_text())
    for each in older:
        del each["test"]["group_average_precision"]
    stored.write_text(json.dumps(older))
    assert_agrees_with(stored, [cell("resid.1", 4, 0.4), cell("resid.2", 4, 0.5)])
