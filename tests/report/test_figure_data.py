from __future__ import annotations

import math

import pytest

from augury.errors import DataError
from augury.report.figure_data import Bar, Bars, BarSeries, Cell, Heatmap, Line, Lines, Panels
from augury.report.scales import horizon_axis, site_axis, unit_scale

X, Y, SCALE = horizon_axis([0, 4]), site_axis(["embed", "final"]), unit_scale("f1")


def test_the_table_of_a_heatmap_has_every_cell_at_its_place() -> None:
    cells = ((Cell(0.1), Cell(None, "no positive row")), (Cell(0.3, outlined=True), Cell(0.4)))
    columns, rows = Heatmap("t", "c", SCALE, X, Y, cells).table()
    assert columns[0] == "site" and columns[2:] == ("f1", "outlined", "note")
    assert rows == (
        ("embed", 0, 0.1, False, ""),
        ("embed", 4, None, False, "no positive row"),
        ("final", 0, 0.3, True, ""),
        ("final", 4, 0.4, False, ""),
    )


def test_the_table_of_lines_has_intervals() -> None:
    line = Line("resid.3", (0.1, None), ((0.05, 0.2), None), "best")
    assert Lines("t", "c", SCALE, X, (line,)).table()[1] == (
        ("resid.3", "best", 0, 0.1, 0.05, 0.2),
        ("resid.3", "best", 4, None, None, None),
    )


def test_the_table_of_panels_names_the_panel() -> None:
    part = Lines("t", "c", SCALE, X, (Line("a", (0.1, 0.2)),))
    assert Panels("t", "c", (part, part)).table()[1][0][:3] == ("f1", "a", "site")


def test_the_table_of_bars_keeps_counts() -> None:
    bars = Bars(
        "t", "c", SCALE, X, (BarSeries("test", (Bar(0.1, "1 / 10"), Bar(None, "no rows"))),)
    )
    assert bars.table()[1] == (("test", 0, 0.1, "1 / 10"), ("test", 4, None, "no rows"))


def test_shapes_that_disagree_are_refused() -> None:
    with pytest.raises(DataError, match="expected 2 rows of 2"):
        Heatmap("t", "c", SCALE, X, Y, ((Cell(0.1), Cell(0.2)),))
    with pytest.raises(DataError, match="line 'a'"):
        Lines("t", "c", SCALE, X, (Line("a", (0.1,)),))
    with pytest.raises(DataError, match="line 'a'"):
        Lines("t", "c", SCALE, X, (Line("a", (0.1, 0.2), ((0.0, 1.0),)),))
    with pytest.raises(DataError, match="series 'a'"):
        Bars("t", "c", SCALE, X, (BarSeries("a", (Bar(0.1),)),))


def test_panels_share_one_axis() -> None:
    a = Lines("t", "c", SCALE, X, ())
    b = Lines("t", "c", SCALE, horizon_axis([0, 8]), ())
    for parts in ((), (a, b)):
        with pytest.raises(DataError, match="same x axis"):
            Panels("t", "c", parts)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_number_that_is_none_must_be_none(bad: float) -> None:
    with pytest.raises(DataError, match="None where a value is undefined"):
        Heatmap("t", "c", SCALE, X, Y, ((Cell(0.1), Cell(0.2)), (Cell(0.3), Cell(bad))))
    with pytest.raises(DataError, match="None where a value is undefined"):
        Lines("t", "c", SCALE, X, (Line("a", (0.1, 0.2), ((0.0, bad), None)),))
