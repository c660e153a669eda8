"""Reliability diagrams: what calibrated probabilities state, beside what happened."""

from __future__ import annotations

from collections.abc import Sequence

from augury.evaluate.records import CellResult
from augury.evaluate.reliability import ReliabilityBin
from augury.report.figure_data import Line, Lines, Panels
from augury.report.figures import panels
from augury.report.scales import Axis, open_scale

__all__ = ["reliability_figure"]


def reliability_figure(cells: Sequence[CellResult]) -> Panels | None:
    """One panel for each cell: stated and observed share of positives, by bins of equal mass.

    Bins stand in rising order of what was stated. Over an axis of probability itself those of a
    rare event would lie on top of each other at 0.

    Args:
        cells: Of one label and site, at different horizons; those without calibration are left
            out. None where none is left.
    """
    known = [cell for cell in cells if cell.reliability]
    if not known:
        return None
    most = max(len(cell.reliability) for cell in known)
    ticks = range(1, most + 1)
    axis = Axis("bin of rows, rising", tuple(map(float, ticks)), tuple(map(str, ticks)))
    return panels(
        f"Stated and observed shares on test: {known[0].label} at {known[0].site}",
        [_panel(cell, axis) for cell in known],
        caption="Rows in rising order of the probability that validation calibrated, in bins of "
        "equal mass. Heavy: the share that was positive. Dashed: the share that was stated. Where "
        "the two lie on each other, a stated probability can be taken at its word.",
    )


def _panel(cell: CellResult, axis: Axis) -> Lines:
    bins = cell.reliability
    stated, observed = [each.stated for each in bins], [each.observed for each in bins]
    return Lines(
        f"h = {cell.horizon:+d}".replace("-", "\u2212"),
        "",
        open_scale(f"share of positives, h={cell.horizon}", [*stated, *observed], low=0.0),
        axis,
        (
            Line("observed", _padded(observed, bins, axis), role="best"),
            Line("stated", _padded(stated, bins, axis), role="baseline"),
        ),
    )


def _padded(
    values: Sequence[float], bins: Sequence[ReliabilityBin], axis: Axis
) -> tuple[float | None, ...]:
    """Ties make fewer bins; the rest of the axis stays empty."""
    return (*values, *[None] * (len(axis.ticks) - len(bins)))
