"""What only a real browser can show: pages draw, policies hold, hostile text stays inert."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.report.tabs import Watched, settled

from augury.evaluate.records import CellResult
from augury.report.blocks import FigureRef, Paragraph, Section, Table
from augury.report.figure_data import Line
from augury.report.figures import lines, save
from augury.report.grid_figures import grid_figures
from augury.report.page import page, write_page
from augury.report.token_view import token_view
from augury.report.viewed import ViewedEvents, ViewedSeries, ViewedTrace

pytestmark = pytest.mark.browser

ATTACK = (
    "</script><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"
)


PIECES = ("So", ATTACK, " is", " 13", ".\n", "Wait", ",", " 12")
SCORES = np.array([np.linspace(0, 0.7, 8), np.linspace(0.9, 0, 8)], dtype=np.float32)
SCORES[:, 0] = np.nan
ONSET = np.array([piece == "Wait" for piece in PIECES])
ASKED = {("", 8): np.array([-1, 0, 0, 0, 1, 1, 1, 0], dtype=np.int8)}


def view(folder: Path) -> Path:
    events = {"": ViewedEvents(ONSET, ONSET)}
    first = ViewedTrace("first", PIECES, SCORES, events, ASKED, sentences=(0, 5), note="best")
    later = {"": ViewedEvents(ONSET[1:], ONSET[1:])}
    second = ViewedTrace(ATTACK, PIECES[1:], SCORES[:, 1:], later, note="worst")
    series = [ViewedSeries("resid.3", 8, 0.25), ViewedSeries("resid.4", -4)]
    made = token_view([first, second], series=series, title=ATTACK)
    return made.save(folder / "tokens.html")


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
    settled(tab)
    assert colour(tab, 7) != before
    legend = tab.inner_text("#controls")
    assert "resid.4" in legend and "h \u22124 (lag +4)" in legend
    assert tab.locator("#strip .limit").count() == 0


def test_choosing_another_trace_shows_its_text(watched: Watched, tmp_path: Path) -> None:
    tab = watched.open(view(tmp_path))
    tab.locator("#controls select").first.select_option("1")
    settled(tab)
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


def test_every_shown_value_is_the_stored_one_wherever_it_is_painted(
    watched: Watched, tmp_path: Path
) -> None:
    tab = watched.open(view(tmp_path))
    for token in (1, 4, 7):
        tab.locator("#text .token").nth(token).click()
        assert tab.inner_text("#details b") == f"{SCORES[0, token]:#.4g}"
    # The second series looks 4 tokens back: painted at what it speaks about, 4 tokens before.
    tab.locator("#controls input[type=range]").first.fill("1")
    tab.locator("#controls select").nth(1).select_option("predicted")
    settled(tab)
    tab.locator("#text .token").nth(2).click()
    details = tab.inner_text("#details")
    assert f"{SCORES[1, 6]:#.4g}" in details and "read at token 6" in details
    tab.locator("#text .token").nth(5).click()
    assert "not scored" in tab.inner_text("#details")
    assert "\u22124 from the state" in tab.inner_text("#painted")


def test_keys_jump_to_events_and_errors_and_change_the_series(
    watched: Watched, tmp_path: Path
) -> None:
    tab = watched.open(view(tmp_path))
    tab.focus("#text")
    tab.keyboard.press("n")
    assert "token 5" in tab.inner_text("#details") and "onset" in tab.inner_text("#details")
    tab.keyboard.press("n")
    assert "No further event" in tab.inner_text("#details")
    # Scores reach 0.25 from token 3 on; asked and true at 4, 5 and 6 only.
    found = []
    tab.locator("#text .token").first.click()
    for _ in range(3):
        tab.keyboard.press("e")
        found.append(tab.inner_text("#details"))
    assert "token 3" in found[0] and "false alarm" in found[0]
    assert "token 7" in found[1] and "No further error" in found[2]
    tab.keyboard.press("]")
    settled(tab)
    assert "resid.4" in tab.inner_text("#controls")


def test_sentence_mode_gives_every_sentence_its_largest_score(
    watched: Watched, tmp_path: Path
) -> None:
    tab = watched.open(view(tmp_path))
    tab.keyboard.press("s")
    settled(tab)
    values = []
    for token in (0, 4, 5, 7):
        tab.locator("#text .token").nth(token).click()
        values.append(float(tab.inner_text("#details b")))
    assert values == pytest.approx([SCORES[0, 4]] * 2 + [SCORES[0, 7]] * 2, rel=1e-3)


def test_a_notebook_frame_shows_the_view_and_cannot_touch_the_notebook(
    watched: Watched, tmp_path: Path
) -> None:
    made = token_view(
        [ViewedTrace("t", PIECES, SCORES[:1])], series=[ViewedSeries("resid.3")], title=ATTACK
    )
    notebook = tmp_path / "notebook.html"
    notebook.write_text(f"<!doctype html><title>mine</title>{made._repr_html_()}")
    tab = watched.open(notebook)
    frame = tab.frame_locator("iframe")
    frame.locator("#text .token.none").first.wait_for()
    assert frame.locator("#text .token").count() == 8 and tab.title() == "mine"


def test_twenty_thousand_tokens_at_all_sites_and_horizons_slide(
    watched: Watched, tmp_path: Path
) -> None:
    """Coloured when they come into sight: the last token too, in the series chosen meanwhile."""
    count, sites, horizons = 20_000, 8, 3
    rng = np.random.default_rng(0)
    pieces = tuple(f" t{i}" + ("\n" if i % 97 == 0 else "") for i in range(count))
    scores = rng.random((sites * horizons, count), dtype=np.float32) ** 8
    series = [ViewedSeries(f"resid.{i}", 4 * h) for i in range(sites) for h in range(horizons)]
    path = tmp_path / "tokens.html"
    token_view([ViewedTrace("t", pieces, scores)], series=series, title="t").save(path)
    tab = watched.open(path)
    assert tab.locator("#text .token").count() == count
    assert colour(tab, 0) != "rgba(0, 0, 0, 0)" and colour(tab, count - 1) == "rgba(0, 0, 0, 0)"
    tab.locator("#controls input[type=range]").first.fill("5")
    settled(tab)
    tab.evaluate("window.scrollTo(0, document.body.scrollHeight)")
    tab.wait_for_timeout(200)
    last = tab.locator("#text .token").last
    last.click()
    assert float(tab.inner_text("#details b")) == pytest.approx(scores[5 * horizons, -1], abs=2e-5)
    assert colour(tab, count - 1) != "rgba(0, 0, 0, 0)"


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
