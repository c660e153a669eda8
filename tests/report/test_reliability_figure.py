"""A reliability diagram shows the bins that it is given, and nothing where there is none."""

from __future__ import annotations

from dataclasses import replace

from tests.judged import cell

from augury.evaluate.reliability import ReliabilityBin
from augury.report.draw_html import plotly_page
from augury.report.reliability_figure import reliability_figure

BINS = (ReliabilityBin(0.01, 0.02, 40), ReliabilityBin(0.1, 0.08, 40), ReliabilityBin(0.5, 0.6, 41))


def test_stated_and_observed_shares_stand_beside_each_other_bin_by_bin() -> None:
    near, far = cell("resid.1", 4, 0.3), cell("resid.1", 8, 0.2)
    figure = reliability_figure(
        [replace(near, reliability=BINS), replace(far, reliability=BINS[:2])]
    )
    assert figure is not None
    first, second = figure.panels
    assert {line.name: line.values for line in first.lines} == {
        "observed": (0.02, 0.08, 0.6),
        "stated": (0.01, 0.1, 0.5),
    }
    assert second.lines[0].values == (0.02, 0.08, None)
    assert second.scale.high < first.scale.high


def test_without_calibration_there_is_no_figure() -> None:
    assert reliability_figure([cell("resid.1", 4, 0.3)]) is None


def test_as_many_horizons_as_a_study_has_can_be_drawn() -> None:
    for count in range(1, 13):
        cells = [replace(cell("resid.1", h, 0.3), reliability=BINS) for h in range(1, count + 1)]
        figure = reliability_figure(cells)
        assert figure is not None and len(figure.panels) == count
        assert "observed" in plotly_page(figure)
