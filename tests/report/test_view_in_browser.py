"""The token view in a browser: hostile texts stay texts, and every reader can read it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.report.corpus import CORPUS
from tests.report.tabs import Watched, settled

from augury.report.markup import visible
from augury.report.token_view import token_view
from augury.report.viewed import ViewedEvents, ViewedSeries, ViewedTrace

pytestmark = pytest.mark.browser


def hostile_page(folder: Path) -> Path:
    """Every text of the corpus as a token, an id, a note, a site, a target, and as the title."""
    count = len(CORPUS)
    rng = np.random.default_rng(0)
    series = [ViewedSeries(f"{text}#{number}", 1, 0.5, text) for number, text in enumerate(CORPUS)]
    onset = rng.random(count) < 0.2
    traces = [
        ViewedTrace(
            text,
            CORPUS,
            rng.random((count, count)).astype(np.float32),
            # Every second target has no event: then nothing of its name may be found anywhere.
            {name: ViewedEvents(onset, onset) for name in CORPUS[::2]},
            {(name, 1): onset.astype(np.int8) for name in CORPUS[1::2]},
            sentences=(0, count // 2),
            note=text,
        )
        for text in CORPUS
    ]
    made = token_view(traces, series=series, title=CORPUS[1], caption=CORPUS[4], quantity=CORPUS[0])
    return made.save(folder / "tokens.html")


def shown(text: str) -> str:
    """What stands on the page: the text, with the line breaks marked."""
    return visible(text, keep="\n\t").replace("\n", "\u21b5\n")


def test_nothing_of_the_corpus_runs_asks_or_hides(watched: Watched, tmp_path: Path) -> None:
    tab = watched.open(hostile_page(tmp_path))
    count = len(CORPUS)
    elements = tab.evaluate("document.getElementsByTagName('*').length")
    tokens = "[...document.querySelectorAll('#text .token')].map((t) => t.textContent)"
    for number in range(count):
        tab.locator("#controls select").nth(0).select_option(str(number))
        settled(tab)
        assert tab.evaluate(tokens) == [shown(text) for text in CORPUS]
        assert tab.text_content("#note") == visible(CORPUS[number])
    options = (
        "(n) => [...document.querySelectorAll('#controls select')[n].options].map((o) => o.text)"
    )
    squeezed = [" ".join(re.split(r"[ \t\n\f\r]+", visible(text))).strip(" ") for text in CORPUS]
    for place in (0, 1):
        assert tab.evaluate(options, place) == squeezed
    for number in range(count):
        before = tab.evaluate("document.body.dataset.version")
        tab.locator("#controls select").nth(1).select_option(index=number)
        tab.wait_for_function("(v) => document.body.dataset.version !== v", arg=before)
        assert "onset of " + visible(CORPUS[number]) in tab.text_content("#legend")
    settled(tab)
    assert tab.evaluate("document.querySelectorAll('#text .token').length") == count
    for number in range(count):
        tab.evaluate(
            "(n) => document.querySelectorAll('#text .token')[n].dispatchEvent("
            "new PointerEvent('pointerover', { bubbles: true }))",
            number,
        )
        said = tab.text_content("#details")
        assert visible(CORPUS[number], keep="\t").replace("\u240a", "\u21b5") in said
    for key in "nepE[].,s":
        tab.keyboard.press(key)
    assert tab.evaluate("window.owned") is None
    assert tab.evaluate("document.getElementsByTagName('*').length") < elements + 600
    inside = (
        "document.querySelectorAll('#text *:not(span), script:not([type]) ~ *, img, iframe, a')"
    )
    assert tab.evaluate(f"{inside}.length") == 0
    assert tab.title() == " ".join(CORPUS[1].split())


def test_a_page_that_did_run_something_would_be_seen(browser: Any, tmp_path: Path) -> None:
    """The corpus has teeth: put into a page as markup, it runs, asks and is noticed."""
    page = tmp_path / "careless.html"
    staying = [text for text in CORPUS if "refresh" not in text]
    body = "".join(text.encode("utf-8", "replace").decode() for text in staying)
    page.write_text(f"<!doctype html><body>{body}", encoding="utf-8")
    context = browser.new_context(offline=True)
    seen = Watched(context.new_page())
    seen.tab.goto(page.as_uri(), wait_until="commit")
    seen.tab.wait_for_timeout(300)
    assert seen.tab.evaluate("window.owned") == 1
    assert any("example.invalid" in complaint for complaint in seen.complaints)
    context.close()


def plain_page(folder: Path) -> Path:
    """Sixty-four words over the whole scale, half of them targets, some of them wrong."""
    values = np.linspace(0, 1, 64, dtype=np.float32)
    onset = np.arange(64) % 2 == 0
    trace = ViewedTrace(
        "a book",
        tuple(f" word{number}" for number in range(64)),
        values[None],
        {"": ViewedEvents(onset, onset)},
        {("", 1): onset.astype(np.int8)},
        sentences=(0, 30),
    )
    made = token_view(
        [trace], series=[ViewedSeries("resid.3", 1, 0.5)], title="t", painted="predicted"
    )
    return made.save(folder / "tokens.html")


CONTRASTS = """() => {
  const parse = (c) => [...c.match(/[\\d.]+/g).map(Number), 1].slice(0, 4);
  const over = (top, below) => [0, 1, 2].map((i) => top[i] * top[3] + below[i] * (1 - top[3]));
  const linear = (v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  const light = (c) => [0.2126, 0.7152, 0.0722].reduce((t, w, i) => t + w * linear(c[i] / 255), 0);
  const contrast = (a, b) => {
    const [x, y] = [light(a), light(b)].sort((p, q) => q - p);
    return (x + 0.05) / (y + 0.05);
  };
  const paper = parse(getComputedStyle(document.body).backgroundColor);
  const text = [...document.querySelectorAll('#text .token')].map((t) => {
    const s = getComputedStyle(t), ground = over(parse(s.backgroundColor), paper);
    return [contrast(parse(s.color), ground), light(ground)];
  });
  const small = [...document.querySelectorAll('.caption, #legend, #controls label')]
    .filter((e) => e.textContent)
    .map((e) => contrast(parse(getComputedStyle(e).color), paper));
  const [contrasts, ground] = [0, 1].map((i) => text.map((t) => t[i]));
  return { text: contrasts, ground, small, paper: light(paper) };
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_can_be_read_on_every_colour_in_light_and_in_the_dark(
    browser: Any, tmp_path: Path, scheme: str
) -> None:
    context = browser.new_context(color_scheme=scheme, viewport={"width": 1000, "height": 900})
    tab = context.new_page()
    tab.goto(plain_page(tmp_path).as_uri())
    settled(tab)
    found = tab.evaluate(CONTRASTS)
    assert (found["paper"] < 0.05) == (scheme == "dark")
    assert min(found["text"]) >= 4.5 and min(found["small"]) >= 4.5
    # Lightness alone tells high from low, so no colour vision is needed for the scale.
    steps = np.diff(found["ground"][1:])
    assert (steps >= -1e-9).all() if scheme == "dark" else (steps <= 1e-9).all()
    ends = sorted((found["ground"][1], found["ground"][-1]))
    assert (ends[1] + 0.05) / (ends[0] + 0.05) > 2.5
    context.close()


def test_what_a_token_is_shows_without_any_colour(browser: Any, tmp_path: Path) -> None:
    """Target, threshold and error are an outline, a bar and a wave: shapes, not hues."""
    context = browser.new_context(viewport={"width": 1000, "height": 900})
    tab = context.new_page()
    tab.goto(plain_page(tmp_path).as_uri())
    settled(tab)
    style = """(n) => { const s = getComputedStyle(document.querySelectorAll('#text .token')[n]);
      return [s.boxShadow, s.textDecorationStyle]; }"""
    # Painted one ahead: word 10 has the score of word 9, which was asked about word 10.
    shadows = {n: tab.evaluate(style, n) for n in (3, 4, 59, 60)}
    assert shadows[3][0] == "none" and "2px" in shadows[4][0]
    assert "inset" in shadows[59][0] and "inset" in shadows[60][0] and "inset" not in shadows[4][0]
    waves = [tab.evaluate(style, n)[1] == "wavy" for n in range(1, 64)]
    values = np.float32(np.linspace(0, 1, 64))[:-1]
    wrong = (values >= 0.5) != (np.arange(63) % 2 == 0)
    assert waves == wrong.tolist()
    context.close()


def test_a_phone_shows_it_all_in_readable_size(browser: Any, tmp_path: Path) -> None:
    context = browser.new_context(
        viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True
    )
    tab = context.new_page()
    tab.goto(plain_page(tmp_path).as_uri())
    settled(tab)
    assert tab.evaluate("document.documentElement.scrollWidth") <= 360
    sizes = """(s) => [...document.querySelectorAll(s)].filter((e) => e.offsetParent)
      .map((e) => parseFloat(getComputedStyle(e).fontSize))"""
    assert min(tab.evaluate(sizes, "#text .token")) >= 14
    assert min(tab.evaluate(sizes, "#controls *, #legend *, .caption, #details")) >= 12
    for control in tab.locator("#controls select, #controls input, #controls button").all():
        box = control.bounding_box()
        assert box and box["x"] >= 0 and box["x"] + box["width"] <= 360
    tab.locator("#text .token").nth(20).tap()
    assert "token 20" in tab.inner_text("#details")
    # The values stand over the end of the text, never on its last line.
    tab.evaluate("window.scrollTo(0, document.body.scrollHeight)")
    last = tab.locator("#text .token").last.bounding_box()
    assert last["y"] + last["height"] <= tab.locator("#details").bounding_box()["y"]
    context.close()


def test_everything_can_be_done_with_the_keyboard(browser: Any, tmp_path: Path) -> None:
    context = browser.new_context(viewport={"width": 1000, "height": 900})
    tab = context.new_page()
    tab.goto(plain_page(tmp_path).as_uri())
    settled(tab)
    reached = set()
    for _ in range(14):
        tab.keyboard.press("Tab")
        reached.add(tab.evaluate("document.activeElement.id || document.activeElement.tagName"))
    assert {"SELECT", "INPUT", "BUTTON", "text"} <= reached
    tab.focus("#text")
    tab.keyboard.press("ArrowDown")
    assert "token 19" in tab.inner_text("#details")
    assert "+1 from the state" in tab.inner_text("#painted")
    assert "read at token 18" in tab.inner_text("#details")
    context.close()
