"""Report sections on what a score is worth: against a control task, and as a probability."""

from __future__ import annotations

from collections.abc import Sequence

from augury.evaluate.intervals import Interval
from augury.evaluate.records import CellResult
from augury.report.blocks import Block, FigureRef, Paragraph, Section, Table
from augury.report.grid_figures import best_site

__all__ = ["RELIABILITY", "reliability_section", "selectivity_section"]

RELIABILITY = "reliability"
"""Name of the figure."""


def selectivity_section(cells: Sequence[CellResult], *, crossed: bool) -> Section:
    """The best site on validation at each horizon, against probes for random labels of tokens."""
    label = cells[0].label
    title = f"Against a control task: {label}"
    chosen = [cell for cell in _best_by_horizon(cells) if cell.selectivity is not None]
    if not chosen:
        return Section(title, [Paragraph("No control task could be fitted: too few token types.")])
    rows = tuple(
        (cell.horizon, cell.site, found.real.value, found.control.value, found.difference.value)
        + ((None,) if found.interval is None else (_range(found.interval),))
        for cell in chosen
        if (found := cell.selectivity) is not None
    )
    where = "the test groups of the first fold" if crossed else "the test groups"
    low = [r for cell in chosen if (r := cell.selectivity) and r.interval and r.interval.high < 0]
    reading = (
        f"At {len(low)} of {len(chosen)} horizons the interval lies below 0: there, a probe of "
        "this kind learns random labels of tokens better than the event, so its AUROC alone does "
        "not show more than a memory for tokens. What such a memory is worth for the event itself "
        "is what the baselines of the last tokens measure, and they are part of the verdict."
        if low
        else "Nowhere is the interval below 0: the probe is better at its task than at random "
        "labels of tokens."
    )
    return Section(
        title,
        [
            Paragraph(
                "Every token type gets a random label (one in ten is positive, or more where "
                "events are more frequent), and a probe of the same kind and strength is fitted "
                "to it (Hewitt and Liang 2019). "
                "Selectivity is the AUROC of the event less that of this task. It describes the "
                "probe and takes no part in the verdict."
            ),
            Table(
                ("horizon", "site", "AUROC", "on the control task", "selectivity", "95 %"),
                rows,
                caption=f"The best site on validation at each horizon, on {where}. All cells: the "
                "columns selectivity and control_task_auroc of the table of results.",
            ),
            Paragraph(reading),
        ],
    )


def reliability_section(cells: Sequence[CellResult], folder: str) -> Section:
    """What stated probabilities are worth at the best site, and how to use them elsewhere."""
    label, site = cells[0].label, best_site(cells)
    shown = [cell for cell in cells if cell.site == site and cell.reliability]
    title = f"Stated and observed: {label}"
    if not shown:
        return Section(title, [Paragraph("Validation could not calibrate a probe.")])
    rows = tuple(
        (
            cell.horizon,
            cell.test.prevalence,
            cell.reliability[-1].stated,
            cell.reliability[-1].observed,
            cell.brier.value,
            cell.calibration_error.value,
        )
        for cell in shown
    )
    blocks: list[Block] = [
        FigureRef(RELIABILITY, f"Stated and observed shares at {site}, by horizon", folder),
        Table(
            ("horizon", "prevalence", "highest bin states", "and holds", "Brier", "calib. error"),
            rows,
            caption=f"{site}, on test, calibrated on validation.",
        ),
        Paragraph(
            "Probabilities hold where events are as frequent as here. Where they are not, "
            "card.calibration.probability(scores, used=SHARE) of a saved probe multiplies the odds "
            "accordingly."
        ),
    ]
    return Section(title, blocks)


def _best_by_horizon(cells: Sequence[CellResult]) -> list[CellResult]:
    best: dict[int, CellResult] = {}
    for cell in sorted(cells, key=lambda c: -(c.validation.average_precision.value or 0.0)):
        best.setdefault(cell.horizon, cell)
    return [best[horizon] for horizon in sorted(best, reverse=True)]


def _range(interval: Interval) -> str:
    return f"{interval.low:+.3f} to {interval.high:+.3f}".replace("-", "\u2212")
