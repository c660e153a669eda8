from __future__ import annotations

import csv
import io
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from augury.errors import DataError
from augury.report.tables import csv_text, write_csv

FORMULAS = ("=cmd|' /C calc'!A0", "+1+1", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "=", "-")


def read(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline="")))


@pytest.mark.parametrize("text", FORMULAS)
def test_no_text_cell_starts_like_a_formula(text: str) -> None:
    header, row = read(csv_text([text], [[text]]))
    assert header == row == ["'" + text]


@settings(max_examples=60, deadline=None)
@given(st.floats(allow_nan=False, allow_infinity=False), st.integers())
def test_numbers_read_back_exactly_and_negative_ones_are_untouched(real: float, whole: int) -> None:
    _, row = read(csv_text(["a", "b"], [[real, whole]]))
    assert float(row[0]) == real
    assert math.copysign(1, float(row[0])) == math.copysign(1, real)
    assert int(row[1]) == whole


@settings(max_examples=60, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_text_reads_back_but_for_the_guard(text: str) -> None:
    cell = read(csv_text(["a", "b"], [[text, 1]]))[1][0]
    assert cell in (text, "'" + text)


def test_numpy_scalars_are_plain_numbers() -> None:
    _, row = read(csv_text(["a", "b"], [[np.float64(0.1), int(np.int64(3))]]))
    assert row == ["0.1", "3"]


def test_none_is_empty_and_booleans_are_words() -> None:
    assert read(csv_text(["a", "b", "c"], [[None, True, False]]))[1] == ["", "true", "false"]


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_an_undefined_number_is_refused_and_its_place_named(bad: float) -> None:
    with pytest.raises(DataError, match="table row 1, column 'f1'"):
        csv_text(["f1"], [[0.5], [bad]])


def test_a_row_of_the_wrong_length_is_refused() -> None:
    with pytest.raises(DataError, match=r"table row 0: 1 cells; expected 2"):
        csv_text(["a", "b"], [[1]])


def test_the_file_holds_the_text(tmp_path: Path) -> None:
    write_csv(tmp_path / "t.csv", ["a"], [["x\ny"]])
    assert (tmp_path / "t.csv").read_bytes() == b'a\n"x\ny"\n'


def test_a_single_empty_cell_is_still_a_row() -> None:
    assert read(csv_text(["a"], [[None], [1]])) == [["a"], [""], ["1"]]
