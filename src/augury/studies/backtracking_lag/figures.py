"""Stage `figures`: the grid as pictures with their data, and the coloured chains."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from augury.evaluate.stored import read_results
from augury.report.figure_data import Line, Lines
from augury.report.figures import save
from augury.report.grid_figures import best_site, grid_figures
from augury.report.reliability_figure import reliability_figure
from augury.runs.folder import Run
from augury.runs.progress import track
from augury.studies.backtracking_lag.config import BacktrackingLagConfig
from augury.studies.backtracking_lag.evaluation import CELLS, SUMMARY
from augury.studies.backtracking_lag.probes import SCORES
from augury.studies.backtracking_lag.rows import load_rows
from augury.studies.backtracking_lag.trust import RELIABILITY
from augury.studies.backtracking_lag.views import best_and_worst
from augury.studies.bundles import probe_folder
from augury.studies.scores import read_scores

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
        site = best_site(cells)
        stated = reliability_figure([cell for cell in cells if cell.site == site])
        if stated is not None:
            figures[RELIABILITY] = stated
        for key, figure in track(figures.items(), what="drawing figures", total=len(figures)):
            save(figure, folder, key)
        drawn += figures
        if config.shown_chains:
            page = best_and_worst(rows, scores, cells, config)
            if page is not None:
                page.save(folder / VIEW)
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
    order = sorted(range(len(horizons)), key=lambda i: horizons[i])
    more = [
        Line(f"told the {name}", tuple(values[i] for i in order), role="baseline")
        for name, values in truth.items()
    ]
    return replace(figure, lines=(*figure.lines, *more))
