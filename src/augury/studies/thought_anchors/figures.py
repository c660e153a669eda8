"""Stage `figures`: the ladder, problem by problem, and along the solution."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from augury.evaluate.group_scores import GroupResult
from augury.report.figure_data import Bar, Bars, BarSeries, Cell, Figure, Heatmap, Line, Lines
from augury.report.figures import save
from augury.report.scales import Axis, open_scale
from augury.runs.folder import Run
from augury.studies.thought_anchors.config import ThoughtAnchorsConfig
from augury.studies.thought_anchors.evaluation import SUMMARY, read_cells
from augury.studies.thought_anchors.sentences import FACTS, SENTENCES
from augury.studies.thought_anchors.site_figures import site_lines, sites_figure

__all__ = ["FIGURES", "draw_figures"]

FIGURES = (
    ("ladder", "Mean score of every rung, by target"),
    ("by_problem", "Score of every rung in every problem"),
    ("along_the_solution", "Where important sentences stand, and how well they are measured"),
    ("position_bins", "Score of every rung among sentences of similar place"),
)
_TENTHS = 10


def draw_figures(run: Run, config: ThoughtAnchorsConfig) -> dict[str, object]:
    """Draw every figure, each with the data behind it."""
    results = read_cells(run)
    summary, facts = (
        json.loads((run.path / name).read_text(encoding="utf-8")) for name in (SUMMARY, FACTS)
    )
    table = pl.read_parquet(run.path / SENTENCES)
    first = config.labels.targets[0]
    drawn: dict[str, Figure] = {
        "ladder": _ladder([r for r in results if "@" not in r.predictor], config.labels.targets),
        "by_problem": _by_problem(_shown(results, first, summary), facts),
        "along_the_solution": _along(table),
        "position_bins": _bins(_few(summary["bins"][first]), first),
    }
    if config.activations:
        for target in dict.fromkeys(result.target for result in results):
            drawn[sites_figure(target)] = site_lines(results, target)
    run.figures.mkdir(exist_ok=True)
    for name, figure in drawn.items():
        save(figure, run.figures, name)
    return {"figures": list(drawn)}


def _names(label: str, names: Sequence[str]) -> Axis:
    ticks = tuple(float(number) for number in range(len(names)))
    return Axis(label, ticks, tuple(names), numeric=False)


def _shown(
    results: Sequence[GroupResult], target: str, summary: dict[str, Any]
) -> list[GroupResult]:
    """The ladder, and of each kind of probe the site that does best on validation."""
    best = summary["best_sites"][target].values()
    own = [result for result in results if result.target == target]
    return [result for result in own if "@" not in result.predictor or result.predictor in best]


def _ladder(results: Sequence[GroupResult], targets: Sequence[str]) -> Bars:
    rungs = list(dict.fromkeys(result.predictor for result in results))
    by = {(result.target, result.predictor): result for result in results}
    series = tuple(
        BarSeries(
            f"{target}: {by[target, rungs[0]].metric}", tuple(_bar(by[target, r]) for r in rungs)
        )
        for target in targets
    )
    values = [result.score.value for result in results]
    return Bars(
        title="What can be told without hidden states",
        caption="Mean over problems that the rung was not fitted on.",
        scale=open_scale("mean score", values, low=0.0),
        x=_names("rung", rungs),
        series=series,
    )


def _bar(result: GroupResult) -> Bar:
    held = result.interval
    return Bar(result.score.value, f"{held.low:.2f} to {held.high:.2f}" if held else "")


def _by_problem(results: Sequence[GroupResult], facts: dict[str, Any]) -> Heatmap:
    problems = [str(row["problem"]) for row in facts["status"] if row["status"] == "ok"]
    cells = tuple(
        tuple(
            Cell(value, "" if value is not None else "no anchor, or nothing else")
            for value in result.by_group
        )
        for result in results
    )
    values = [value for result in results for value in result.by_group]
    return Heatmap(
        title=f"{results[0].metric} within each problem: {results[0].target}",
        caption="Each problem is scored by what was fitted without it.",
        scale=open_scale(results[0].metric, values, low=0.0),
        x=_names("problem", problems),
        y=_names("rung", [result.predictor for result in results]),
        cells=cells,
    )


def _along(table: pl.DataFrame) -> Lines:
    place = table["sentence"].to_numpy() / table["sentences"].to_numpy()
    tenth = np.minimum((place * _TENTHS).astype(int), _TENTHS - 1)
    error = table["blind_error"].fill_null(0.0).to_numpy()

    def means(values: np.ndarray) -> tuple[float | None, ...]:
        own = (values[tenth == n] for n in range(_TENTHS))
        return tuple(float(each.mean()) if len(each) else None for each in own)

    lines = (
        Line(
            "share of anchors", means(table["anchor_binary"].to_numpy().astype(float)), role="best"
        ),
        Line("mean size of importance", means(table["importance_abs"].to_numpy())),
        Line("mean error of measurement", means(error), role="baseline"),
    )
    values = [value for line in lines for value in line.values]
    ticks = tuple((n + 0.5) / _TENTHS for n in range(_TENTHS))
    return Lines(
        title="Where important sentences stand",
        caption="The error is the one that a sentence would have if it did not matter; a sentence "
        "of which nothing was measured counts 0.",
        scale=open_scale("share, or difference of accuracies", values, low=0.0),
        x=Axis("relative place in the solution", ticks, tuple(f"{tick:.2f}" for tick in ticks)),
        lines=lines,
    )


def _few(found: dict[str, list[float | None]]) -> dict[str, list[float | None]]:
    """Beside probes, the rungs of place alone: a dozen lines cannot be told apart."""
    if not any("@" in name for name in found):
        return found
    kept = ("prevalence", "position_rank", "position")
    return {name: values for name, values in found.items() if "@" in name or name in kept}


def _bins(found: dict[str, list[float | None]], target: str) -> Lines:
    count = len(next(iter(found.values())))
    ticks = tuple((n + 0.5) / count for n in range(count))
    lines = tuple(
        Line(rung, tuple(values), role="floor" if rung == "prevalence" else "site")
        for rung, values in found.items()
    )
    values = [value for line in lines for value in line.values]
    return Lines(
        title=f"Among sentences of similar place: {target}",
        caption="Mean over problems, of the sentences of each bin alone.",
        scale=open_scale("score within the bin", values, low=0.0),
        x=Axis("relative place in the solution", ticks, tuple(f"{tick:.2f}" for tick in ticks)),
        lines=lines,
    )
