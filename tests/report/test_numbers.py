from __future__ import annotations

import math

import pytest

from augury.errors import DataError
from augury.report.numbers import shown
from augury.report.tables import CellValue


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "\u2013"),
        (True, "yes"),
        (False, "no"),
        ("-x", "-x"),
        (0, "0"),
        (-1234567, "\u22121\u202f234\u202f567"),
        (0.0, "0"),
        (0.04567, "0.0457"),
        (-0.5, "\u22120.500"),
        (12.3456, "12.3"),
        (98765.4, "98765"),
        (0.9996, "1.000"),
        (1.5e-7, "1.50e\u221207"),
        (3e9, "3.00e+09"),
    ],
)
def test_a_value_as_a_reader_sees_it(value: CellValue, text: str) -> None:
    assert shown(value) == text


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_number_that_is_none_is_refused(bad: float) -> None:
    with pytest.raises(DataError, match="None if undefined"):
        shown(bad)
