"""The page of a real run: sliders, hovering and jumps tell what the run has stored."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tests.report.tabs import settled

from augury.evaluate.stored import read_results
from augury.runs.folder import Run
from augury.studies.next_token.config import NextTokenConfig
from augury.studies.next_token.judge import CELLS
from augury.studies.next_token.rows import load_rows
from augury.studies.next_token.train import SCORES
from augury.studies.next_token.views import VIEW
from augury.studies.scores import read_scores

pytestmark = pytest.mark.browser

SITES, HORIZONS, LABEL = ("embed", "resid.1", "resid.4", "final"), (0, 1), "' 7'"


def slide(tab: Any, number: int, value: int) -> None:
    version = tab.evaluate("document.body.dataset.version")
    slider = tab.locator("#controls input[type=range]").nth(number)
    if slider.input_value() == str(value):
        return
    slider.fill(str(value))
    tab.wait_for_function("(v) => document.body.dataset.version !== v", arg=version)


def test_what_is_read_back_from_the_page_is_what_was_stored(
    browser: Any, next_run: Run, next_config: NextTokenConfig
) -> None:
    rows, scores = load_rows(next_run, next_config), read_scores(next_run.path / SCORES)
    cells = {(c.site, c.horizon): c for c in read_results(next_run.path / CELLS)}
    context = browser.new_context(viewport={"width": 1000, "height": 900})
    tab = context.new_page()
    tab.goto((next_run.path / VIEW).as_uri())
    settled(tab)
    options = "[...document.querySelectorAll('#controls select')[0].options].map((o) => o.text)"
    titles = tab.evaluate(options)
    held_out = {
        p.trace_id
        for p, n in zip(rows.parts, range(len(rows.parts)), strict=True)
        if rows.side[np.searchsorted(rows.part, n)] == 1
    }
    assert set(titles) <= held_out
    # The page opens on the next token, painted where it stands.
    assert "horizon: h +1" in tab.inner_text("#controls")
    assert "+1 from the state" in tab.inner_text("#painted")
    names = list(rows.traces)
    rng = np.random.default_rng(0)
    compared = jumped = 0
    hits = {
        n: scores.labels[LABEL][rows.trace == names.index(t), 1].sum() for n, t in enumerate(titles)
    }
    for choice in sorted(hits, key=hits.__getitem__)[-3:]:
        title = titles[choice]
        tab.locator("#controls select").first.select_option(str(choice))
        settled(tab)
        at = np.flatnonzero(rows.trace == names.index(title))
        tokens = tab.locator("#text .token").count()
        offset = tokens - len(at)
        targets = np.flatnonzero(scores.labels[LABEL][at, 1]) + offset
        for place, site in enumerate(SITES):
            slide(tab, 0, place)
            for number, horizon in enumerate(HORIZONS):
                slide(tab, 1, number)
                cell = cells[site, horizon]
                column = next_config.targets.horizons.index(horizon)
                raw = scores.probes[LABEL, site][at, column]
                stored = cell.calibration.probability(raw)
                for row in rng.choice(len(at) - 1, 4, replace=False):
                    tab.locator("#text .token").nth(int(row) + offset + horizon).hover()
                    said = tab.inner_text("#details")
                    assert f"token {int(row) + offset + horizon} " in said and site in said
                    shown = float(tab.inner_text("#details b"))
                    assert shown == pytest.approx(stored[row], rel=1e-3, abs=1e-4)
                    compared += 1
        found = []
        tab.evaluate("document.activeElement.blur()")
        tab.locator("#text .token").first.hover()
        for _ in targets:
            tab.keyboard.press("n")
            found.append(int(tab.inner_text("#details").split("token ")[1].split()[0]))
        assert found == targets.tolist()
        jumped += len(found)
    assert compared == 3 * 8 * 4 and jumped > 0
    context.close()
