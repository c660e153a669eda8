"""What the judged grid says, in words that it supports: the verdict and the four key questions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from augury.evaluate.records import CellResult
from augury.evaluate.verdict import BEYOND_BASELINES, INSUFFICIENT, NOT_PREDICTIVE

__all__ = ["Conclusion", "answers", "conclude_label"]


@dataclass(frozen=True, slots=True)
class Conclusion:
    """The verdict on one label."""

    label: str
    lines: tuple[str, str, str]
    """Where, how many tokens ahead, beyond which baseline."""

    headline: str
    ahead: int | None
    """Longest horizon that is predictive beyond baselines; None where there is none."""


def conclude_label(results: Sequence[CellResult], label: str, *, own_text: bool) -> Conclusion:
    """Draw the conclusion from the cells that look ahead (or all, where none does)."""
    cells = [c for c in results if c.label == label and c.horizon > 0]
    looks_ahead = bool(cells)
    cells = cells or [c for c in results if c.label == label]
    beyond = [c for c in cells if c.verdict == BEYOND_BASELINES]
    if beyond:
        return _beyond(beyond, label, own_text=own_text)
    best = _best(cells)
    if all(c.verdict == INSUFFICIENT for c in cells):
        headline = f"{label}: insufficient data to say whether it can be predicted"
        return Conclusion(
            label, (f"where   nowhere judged: {best.why}", "ahead   -", "beyond  -"), headline, None
        )
    explained = [c for c in cells if c.verdict not in (NOT_PREDICTIVE, INSUFFICIENT)]
    if explained:
        best = _best(explained)
        does = "predict" if looks_ahead else "show"
        headline = (
            f"{label}: no evidence that hidden states {does} it beyond what the text gives away"
        )
        lines = (
            f"where   {best.site} (best on validation of those above chance): {_ap(best)}",
            f"ahead   {_tokens(best)}, but not beyond baselines at any horizon",
            f"beyond  nothing: {best.verdict} ({_lead(best, best.best_baseline)})",
        )
        return Conclusion(label, lines, headline, None)
    headline = f"{label}: not {'predictive ahead of time' if looks_ahead else 'readable'}"
    lines = (
        f"where   nowhere; the best on validation was {best.site}: {_ap(best)}",
        "ahead   no horizon above the rotated-label null, corrected for the whole grid",
        f"beyond  nothing ({best.why})",
    )
    return Conclusion(label, lines, headline, None)


def _beyond(beyond: list[CellResult], label: str, *, own_text: bool) -> Conclusion:
    far = max(c.horizon for c in beyond)
    there = [
        c
        for c in beyond
        if c.horizon == min(x.horizon for x in beyond if x.horizon > 0 or far <= 0)
    ]
    best, at_far = _best(there), _best([c for c in beyond if c.horizon == far])
    who = "the model's own states" if own_text else "states of a model that reads another's text"
    when = "ahead of time" if far > 0 else "at the event or behind it, not ahead of time,"
    headline = f"{label}: readable {when} from {who}, {BEYOND_BASELINES}"
    longest = f"{_tokens(at_far)}, the longest horizon with this verdict"
    reach = longest if far > 0 else f"no horizon looked ahead; the last one is {_tokens(at_far)}"
    lines = (
        f"where   {best.site} (best on validation {_tokens(best)}): {_ap(best)}",
        f"ahead   {reach} ({at_far.site}: {_ap(at_far)})",
        f"beyond  {best.best_baseline}, the best baseline that sees no states "
        f"({_lead(best, best.best_baseline)})",
    )
    return Conclusion(label, lines, headline, far if far > 0 else None)


def _best(cells: Sequence[CellResult]) -> CellResult:
    """The best on validation: what is quoted must not be chosen on test."""
    return max(cells, key=lambda c: c.validation.average_precision.value or 0.0)


def _tokens(cell: CellResult) -> str:
    """Where the event lies, seen from the state."""
    count = f"{abs(cell.horizon)} token{'' if abs(cell.horizon) == 1 else 's'}"
    if cell.kind == "within":
        return f"within {count}"
    if cell.horizon == 0:
        return "at the onset itself"
    return f"{count} {'ahead' if cell.horizon > 0 else 'behind'}"


def _ap(cell: CellResult) -> str:
    value = cell.average_precision
    if value.value is None:
        return f"average precision undefined ({value.reason})"
    held = f" [{cell.interval.low:.3f}, {cell.interval.high:.3f}]" if cell.interval else ""
    base = f", prevalence {cell.test.prevalence:.4f}" if cell.test.prevalence is not None else ""
    return f"average precision {value.value:.3f}{held}{base}, {cell.test.positive_groups} groups"


def _lead(cell: CellResult, name: str | None) -> str:
    if name is None or cell.baselines[name].difference is None:
        return "no baseline could be scored"
    base = cell.baselines[name]
    held = f" [{base.interval.low:+.3f}, {base.interval.high:+.3f}]" if base.interval else ""
    return f"{base.difference:+.3f}{held} in average precision"


def answers(results: Sequence[CellResult], label: str) -> list[tuple[str, str]]:
    """The first version's four key questions, each with the evidence."""
    cells = [c for c in results if c.label == label]
    return [
        ("Does performance degrade as the horizon grows?", _degrades(cells)),
        ("Which sites predict it best ahead of time?", _sites(cells)),
        ("How far ahead can it be predicted?", _far(cells)),
        ("Is there a sweet spot?", _sweet_spot(cells)),
    ]


def _best_at(cells: Sequence[CellResult], horizon: int) -> CellResult:
    """The cell at this horizon whose site did best on validation."""
    return _best([c for c in cells if c.horizon == horizon])


def _degrades(cells: Sequence[CellResult]) -> str:
    steps = [_best_at(cells, h) for h in sorted({c.horizon for c in cells if c.horizon >= 0})]
    told = "; ".join(
        f"h={c.horizon}: {c.average_precision} (best baseline {_baseline(c)})" for c in steps
    )
    fall = "A fall shows that less can be known earlier; "
    if any(c.kind == "within" for c in steps):
        fall = "A wider window holds more events, so these are not to be compared with each other; "
    return (
        f"Average precision of the best site on validation, by horizon: {told}. {fall}"
        "only a lead over the baselines shows more than the text gives."
    )


def _baseline(cell: CellResult) -> str:
    name = cell.best_baseline
    return "none" if name is None else f"{name} {cell.baselines[name].ap}"


def _sites(cells: Sequence[CellResult]) -> str:
    ahead = [c for c in cells if c.horizon > 0]
    if not ahead:
        return "No horizon looked ahead."
    means: dict[str, list[float]] = {}
    for cell in ahead:
        means.setdefault(cell.site, []).append(cell.validation.average_precision.value or 0.0)
    order = sorted(means, key=lambda site: -sum(means[site]) / len(means[site]))
    told = ", ".join(f"{site} {sum(means[site]) / len(means[site]):.3f}" for site in order)
    return (
        f"By mean average precision on validation over the horizons ahead: {told}. "
        "Neighbouring sites differ by less than their intervals unless the table says otherwise."
    )


def _far(cells: Sequence[CellResult]) -> str:
    beyond = sorted({c.horizon for c in cells if c.verdict == BEYOND_BASELINES and c.horizon > 0})
    above = sorted(
        {
            c.horizon
            for c in cells
            if c.horizon > 0 and c.verdict not in (NOT_PREDICTIVE, INSUFFICIENT)
        }
    )
    if beyond:
        return (
            f"Beyond every baseline at horizons {_listed(beyond)}; "
            f"above chance at {_listed(above)}."
        )
    if above:
        return f"Above chance at horizons {_listed(above)}, but at none beyond the baselines."
    return "At no horizon above chance."


def _sweet_spot(cells: Sequence[CellResult]) -> str:
    leads = [
        (c.difference_low_simultaneous, c)
        for c in cells
        if c.difference_low_simultaneous is not None and c.horizon > 0
    ]
    if not leads:
        return "No cell ahead of time could be compared with the baselines."
    low, cell = max(leads, key=lambda pair: pair[0])
    return (
        f"The surest lead over every baseline is {cell.site} at h={cell.horizon}: at least "
        f"{low:+.3f} in average precision, for all cells at once. This cell was found on test, "
        "so it is a description of the grid, not a result to quote by itself."
    )


def _listed(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers))
