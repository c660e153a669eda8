"""How large a token view may be: 20,000 tokens, 32 sites, 7 horizons, in headless Chromium.

    python benchmarks/view.py [--chromium PATH] [--json]

Prints the size of the file, the time from opening it to coloured tokens, and the time from moving a
slider to the next frame with the new colours.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
from playwright.sync_api import sync_playwright

from augury.report.token_view import token_view
from augury.report.viewed import ViewedEvents, ViewedSeries, ViewedTrace

TOKENS, SITES, HORIZONS = 20_000, 32, 7

SLIDE = """async (value) => {
  const before = document.body.dataset.version;
  const slider = document.querySelector("#controls input[type=range]");
  const start = performance.now();
  slider.value = value;
  slider.dispatchEvent(new Event("input"));
  while (document.body.dataset.version === before) await new Promise((f) => setTimeout(f));
  await new Promise((f) => requestAnimationFrame(() => requestAnimationFrame(f)));
  return performance.now() - start;
}"""


def made() -> str:
    """Rare-event probabilities that wander along the text and resemble one another across sites."""
    rng = np.random.default_rng(0)
    base = np.cumsum(rng.normal(0, 0.3, TOKENS)) * 0.1
    noise = rng.normal(0, 1, (SITES * HORIZONS, TOKENS))
    scores = (1 / (1 + np.exp(4 - np.sin(base) - noise))).astype(np.float32)
    onset = rng.random(TOKENS) < 0.005
    words = ("the", "sum", "is", "thirteen", ",", "wait", "no", "so", "we", "add")
    pieces = tuple(
        f" {words[k]}" + ("\n" if i % 80 == 79 else "")
        for i, k in enumerate(rng.integers(0, len(words), TOKENS))
    )
    series = [
        ViewedSeries(f"resid.{site}", 4 * horizon, 0.2)
        for site in range(SITES)
        for horizon in range(HORIZONS)
    ]
    trace = ViewedTrace("one book", pieces, scores, {"": ViewedEvents(onset, onset)})
    return token_view([trace], series=series, title="As large as it gets").html


def main() -> None:
    """Make the page, open it, slide."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--chromium", default=shutil.which("chromium"), help="its executable")
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        path = Path(folder) / "view.html"
        started = time.perf_counter()
        path.write_text(made(), encoding="utf-8")
        writing = time.perf_counter() - started
        browser = playwright.chromium.launch(executable_path=arguments.chromium)
        opened = []
        for _ in range(3):
            tab = browser.new_page(viewport={"width": 1100, "height": 800})
            started = time.perf_counter()
            tab.goto(path.as_uri())
            tab.wait_for_function("document.body.dataset.version !== undefined")
            opened.append(time.perf_counter() - started)
            slides = [float(tab.evaluate(SLIDE, str(site))) for site in range(1, SITES)]
            tab.close()
        found = {
            "megabytes": round(path.stat().st_size / 1e6, 2),
            "seconds_to_write": round(writing, 2),
            "seconds_to_open": round(statistics.median(opened), 2),
            "ms_to_slide": round(statistics.median(slides), 1),
            "ms_to_slide_worst": round(max(slides), 1),
        }
        browser.close()
    for name, value in found.items():
        print(f"{name:20s}{value}")
    if arguments.json:
        print(json.dumps(found))


if __name__ == "__main__":
    main()
