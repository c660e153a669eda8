from __future__ import annotations

import pytest

from augury.errors import DataError, UsageError
from augury.report.blocks import Code, FigureRef, Link, Table, checked_target

BAD = [
    "",
    "/etc/passwd",
    "../x",
    "a/../b",
    "javascript:alert(1)",
    "http://x",
    "//x",
    "a b",
    "a//b",
    "a\n",
    "a?x",
]


@pytest.mark.parametrize("target", BAD)
def test_links_and_figures_stay_in_the_run_folder(target: str) -> None:
    with pytest.raises(UsageError, match="link target"):
        Link("x", target)
    with pytest.raises(UsageError, match="link target"):
        FigureRef(target, "x")


def test_plain_relative_paths_are_fine() -> None:
    assert checked_target("figures/heatmap_f1.html") == "figures/heatmap_f1.html"
    assert FigureRef("a", "x").file("png") == "figures/a.png"


def test_a_table_is_a_rectangle() -> None:
    with pytest.raises(DataError, match=r"row 1: 1 cells; expected 2"):
        Table(("a", "b"), ((1, 2), (3,)))


def test_a_code_language_cannot_leave_its_fence() -> None:
    with pytest.raises(UsageError, match="code language"):
        Code("x", "sh\n```")
