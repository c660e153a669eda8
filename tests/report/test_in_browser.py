"""What only a real browser can show: pages draw, policies hold, hostile text stays inert."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from augury.evaluate.records import CellResult
from augury.report.blocks import FigureRef, Paragraph, Section, Table
from augury.report.figure_data import Line
from augury.report.figures import lines, save
from augury.report.grid_figures import grid_figures
from augury.report.page import page, write_page
from augury.report.token_view import ViewedSeries, ViewedTrace, token_view

pytestmark = pytest.mark.browser

ATTACK = (
    "</script><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"
)


class Watched:
    """A tab that records everything it should not do."""

    def __init__(self, tab: Any) -> None:
        self.tab = tab
        self.complaints: list[str] = []
        tab.on("console", lambda message: self.complaints.append(message.text))
        tab.on("pageerror", lambda error: self.complaints.append(str(error)))
        tab.on("dialog", lambda dialog: self.complaints.append("dialog"))
        tab.on("request", self._note)

    def _note(self, request: Any) -> None:
        if not request.url.startswith(("file:", "data:", "blob:")):
            self.complaints.append(f"request {request.url}")

    def open(self, path: Path) -> Any:
        self.tab.goto(path.as_uri())
        return self.tab


@pytest.fixture
def watched(browser: Any) -> Iterator[Watched]:
    context = browser.new_context(viewport={"width": 1000, "height": 700})
    seen = Watched(context.new_page())
    yield seen
    context.close()
    assert seen.complaints == []


def view(folder: Path) -> Path:
    pieces = ("So", ATTACK, " is", " 13", ".\n", "Wait", ",", " 12")
    scores = np.array([np.linspace(0, 0.7, 8), np.linspace(0.9, 0, 8)], dtype=np.float32)
    scores[:, 0] = np.nan
    onset = np.array([piece == "Wait" for piece in pieces])
    first = ViewedTrace("first", pieces, scores, onset, onset, "best")
    second = ViewedTrace(ATTACK, pieces[1:], scores[:, 1:], onset[1:], onset[1:], "worst")
    series = [ViewedSeries("resid.3", 8, 0.25), ViewedSeries("resid.4", -4)]
    path = folder / "tokens.html"
    path.write_text(token_view([first, second], series=series, title=ATTACK), encoding="utf-8")
    return path


def colour(tab: Any, token: int) -> str:
    script = f"getComputedStyle(document.querySelectorAll('#text .token')[{token}]).backgroundColor"
    return str(tab.evaluate(script))


def test_tokens_are_coloured_and_tell_their_exact_score(watched: Watched, tmp_path: Path) -> None:
    tab = watched.open(view(tmp_path))
    assert tab.locator("#text .token").count() == 8
    assert colour(tab, 0) == "rgba(0, 0, 0, 0)"
    assert colour(tab, 7) != colour(tab, 2)
    tab.hover("#text .token.onset")
    details = tab.inner_text("#details")
    assert "0.5000" in details and "h +8 (lag \u22128)" in details
    assert "at or above the threshold" in details and "onset" in details
    tab.locator("#text .token").first.click()
    assert "not scored" in tab.inner_text("#details")


def test_choosing_another_series_changes_the_colours(watched: Watched, tmp_path: Path) -> None:
    tab = watched.open(view(tmp_path))
    before = colour(tab, 7)
    assert tab.locator("#strip .limit").count() == 1
    tab.locator("#controls input[type=range]").first.fill("1")
    assert colour(tab, 7) != before
    legend = tab.inner_text("#controls")
    assert "resid.4" in legend and "h \u22124 (lag +4)" in legend
    assert tab.locator("#strip .limit").count() == 0


def test_choosing_another_trace_shows_its_text(watched: Watched, tmp_path: Path) -> None:
    tab = watched.open(view(tmp_path))
    tab.locator("#controls select").select_option("1")
    assert tab.locator("#text .token").count() == 7 and tab.inner_text("#note") == "worst"


def test_arrow_keys_move_along_the_text(watched: Watched, tmp_path: Path) -> None:
    tab = watched.open(view(tmp_path))
    tab.focus("#text")
    for _ in range(3):
        tab.keyboard.press("ArrowRight")
    assert "token 2" in tab.inner_text("#details")


def test_hostile_text_is_shown_and_does_nothing(watched: Watched, tmp_path: Path) -> None:
    tab = watched.open(view(tmp_path))
    assert tab.title() == ATTACK and tab.inner_text("h1") == ATTACK
    assert tab.locator("#text .token").nth(1).text_content() == ATTACK
    assert tab.locator("img").count() == 0


def test_a_phone_does_not_scroll_sideways(browser: Any, tmp_path: Path) -> None:
    context = browser.new_context(viewport={"width": 360, "height": 700})
    tab = context.new_page()
    tab.goto(view(tmp_path).as_uri())
    assert tab.evaluate("document.documentElement.scrollWidth") <= 360
    context.close()


def test_four_thousand_tokens_and_thirty_sites_make_a_small_page(
    watched: Watched, tmp_path: Path
) -> None:
    count, sites = 4000, 30
    pieces = tuple(f" t{i}" for i in range(count))
    scores = np.random.default_rng(0).random((sites, count), dtype=np.float32)
    off = np.zeros(count, dtype=bool)
    series = [ViewedSeries(f"resid.{i}", 8) for i in range(sites)]
    path = tmp_path / "long.html"
    path.write_text(
        token_view([ViewedTrace("t", pieces, scores, off, off)], series=series, title="t")
    )
    tab = watched.open(path)
    assert path.stat().st_size < 1_500_000 and tab.locator("#text .token").count() == count


def test_every_figure_draws_under_its_policy(
    watched: Watched, tmp_path: Path, results: list[CellResult]
) -> None:
    figures = grid_figures(results)
    for name in ("heatmap_f1", "lineplot_auroc", "comparison_metrics", "class_balance"):
        tab = watched.open(save(figures[name], tmp_path, name).html)
        tab.wait_for_selector("#figure .main-svg")
        assert tab.locator(".modebar-btn[data-title*=hare]").count() == 0
        assert tab.locator(".modebar-btn[data-title*=loud]").count() == 0


def test_hostile_names_in_a_figure_do_nothing(watched: Watched, tmp_path: Path) -> None:
    figure = lines([Line(ATTACK, (0.1, 0.2))], horizons=[0, 4], title=ATTACK, scale=ATTACK)
    tab = watched.open(save(figure, tmp_path, "x").html)
    tab.wait_for_selector("#figure .main-svg")
    assert tab.title() == ATTACK and tab.locator("img, #figure a[href]").count() == 0


def test_a_report_opens_from_disk_with_its_pictures(
    watched: Watched, tmp_path: Path, results: list[CellResult]
) -> None:
    save(grid_figures(results)["heatmap_f1"], tmp_path / "figures", "heatmap_f1")
    table = Table(("site", "f1"), tuple((cell.site, cell.f1.value) for cell in results))
    blocks = [Paragraph(ATTACK), FigureRef("heatmap_f1", "F1"), table]
    write_page(page(ATTACK, [Section("s", blocks)], folder=tmp_path), tmp_path)
    tab = watched.open(tmp_path / "report.html")
    assert tab.evaluate("document.images[0].naturalWidth") > 500
    assert (
        tab.title() == ATTACK and tab.evaluate("getComputedStyle(document.body).maxWidth") != "none"
    )
