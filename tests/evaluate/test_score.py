from __future__ import annotations

import math

import pytest

from augury.errors import CheckFailed
from augury.evaluate.score import Score


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_score_is_never_nan_or_infinite(value: float) -> None:
    with pytest.raises(CheckFailed, match="expected a finite number"):
        Score(value)


def test_a_missing_value_needs_a_reason_and_a_value_needs_none() -> None:
    with pytest.raises(CheckFailed, match="either a value or a reason"):
        Score(None)
    with pytest.raises(CheckFailed, match="either a value or a reason"):
        Score(0.5, "no positive row")


def test_zero_is_a_value_and_not_a_missing_one() -> None:
    assert Score(0.0).value == 0.0
    assert str(Score(0.25)) == "0.250"
    assert str(Score.undefined("no row")) == "undefined (no row)"
