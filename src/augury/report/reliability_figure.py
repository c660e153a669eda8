"""Reliability diagrams: what probabilities state, beside what happened."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from augury.evaluate.records import CellResult
from augury.evaluate.reliability import ReliabilityBin
from augury.report.figure_data import Line, Lines, Panels
from augury.report.scales import SIGN_CONVENTION, Axis, Scale, open_scale

__all__ = ["reliability_figure", "reliability_panels"]

_MEANING = (
    "Rows in rising order of the probability that {who}, in bins of equal mass. Heavy: the share "
    "that was {what}. Dashed: the share that was stated. Where the two lie on each other, a stated "
    "probability can be taken at its word."
)


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
    named = {f"h = {cell.horizon:+d}".replace("-", "\u2212"): cell.reliability for cell in known}
    meaning = _MEANING.format(who="validation calibrated", what="positive")
    return reliability_panels(
        f"Stated and observed shares on test: {known[0].label} at {known[0].site}",
        named,
        caption=f"{meaning} {SIGN_CONVENTION}",
    )


def reliability_panels(
    title: str,
    named: Mapping[str, Sequence[ReliabilityBin]],
    *,
    caption: str = _MEANING.format(who="was stated", what="right"),
    shares: Scale | None = None,
) -> Panels:
    """One panel per name: stated and observed shares of its bins, on one axis of bins.

    Args:
        title: First line.
        named: Bins of each panel, lowest first.
        caption: Under the figure.
        shares: One scale for all panels; without it each follows its own shares.

    Raises:
        DataError: No name.
    """
    most = max((len(bins) for bins in named.values()), default=0)
    ticks = range(1, most + 1)
    axis = Axis("bin of rows, rising", tuple(map(float, ticks)), tuple(map(str, ticks)))
    return Panels(
        title, caption, tuple(_panel(name, bins, axis, shares) for name, bins in named.items())
    )


def _panel(name: str, bins: Sequence[ReliabilityBin], axis: Axis, shares: Scale | None) -> Lines:
    stated, observed = [each.stated for each in bins], [each.observed for each in bins]
    if shares is None:
        label = f"share of positives, {name.replace(' ', '')}"
        scale = open_scale(label, [*stated, *observed], low=0.0)
    else:
        scale = replace(shares, name=f"{shares.name}, {name}")
    return Lines(
        name,
        "",
        scale,
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
