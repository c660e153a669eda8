"""A judged grid, hostile texts, and a real browser where there is one."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from augury.evaluate.intervals import Interval
from augury.evaluate.records import BaselineResult, CellResult, SplitScores
from augury.evaluate.score import Score

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


def split(rows: int, positives: int, ap: float | None) -> SplitScores:
    """One split whose other metrics follow from its average precision."""

    def score(value: float | None) -> Score:
        return Score.undefined("no positive row") if value is None else Score(value)

    return SplitScores(
        rows=rows,
        groups=rows // 500,
        positive_groups=min(positives, rows // 500),
        positives=positives,
        average_precision=score(ap),
        auroc=score(None if ap is None else 0.5 + 0.5 * math.sqrt(ap)),
        f1=score(None if ap is None else 0.9 * ap + 0.02),
        accuracy=score(None if ap is None else 0.97),
        balanced_accuracy=score(None if ap is None else 0.5 + 0.4 * ap),
        recall_at_1pct_fpr=score(ap),
    )


def cell(site: str, horizon: int, ap: float | None, *, beyond: bool = False) -> CellResult:
    """One result with plausible company: baselines below it, an interval around it."""
    near = max(0.0, 1 - abs(horizon) / 20)
    baselines = {"prevalence": 0.012, "position": 0.03, "last_three_tokens": 0.02 + 0.16 * near}
    baselines["own_probability"] = 0.02 + 0.22 * near**2
    interval = None if ap is None else Interval(max(ap - 0.06, 0), min(ap + 0.07, 1), 40)
    positives = 0 if ap is None else 120
    return CellResult(
        site=site,
        horizon=horizon,
        label="backtracking",
        kind="point",
        train=split(60_000, 700 - 6 * abs(horizon), ap),
        validation=split(20_000, 240 - 3 * abs(horizon), ap),
        test=split(20_000, positives, ap),
        threshold=Score(0.3),
        calibration=None,
        brier=Score(0.01),
        calibration_error=Score(0.002),
        interval=interval,
        auroc_interval=None
        if ap is None
        else Interval(0.46 + 0.5 * math.sqrt(ap), 0.53 + 0.5 * math.sqrt(ap), 40),
        f1_interval=None,
        baselines={
            name: BaselineResult(Score(value), Score(0.5 + value), None, None, None)
            for name, value in baselines.items()
        },
        best_baseline="own_probability",
        difference_low_simultaneous=0.02 if beyond else None,
        p=None,
        p_corrected=None,
        null_low=None,
        null_high=None,
        verdict="predictive beyond baselines" if beyond else "not predictive",
        why="",
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


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Headless Chromium; AUGURY_CHROMIUM names it where it is not in the usual place."""
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path = Path(os.environ.get("AUGURY_CHROMIUM", "/usr/bin/chromium"))
    if not path.is_file():
        pytest.skip(f"no browser at {path}: install chromium or set AUGURY_CHROMIUM")
    with api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=str(path), args=["--no-sandbox"])
        yield started
        started.close()
