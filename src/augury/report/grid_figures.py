"""The figures of a judged grid of sites and horizons, under the names that every report uses."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from augury.errors import DataError
from augury.evaluate.intervals import Interval
from augury.evaluate.records import CellResult
from augury.evaluate.score import Score
from augury.evaluate.verdict import BEYOND_BASELINES
from augury.report.figure_data import (
    Bar,
    Bars,
    BarSeries,
    Cell,
    Figure,
    Heatmap,
    Line,
    Lines,
    Panels,
)
from augury.report.figures import panels
from augury.report.scales import (
    SIGN_CONVENTION,
    Scale,
    horizon_axis,
    open_scale,
    site_axis,
)
from augury.targets.horizons import QUESTIONS

__all__ = ["best_site", "grid_figures"]

Grid = Mapping[tuple[str, int], CellResult]


@dataclass(frozen=True, slots=True)
class Metric:
    """How one metric is taken from a cell and drawn."""

    name: str
    of: Callable[[CellResult], Score]
    chance: Callable[[CellResult], float | None]
    """What no skill at all gives in this cell."""

    chance_name: str
    low: float
    """Where its scale starts unless a value lies below."""

    interval: Callable[[CellResult], Interval | None] = lambda cell: None
    baselines: Callable[[CellResult], Mapping[str, Score]] = lambda cell: {}


def _prevalence(cell: CellResult) -> float | None:
    return cell.test.prevalence


def _always_positive_f1(cell: CellResult) -> float | None:
    share = cell.test.prevalence
    return None if share is None else 2 * share / (1 + share)


F1 = Metric(
    name="F1",
    of=lambda cell: cell.f1,
    chance=_always_positive_f1,
    chance_name="always positive",
    low=0.0,
    interval=lambda cell: cell.f1_interval,
)
ACCURACY = Metric(
    name="balanced accuracy",
    of=lambda cell: cell.balanced_accuracy,
    chance=lambda cell: 0.5,
    chance_name="chance",
    low=0.5,
)
AVERAGE_PRECISION = Metric(
    name="average precision",
    of=lambda cell: cell.average_precision,
    chance=_prevalence,
    chance_name="prevalence",
    low=0.0,
    interval=lambda cell: cell.interval,
    baselines=lambda cell: {name: base.ap for name, base in cell.baselines.items()},
)
AUROC = Metric(
    name="AUROC",
    of=lambda cell: cell.auroc,
    chance=lambda cell: 0.5,
    chance_name="chance",
    low=0.5,
    interval=lambda cell: cell.auroc_interval,
    baselines=lambda cell: {name: base.auroc for name, base in cell.baselines.items()},
)


def best_site(results: Sequence[CellResult]) -> str:
    """The site with the highest mean average precision on validation over its horizons.

    Test scores play no part, so drawing its interval on test is honest. Undefined cells count as 0.

    Raises:
        DataError: There is no result.
    """
    _grid(results)
    sites = list(dict.fromkeys(cell.site for cell in results))

    def mean(site: str) -> float:
        values = [c.validation.average_precision.value or 0.0 for c in results if c.site == site]
        return sum(values) / len(values)

    return max(sites, key=mean)


def grid_figures(results: Sequence[CellResult]) -> dict[str, Figure]:
    """All figures of one judged grid, by file name without ending.

    `heatmap_f1`, `heatmap_accuracy` (balanced), `heatmap_average_precision`, `heatmap_auroc`,
    `lineplot_f1`, `lineplot_average_precision`, `lineplot_auroc`, `comparison_metrics`,
    `class_balance`. Scores are on test. Sites keep the order in which they come; cells that were
    not judged are undefined.

    Args:
        results: Cells of one label and one kind, one per site and horizon.

    Raises:
        DataError: There is none, two have the same site and horizon, or labels or kinds are mixed.
    """
    grid = _grid(results)
    best = best_site(results)
    figures: dict[str, Figure] = {
        f"heatmap_{name}": _heatmap(grid, metric)
        for name, metric in (
            ("f1", F1),
            ("accuracy", ACCURACY),
            ("average_precision", AVERAGE_PRECISION),
            ("auroc", AUROC),
        )
    }
    for name, metric in (("f1", F1), ("average_precision", AVERAGE_PRECISION), ("auroc", AUROC)):
        figures[f"lineplot_{name}"] = _lines(grid, metric, best)
    figures["comparison_metrics"] = _comparison(grid, best)
    figures["class_balance"] = _class_balance(grid, best)
    return figures


def _grid(results: Sequence[CellResult]) -> Grid:
    targets = {(cell.label, cell.kind) for cell in results}
    grid = {(cell.site, cell.horizon): cell for cell in results}
    if len(targets) != 1 or len(grid) != len(results):
        raise DataError(
            "figures of a grid",
            found=f"{len(results)} cells of {len(targets)} targets at {len(grid)} coordinates",
            expected="one target, and one cell per site and horizon",
            fix="draw each label and kind by itself",
        )
    return grid


def _sites(grid: Grid) -> list[str]:
    return list(dict.fromkeys(site for site, _ in grid))


def _horizons(grid: Grid) -> list[int]:
    return sorted({horizon for _, horizon in grid})


def _target(grid: Grid) -> str:
    cell = next(iter(grid.values()))
    return f"{cell.label} ({cell.kind})"


def _heatmap(grid: Grid, metric: Metric) -> Heatmap:
    sites, horizons = _sites(grid), _horizons(grid)
    values = [metric.of(cell).value for cell in grid.values()]
    return Heatmap(
        title=f"{_title(metric)} on test: {_target(grid)}",
        caption=" ".join(
            part
            for part in (
                "Each cell is one probe, scored on groups that it never saw.",
                _note(metric),
                _question(grid),
            )
            if part
        ),
        scale=open_scale(metric.name, values, low=metric.low),
        x=horizon_axis(horizons),
        y=site_axis(sites),
        cells=tuple(
            tuple(_cell(grid.get((site, horizon)), metric) for horizon in horizons)
            for site in sites
        ),
        outline=BEYOND_BASELINES,
    )


def _title(metric: Metric) -> str:
    return metric.name[0].upper() + metric.name[1:]


def _question(grid: Grid) -> str:
    kind = next(iter(grid.values())).kind
    return f"Asked at token t: {QUESTIONS[kind]} {SIGN_CONVENTION}"


def _note(metric: Metric) -> str:
    if metric is ACCURACY:
        return "Plain accuracy rewards never calling a rare event, so the balanced one is drawn."
    return ""


def _cell(cell: CellResult | None, metric: Metric) -> Cell:
    if cell is None:
        return Cell(None, "not judged")
    score = metric.of(cell)
    counts = f"{cell.test.positives} positives in {cell.test.rows} rows, {cell.test.groups} groups"
    note = "; ".join(part for part in (score.reason, cell.verdict, counts) if part)
    return Cell(score.value, note, outlined=cell.verdict == BEYOND_BASELINES)


def _lines(grid: Grid, metric: Metric, best: str) -> Lines:
    horizons = _horizons(grid)
    lines = [_site_line(grid, metric, site, best) for site in _sites(grid)]
    lines += _baseline_lines(grid, metric, best)
    lines.append(_floor(grid, metric, best))
    band = " Its band is a 95 % interval over groups." if any(line.band for line in lines) else ""
    baselines = " Dashed: baselines that never see activations, on the same rows."
    dashed = baselines if any(line.role == "baseline" for line in lines) else ""
    return Lines(
        title=f"{_title(metric)} on test against horizon: {_target(grid)}",
        caption=f"Heavy: {best}, chosen on validation.{band}{dashed} {_question(grid)}",
        scale=_line_scale(metric, lines),
        x=horizon_axis(horizons),
        lines=tuple(lines),
    )


def _line_scale(metric: Metric, lines: Sequence[Line]) -> Scale:
    ends = [end for line in lines for pair in line.band if pair is not None for end in pair]
    values = [value for line in lines for value in line.values]
    return open_scale(metric.name, [*values, *ends], low=metric.low)


def _site_line(grid: Grid, metric: Metric, site: str, best: str) -> Line:
    cells = [grid.get((site, horizon)) for horizon in _horizons(grid)]
    values = tuple(None if cell is None else metric.of(cell).value for cell in cells)
    if site != best:
        return Line(site, values)
    intervals = [None if cell is None else metric.interval(cell) for cell in cells]
    band = tuple(None if ends is None else (ends.low, ends.high) for ends in intervals)
    return Line(site, values, band if any(band) else (), "best")


def _baseline_lines(grid: Grid, metric: Metric, best: str) -> list[Line]:
    # Baselines are scored on the rows of a cell, which are the same at every site.
    cells = [grid.get((best, horizon)) for horizon in _horizons(grid)]
    scores = [{} if cell is None else metric.baselines(cell) for cell in cells]
    names = dict.fromkeys(name for known in scores for name in known if name != "prevalence")
    return [
        Line(name, tuple(_value(known.get(name)) for known in scores), role="baseline")
        for name in names
    ]


def _value(score: Score | None) -> float | None:
    return None if score is None else score.value


def _floor(grid: Grid, metric: Metric, best: str) -> Line:
    cells = [grid.get((best, horizon)) for horizon in _horizons(grid)]
    values = tuple(None if cell is None else metric.chance(cell) for cell in cells)
    return Line(metric.chance_name, values, role="floor")


def _comparison(grid: Grid, best: str) -> Panels:
    horizons = _horizons(grid)
    parts = []
    for metric in (F1, ACCURACY, AUROC, AVERAGE_PRECISION):
        lines = [_site_line(grid, metric, site, best) for site in _sites(grid)]
        floor = _floor(grid, metric, best)
        lines.append(Line("no skill", floor.values, role="floor"))
        scale = _line_scale(metric, lines)
        parts.append(Lines(metric.name, "", scale, horizon_axis(horizons), tuple(lines)))
    return panels(
        f"Four metrics of the same probes on test: {_target(grid)}",
        parts,
        caption=(
            f"Heavy: {best}, chosen on validation. Dotted, what no skill gives: calling every "
            "row positive for F1, 0.5 for balanced accuracy and AUROC, the prevalence for average "
            "precision."
        ),
    )


def _class_balance(grid: Grid, best: str) -> Bars:
    horizons = _horizons(grid)
    series = []
    for name in ("train", "validation", "test"):
        bars = []
        for horizon in horizons:
            cell = grid.get((best, horizon))
            split = None if cell is None else getattr(cell, name)
            if split is None or split.prevalence is None:
                bars.append(Bar(None, "no rows"))
            else:
                bars.append(Bar(split.prevalence, f"{split.positives:,} / {split.rows:,}"))
        series.append(BarSeries(name, tuple(bars)))
    shares = [bar.value for bars_of in series for bar in bars_of.bars]
    return Bars(
        title=f"Class balance: {_target(grid)}",
        caption=(
            f"Share of rows that are positive, with positives / rows. {_question(grid)} "
            "Rows whose partner lies outside the trace, or inside a running event, are not used."
        ),
        scale=open_scale("positive share of rows", shares, low=0.0),
        x=horizon_axis(horizons),
        series=tuple(series),
    )
