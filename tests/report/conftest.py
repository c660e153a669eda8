"""A judged grid, hostile texts, and a tab that is watched."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pytest
from tests.judged import cell
from tests.report.tabs import Watched

from augury.evaluate.records import CellResult

SITES = ("embed", *(f"resid.{block}" for block in range(6)), "final")
HORIZONS = (-8, -4, 0, 4, 8, 12, 16)

HOSTILE = (
    "</script><script>document.title='owned'</script>",
    "<img src=x onerror=\"document.title='owned'\">",
    "<!--<script>",
    "javascript:alert(1)",
    "\"><svg onload=alert(1)>'",
    "]]>&amp;&lt;b&gt;",
    "\u2028\u2029\u202eevil\x00\x1b[31m\x85",
    "| a | `b` | $x$ [l](javascript:alert(1)) *s* # h",
    "{{ 7*7 }} {policy} %{x}",
    "\ud800",
)


@pytest.fixture(params=HOSTILE, ids=range(len(HOSTILE)))
def hostile(request: pytest.FixtureRequest) -> str:
    """One text that tries to be more than text."""
    return str(request.param)


@pytest.fixture
def results() -> list[CellResult]:
    """A grid that peaks at `resid.4` and horizon 0, with two undefined cells."""
    made = []
    for depth, site in enumerate(SITES):
        for horizon in HORIZONS:
            height = 0.62 * math.exp(-((depth - 5) ** 2) / 9) * math.exp(-abs(horizon) / 9)
            ap = None if (site, horizon) in {("embed", 16), ("embed", 12)} else 0.015 + height
            made.append(cell(site, horizon, ap, beyond=ap is not None and ap > 0.2))
    return made


@pytest.fixture
def watched(browser: Any) -> Iterator[Watched]:
    context = browser.new_context(viewport={"width": 1000, "height": 700})
    seen = Watched(context.new_page())
    yield seen
    context.close()
    assert seen.complaints == []
