"""Stage `figures`: the grid as pictures with their data, and the coloured chains."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np

from augury.evaluate.metrics import average_precision
from augury.evaluate.records import CellResult
from augury.evaluate.stored import read_results
from augury.report.figure_data import Line, Lines
from augury.report.figures import save
from augury.report.grid_figures import best_site, grid_figures
from augury.report.token_view import ViewedSeries, ViewedTrace, token_view
from augury.runs.atomic import write_text
from augury.runs.folder import Run
from augury.runs.progress import track
from augury.studies.backtracking_lag.bundles import probe_folder
from augury.studies.backtracking_lag.config import BacktrackingLagConfig
from augury.studies.backtracking_lag.evaluation import CELLS, SUMMARY
from augury.studies.backtracking_lag.probes import SCORES
from augury.studies.backtracking_lag.rows import RunRows, load_rows
from augury.studies.backtracking_lag.scores import Scores, read_scores
from augury.targets.events import token_events

__all__ = ["VIEW", "draw_figures", "figure_folder"]

VIEW = "chains.html"
"""Name of the coloured view, in the folder of its label's figures."""


def draw_figures(run: Run, config: BacktrackingLagConfig) -> dict[str, object]:
    """Draw every figure of every label; the first label's lie in `figures` itself."""
    results = read_results(run.path / CELLS)
    summary = json.loads((run.path / SUMMARY).read_text(encoding="utf-8"))
    scores, rows = read_scores(run.path / SCORES), load_rows(run)
    drawn: list[str] = []
    for label in config.targets.labels:
        cells = [result for result in results if result.label == label]
        folder = run.path / figure_folder(config, label)
        folder.mkdir(parents=True, exist_ok=True)
        figures = grid_figures(cells)
        truth = summary["references"].get(label, {})
        name = "lineplot_average_precision"
        figures[name] = _with_references(figures[name], truth, config.targets.horizons)
        for key, figure in track(figures.items(), what="drawing figures", total=len(figures)):
            save(figure, folder, key)
        drawn += figures
        if config.shown_chains:
            _save_view(folder / VIEW, rows, scores, cells, config)
    return {"figures": drawn}


def figure_folder(config: BacktrackingLagConfig, label: str) -> str:
    """Where the figures of a label are, below the run."""
    if label == config.targets.labels[0]:
        return "figures"
    return f"figures/{Path(probe_folder(label, 'embed', 0)).parent.name}"


def _with_references(
    figure: object, truth: dict[str, list[float | None]], horizons: tuple[int, ...]
) -> Lines:
    if not isinstance(figure, Lines):
        raise TypeError(type(figure).__name__)
    order = np.argsort(horizons)
    more = [
        Line(f"told the {name}", tuple(values[i] for i in order), role="baseline")
        for name, values in truth.items()
    ]
    return replace(figure, lines=(*figure.lines, *more))


def _save_view(
    path: Path,
    rows: RunRows,
    scores: Scores,
    cells: list[CellResult],
    config: BacktrackingLagConfig,
) -> None:
    """Validation chains on which the probe is best and worst, at every site and horizon."""
    label, site = cells[0].label, best_site(cells)
    ahead = [h for h in config.targets.horizons if h > 0] or [config.targets.horizons[0]]
    number = config.targets.horizons.index(min(ahead))
    ranked = _rank_chains(rows, scores, label, site, number)
    count = min(config.shown_chains, len(ranked) // 2)
    picked = [("best", *pair) for pair in ranked[:count]]
    picked += [("worst", *pair) for pair in ranked[len(ranked) - count :]]
    if not picked:
        return
    shown = [cell for cell in cells if cell.calibration is not None]
    series = [
        ViewedSeries(
            cell.site,
            cell.horizon,
            None
            if cell.threshold.value is None or cell.calibration is None
            else float(cell.calibration.probability(np.array([cell.threshold.value]))[0]),
        )
        for cell in sorted(shown, key=lambda c: (c.site != site, c.horizon != min(ahead)))
    ]
    views = [
        _viewed(rows, scores, shown, series, config, (label, kind, part, value))
        for kind, part, value in picked
    ]
    title = f"Best and worst validation chains: {label}"
    caption = (
        f"Ranked by the average precision within each chain of {site} at horizon {min(ahead)}. "
        "Outlined: where the event really starts."
    )
    write_text(
        path,
        token_view(
            views, series=series, title=title, caption=caption, quantity=f"probability of {label}"
        ),
    )


def _rank_chains(
    rows: RunRows, scores: Scores, label: str, site: str, number: int
) -> list[tuple[int, float]]:
    """(Part, average precision within it) of validation parts with an event, best first."""
    use = scores.use[label][:, number] & (rows.side == 1)
    found = []
    for part in np.unique(rows.part[use]):
        at = np.flatnonzero(use & (rows.part == part))
        value = average_precision(
            scores.labels[label][at, number], scores.probes[label, site][at, number]
        ).value
        if value is not None:
            found.append((int(part), value))
    return sorted(found, key=lambda pair: (-pair[1], pair[0]))


def _viewed(
    rows: RunRows,
    scores: Scores,
    cells: list[CellResult],
    series: list[ViewedSeries],
    config: BacktrackingLagConfig,
    chosen: tuple[str, str, int, float],
) -> ViewedTrace:
    label, kind, number, value = chosen
    part = rows.parts[number]
    trace = rows.traces[part.trace_id]
    events = token_events(part, rows.placed[number], label)
    at = np.flatnonzero(rows.part == number)
    table = np.full((len(series), len(part.ids)), np.nan)
    of = {(cell.site, cell.horizon): cell for cell in cells}
    for row, one in enumerate(series):
        cell = of[one.site, one.horizon or 0]
        if cell.calibration is not None:
            column = config.targets.horizons.index(cell.horizon)
            raw = scores.probes[label, cell.site][at, column]
            table[row, rows.token[at]] = cell.calibration.probability(raw)
    ends = np.maximum.accumulate(part.ends)
    begins = np.concatenate([[0], ends[:-1]])
    pieces = tuple(trace.text[a:b] for a, b in zip(begins, ends, strict=True))
    note = f"one of the {kind} validation chains: average precision {value:.2f} within the chain"
    return ViewedTrace(trace.id, pieces, table, events.onset, events.inside, note)
