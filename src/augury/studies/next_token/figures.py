"""Figures of the sweep: balanced accuracy by site beside bigram and model, and what is stated."""

from __future__ import annotations

from collections.abc import Sequence

from augury.evaluate.decisions import Decisions
from augury.evaluate.intervals import Interval
from augury.evaluate.records import CellResult
from augury.report.figure_data import Line, Lines
from augury.report.scales import open_scale, site_axis
from augury.studies.next_token.sites import BIGRAM, PROBE, SiteResult
from augury.studies.next_token.train import CEILING

__all__ = ["sweep_figures"]

_NAMES = {BIGRAM: "bigram", CEILING: "the model's own probability"}


def sweep_figures(results: Sequence[CellResult], sites: Sequence[SiteResult]) -> dict[str, Lines]:
    """Two figures per horizon, by file name without ending."""
    figures = {}
    for horizon in dict.fromkeys(site.horizon for site in sites):
        cells = [cell for cell in results if cell.horizon == horizon]
        here = [site for site in sites if site.horizon == horizon]
        figures[f"balanced_accuracy_h{horizon}"] = _balanced(here, _asked(cells[0]))
        figures[f"average_precision_h{horizon}"] = _precision(cells)
    return figures


def _asked(cell: CellResult) -> str:
    which = {0: "the current token", 1: "the next token"}
    place = which.get(cell.horizon, f"the token {cell.horizon:+d} from here")
    return f"is {place} {cell.label}?"


def _balanced(sites: Sequence[SiteResult], asked: str) -> Lines:
    def line(name: str, shown: str, role: str) -> Line:
        made = [site.decisions.get(name) for site in sites]
        values = tuple(None if one is None else one.balanced_accuracy.value for one in made)
        return Line(shown, values, _band([_held(one) for one in made]), role)  # type: ignore[arg-type]

    lines = [line(PROBE, "probe", "best")]
    known = {name for site in sites for name in site.decisions}
    lines += [line(name, shown, "baseline") for name, shown in _NAMES.items() if name in known]
    lines.append(Line("chance", (0.5,) * len(sites), role="floor"))
    return _lines(
        f"Balanced accuracy by site: {asked}",
        "On test books, at natural prevalence; each decider at the threshold that was best on "
        "validation. Bands are 95 % intervals.",
        "balanced accuracy",
        [site.site for site in sites],
        lines,
        0.5,
    )


def _held(made: Decisions | None) -> Interval | None:
    return None if made is None else made.interval


def _precision(cells: Sequence[CellResult]) -> Lines:
    names = [n for n in dict.fromkeys(n for c in cells for n in c.baselines) if n != "prevalence"]
    probe = Line(
        "probe",
        tuple(cell.average_precision.value for cell in cells),
        _band([cell.interval for cell in cells]),
        "best",
    )
    others = [
        Line(name, tuple(cell.baselines[name].ap.value for cell in cells), role="baseline")
        for name in names
    ]
    floor = Line("prevalence", tuple(cell.test.prevalence for cell in cells), role="floor")
    return _lines(
        f"Average precision by site: {_asked(cells[0])}",
        "On test books, at natural prevalence. Dashed: baselines that never see a hidden state. "
        "The band is a 95 % interval.",
        "average precision",
        [cell.site for cell in cells],
        [probe, *others, floor],
        0.0,
    )


def _band(held: Sequence[Interval | None]) -> tuple[tuple[float, float] | None, ...]:
    if not any(held):
        return ()
    return tuple(None if one is None else (one.low, one.high) for one in held)


def _lines(
    title: str, caption: str, quantity: str, sites: list[str], lines: list[Line], low: float
) -> Lines:
    values = [value for line in lines for value in line.values]
    ends = [end for line in lines for pair in line.band if pair is not None for end in pair]
    scale = open_scale(quantity, [*values, *ends], low=low)
    return Lines(title, caption, scale, site_axis(sites), tuple(lines))
