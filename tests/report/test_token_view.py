from __future__ import annotations

import base64
import html
import json
import math
import re
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from augury.errors import DataError
from augury.report.markup import visible
from augury.report.token_view import TokenView, token_view
from augury.report.viewed import LEVELS, ViewedEvents, ViewedSeries, ViewedTrace

PIECES = ("So", " 7", " + 5", " is", " 13", ".\n\n", "Wait", ",", " 12", ".")


def trace(pieces: tuple[str, ...] = PIECES, rows: int = 2, title: str = "t") -> ViewedTrace:
    count = len(pieces)
    rng = np.random.default_rng(3)
    scores = rng.random((rows, count)).astype(np.float32)
    scores[:, 0] = np.nan
    onset = np.zeros(count, dtype=bool)
    onset[count // 2] = True
    inside = np.zeros(count, dtype=bool)
    inside[count // 2 :] = True
    return ViewedTrace(title, pieces, scores, {"": ViewedEvents(onset, inside)})


SERIES = (ViewedSeries("resid.3", 8, 0.25), ViewedSeries("resid.4", -4))


def unpacked(text: str) -> np.ndarray:
    return np.frombuffer(zlib.decompress(base64.b64decode(text)), np.uint8)


def scores_of(view: TokenView, number: int = 0) -> np.ndarray:
    """Scores as the page reads them, float64 [series, token]."""
    data = payload(view)
    rows = []
    for packed, series in zip(data["traces"][number]["scores"], data["series"], strict=True):
        high, low = unpacked(packed).reshape(2, -1).astype(int)
        steps, (least, most) = 256 * high + low, series["limits"]
        rows.append(np.where(steps == 65535, np.nan, least + steps / LEVELS * (most - least)))
    return np.array(rows)


def payload(view: TokenView) -> dict[str, Any]:
    source = view.html
    found = re.findall(r'<script type="application/json" id="data">(.*?)</script>', source, re.S)
    assert len(found) == 1
    data: dict[str, Any] = json.loads(found[0])
    return data


def test_the_page_carries_scores_to_half_a_step_gaps_and_flags() -> None:
    made = trace()
    view = token_view([made], series=SERIES, title="t")
    found = scores_of(view)
    np.testing.assert_array_equal(np.isnan(found), np.isnan(made.scores))
    for row, wanted, series in zip(found, made.scores, payload(view)["series"], strict=True):
        step = (series["limits"][1] - series["limits"][0]) / LEVELS
        assert np.nanmax(np.abs(row - wanted)) <= 0.5001 * step
    packed = payload(view)["traces"][0]
    flags = unpacked(packed["events"][""])
    np.testing.assert_array_equal(flags & 1, made.events[""].onset)
    np.testing.assert_array_equal(flags >> 1, made.events[""].inside)
    assert "".join(packed["pieces"]) == "".join(PIECES)


def test_what_was_asked_goes_with_its_target_and_horizon() -> None:
    asked = {("", 8): np.array([-1, 0, 1, 0, 0, 0, 0, 0, 0, 1], dtype=np.int8)}
    made = trace()
    with_truth = ViewedTrace("t", PIECES, made.scores, made.events, asked, sentences=(0, 6))
    packed = payload(token_view([with_truth], series=SERIES, title="t"))["traces"][0]
    assert unpacked(packed["truth"][0]).view(np.int8).tolist() == asked["", 8].tolist()
    assert packed["truth"][1] is None and packed["sentences"] == [0, 6]


def test_a_notebook_gets_a_frame_that_may_run_its_script_and_nothing_else() -> None:
    view = token_view([trace()], series=SERIES, title="</iframe><script>")
    frame = view._repr_html_()
    assert frame.startswith('<iframe sandbox="allow-scripts" ') and frame.count("<") == 2
    assert html.unescape(re.findall(r'srcdoc="([^"]*)"', frame)[0]) == view.html


def test_thresholds_sites_and_horizons_reach_the_reader() -> None:
    series = payload(token_view([trace()], series=SERIES, title="t"))["series"]
    assert [(s["site"], s["horizon"], s["threshold"]) for s in series] == [
        ("resid.3", 8, 0.25),
        ("resid.4", -4, None),
    ]


def test_colours_of_a_series_do_not_depend_on_one_trace() -> None:
    low, high = trace(rows=1), trace(rows=1)
    low.scores[:] = 0.1
    high.scores[:] = 0.7
    data = payload(token_view([low, high], series=SERIES[:1], title="t"))
    assert data["series"][0]["limits"] == [0.0, pytest.approx(0.7)]


def test_limits_hold_the_threshold_and_all_scores_even_without_any() -> None:
    empty = trace(rows=1)
    empty.scores[:] = np.nan
    assert payload(token_view([empty], series=[ViewedSeries("a")], title="t"))["series"][0][
        "limits"
    ] == [0, 1]
    far = ViewedSeries("a", 0, 4.0)
    assert (
        payload(token_view([trace(rows=1)], series=[far], title="t"))["series"][0]["limits"][1]
        == 4.0
    )


@settings(max_examples=40, deadline=None)
@given(st.lists(st.text(st.characters(codec=None), min_size=1, max_size=8), min_size=1, max_size=6))
def test_any_text_stays_data(pieces: list[str]) -> None:
    view = token_view([trace(tuple(pieces))], series=SERIES, title=pieces[0])
    source = view.html
    assert source.count("<script") == source.count("</script") == 2
    shown = payload(view)["traces"][0]["pieces"]
    assert shown == [visible(piece, keep="\n\t") for piece in pieces]


def test_hostile_titles_and_labels_stay_text(hostile: str) -> None:
    made = ViewedSeries(hostile, 8)
    view = token_view(
        [trace(rows=1, title=hostile)],
        series=[made],
        title=hostile,
        caption=hostile,
        quantity=hostile,
    )
    source = view.html
    assert source.count("<script") == 2 and "<img" not in source and "<svg" not in source
    assert payload(view)["series"][0]["site"] == visible(hostile)


def test_the_page_fetches_nothing() -> None:
    source = token_view([trace()], series=SERIES, title="t").html
    assert (
        not re.search(r"\b(src|href)=", source) and "url(" not in source and "@import" not in source
    )
    assert "default-src &#x27;none&#x27;" in source and "unsafe" not in source


def test_shapes_that_disagree_are_refused() -> None:
    made = trace()
    with pytest.raises(DataError, match="expected 9 tokens in each"):
        ViewedTrace("t", PIECES[1:], made.scores, made.events)
    with pytest.raises(DataError, match="events or truth of shape"):
        ViewedTrace("t", PIECES, made.scores, truth={("", 8): np.zeros(3, dtype=np.int8)})
    for starts in ((3, 3), (-1,), (0, 10)):
        with pytest.raises(DataError, match="ascending"):
            ViewedTrace("t", PIECES, made.scores, sentences=starts)
    for traces, series in (
        ([], SERIES),
        ([made], ()),
        ([made], SERIES[:1]),
        ([made], (SERIES[0],) * 2),
    ):
        with pytest.raises(DataError, match="token view"):
            token_view(traces, series=series, title="t")
    assert payload(token_view([made], series=SERIES, title="t", first=1))["first"] == 1
    with pytest.raises(DataError, match="series 2"):
        token_view([made], series=SERIES, title="t", first=2)


def test_infinite_scores_and_thresholds_are_refused() -> None:
    made = trace()
    scores = made.scores.copy()
    scores[0, 1] = math.inf
    with pytest.raises(DataError, match="infinite scores"):
        ViewedTrace("t", PIECES, scores, made.events)
    with pytest.raises(DataError, match="threshold"):
        token_view([trace(rows=1)], series=[ViewedSeries("a", 0, math.nan)], title="t")
