"""Reading plans."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from pydantic import ValidationError

from augury.activations.anchors import planned_rows
from augury.activations.plan import ReadingPlan
from augury.traces.tokens import TokenisedTrace


def test_equal_plans_are_equal_whatever_the_order_of_their_sites() -> None:
    assert ReadingPlan(sites=("final", "resid.0")) == ReadingPlan(sites=("resid.0", "final"))


@pytest.mark.parametrize(
    ("sites", "message"),
    [((), "at least 1"), (("residual.1",), "resid.1"), (("embed", "embed"), "named twice")],
)
def test_a_plan_that_means_nothing_is_refused(sites: tuple[str, ...], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        ReadingPlan(sites=sites)


def test_completion_rows_begin_at_the_first_that_counts(
    trace_of: Callable[..., TokenisedTrace],
) -> None:
    trace = trace_of("t", [3] * 6, 4)
    assert planned_rows(trace, whole=False).tolist() == [4, 5]
    assert planned_rows(trace, whole=True).tolist() == [0, 1, 2, 3, 4, 5]


def test_no_row_of_a_window_is_kept_twice(trace_of: Callable[..., TokenisedTrace]) -> None:
    assert planned_rows(trace_of("t", [3] * 6, 4, part=1), whole=True).tolist() == [4, 5]
