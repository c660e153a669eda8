from __future__ import annotations

import csv
import io
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from augury.errors import DataError, UsageError
from augury.report.draw_html import CONFIG, plotly_page
from augury.report.draw_png import png_bytes
from augury.report.figure_data import Bar, Cell, Heatmap, Line
from augury.report.figures import bars, heatmap, lines, panels, save
from augury.report.palette import OUTLINE, UNDEFINED
from augury.report.scales import SIGN_CONVENTION, horizon_axis, site_axis, unit_scale


def one_cell(cell: Cell, title: str = "t") -> Heatmap:
    x, y = horizon_axis([0]), site_axis(["embed"])
    return Heatmap(title, "c", unit_scale("f1"), x, y, ((cell,),), outline="framed")


def pixels(png: bytes, colour: str) -> int:
    image = np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)
    wanted = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    return int((np.abs(image - wanted).max(axis=2) <= 2).sum())


def test_a_saved_figure_is_a_page_a_picture_and_its_data(tmp_path: Path) -> None:
    figure = heatmap([[0.1, None]], sites=["embed"], horizons=[0, 4], title="t", scale="F1")
    saved = save(figure, tmp_path, "heatmap_f1")
    assert Image.open(io.BytesIO(saved.png.read_bytes())).info["dpi"] == pytest.approx(
        (200, 200), abs=0.1
    )
    rows = list(csv.reader(saved.data.read_text().splitlines()))
    assert [row[:3] for row in rows[1:]] == [["embed", "0", "0.1"], ["embed", "4", ""]]
    assert '<script src="plotly.min.js">' in saved.html.read_text()
    assert (tmp_path / "plotly.min.js").stat().st_size > 1_000_000
    assert len(list(tmp_path.iterdir())) == 4


def test_the_library_is_written_once_and_mended_if_cut(tmp_path: Path) -> None:
    figure = one_cell(Cell(0.5))
    save(figure, tmp_path, "a")
    script = tmp_path / "plotly.min.js"
    first = script.stat().st_mtime_ns
    save(figure, tmp_path, "b")
    assert script.stat().st_mtime_ns == first
    whole = script.stat().st_size
    script.write_bytes(b"cut")
    save(figure, tmp_path, "b")
    assert script.stat().st_size == whole


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".x", "a b", "x" * 65])
def test_a_name_is_never_a_path(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="figure name"):
        save(one_cell(Cell(0.5)), tmp_path, name)
    assert not list(tmp_path.iterdir())


def test_nothing_can_be_uploaded_and_nothing_is_fetched() -> None:
    page = plotly_page(one_cell(Cell(0.5)))
    assert CONFIG["showSendToCloud"] is False and '"showSendToCloud":false' in page
    assert not re.search(r"""(src|href)=["'](https?:)?//""", page)
    assert "default-src" in page and "connect-src" not in page


def test_an_undefined_cell_is_grey_and_never_a_number() -> None:
    defined, undefined = png_bytes(one_cell(Cell(0.0))), png_bytes(one_cell(Cell(None)))
    assert pixels(undefined, UNDEFINED) > 1000 and pixels(defined, UNDEFINED) < 1000
    page = plotly_page(one_cell(Cell(None, "no positive row")))
    assert '"annotations":[{' not in page and "no positive row" in page and UNDEFINED in page


def test_a_frame_is_drawn_where_it_is_meant() -> None:
    framed, plain = Cell(0.5, outlined=True), Cell(0.5)
    assert (
        pixels(png_bytes(one_cell(framed)), OUTLINE)
        > pixels(png_bytes(one_cell(plain)), OUTLINE) + 500
    )
    assert OUTLINE in plotly_page(one_cell(framed)) and OUTLINE not in plotly_page(one_cell(plain))


def test_the_same_data_gives_the_same_picture() -> None:
    figure = lines([Line("a", (0.1, 0.4))], horizons=[0, 4], title="t", scale="F1")
    assert png_bytes(figure) == png_bytes(figure)


def test_every_kind_states_the_sign_convention() -> None:
    line = lines([Line("a", (0.1, 0.4))], horizons=[0, 4], title="t", scale="F1", caption="Seen.")
    share = bars({"test": [Bar(0.1, "1 / 10")]}, horizons=[4], title="t", scale="share")
    map_ = heatmap([[0.1]], sites=["embed"], horizons=[4], title="t", scale="F1")
    for figure in (line, share, map_, panels("t", [line, line])):
        assert figure.caption.endswith(SIGN_CONVENTION)
    assert line.caption.startswith("Seen. ")


def test_scales_follow_the_values_and_their_intervals() -> None:
    line = Line("a", (0.01, 0.02), ((0.0, 0.31), None))
    assert lines([line], horizons=[0, 4], title="t", scale="AP").scale.high >= 0.31


def test_wrong_shapes_are_named() -> None:
    with pytest.raises(DataError, match="expected 1 rows of 2"):
        heatmap([[0.1]], sites=["embed"], horizons=[0, 4], title="t", scale="F1")


def test_hostile_names_stay_text_in_every_kind(hostile: str) -> None:
    title = hostile
    for figure in (
        heatmap([[0.1]], sites=[hostile], horizons=[4], title=title, scale="F1"),
        lines([Line(hostile, (0.1,))], horizons=[4], title=title, scale="F1"),
        bars({hostile: [Bar(0.1, hostile)]}, horizons=[4], title=title, scale="share"),
    ):
        page = plotly_page(figure)
        assert page.count("<script") == page.count("</script") == 3
        assert "<img" not in page and "<svg" not in page and "<!--" not in page


def test_hostile_names_do_not_stop_the_picture() -> None:
    name = "$\\frac{1}{$ \x00 _a_ \u202e <b> \ud800"
    figure = lines([Line(name, (0.1, 0.2))], horizons=[0, 4], title=name, scale=name, caption=name)
    assert png_bytes(figure).startswith(b"\x89PNG")
