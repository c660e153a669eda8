"""Step `compare`: tables, figures and a page of two sides, question by question."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

from augury.report.blocks import Block, FigureRef, Section, Table
from augury.report.figure_data import Bar, Bars, BarSeries, Figure, Line, Lines
from augury.report.figures import save
from augury.report.page import page, write_page
from augury.report.scales import Axis, open_scale, site_axis, unit_scale
from augury.report.tables import write_csv
from augury.runs.atomic import write_json
from augury.runs.folder import Run
from augury.studies.introspection.collection import Collection
from augury.studies.introspection.comparison import Side, compare_sides
from augury.studies.introspection.config import IntrospectionConfig

__all__ = ["COMPARISON", "compare_models", "comparison_sections", "write_comparison"]

COMPARISON = "results/compare.json"
_FIGURES = {
    "compare_confidence": "Mean stated confidence by whether the answer is right, both sides",
    "compare_states": "Cosine of the states of both sides, by site and position",
    "compare_answers": "How often both sides give the same answer, by pass",
}


def compare_models(run: Run, config: IntrospectionConfig) -> dict[str, object]:
    """Compare adapter and base of one run; an empty comparison where there is one model alone."""
    if len(config.models) < 2:
        write_json(run.path / COMPARISON, {})
        return {}
    collection = Collection(run)
    base, adapter = (Side(model, collection, model) for model in ("base", "adapter"))
    write_comparison(compare_sides(base, adapter), run.path)
    return {"compared": ["base", "adapter"]}


def write_comparison(found: dict[str, Any], folder: Path) -> list[str]:
    """Write tables and figures below `folder`, and a page of their own; lines that say so."""
    for pass_, items in found["items"].items():
        flat = items.with_columns(pl.col(pl.Boolean).cast(pl.Int8))
        write_csv(folder / "results" / f"compare_{pass_}.csv", flat.columns, list(flat.iter_rows()))
    kept = {name: value for name, value in found.items() if name != "items"}
    write_json(folder / COMPARISON, kept)
    for name, figure in _figures(found):
        save(figure, folder / "figures", name)
    rendered = page(
        f"{found['sides'][0]} and {found['sides'][1]}, question by question",
        comparison_sections(found),
        folder=folder,
    )
    html, _ = write_page(rendered, folder, name="compare")
    lines = [
        f"{row['pass']}: {row['questions']} questions, the same answer to {row['same_answer']:.0%}"
        for row in found["passes"]
    ]
    return [*lines, f"compare {html}"]


def comparison_sections(found: dict[str, Any]) -> list[Section]:
    """What a page shows of a comparison."""
    one, two = found["sides"]
    rows = tuple(
        (
            row["pass"],
            row["questions"],
            row["same_answer"],
            row["entropy"][0],
            row["entropy"][1],
            row["option_mass"][0],
            row["option_mass"][1],
        )
        for row in found["passes"]
    )
    columns = ("pass", "questions", "same answer", *_of(found, "entropy"), *_of(found, "mass"))
    blocks: list[Block] = [
        Table(columns, rows, caption="The same questions, joined by id."),
        FigureRef("compare_answers", _FIGURES["compare_answers"]),
    ]
    if any(row["states"] for row in found["passes"]):
        blocks.append(FigureRef("compare_states", _FIGURES["compare_states"]))
    sections = [Section(f"{one} and {two}: answers and states", blocks)]
    if found["confidence"]:
        sections.append(_confidence_section(found))
    return sections


def _of(found: dict[str, Any], what: str) -> tuple[str, str]:
    return tuple(f"{what}, {name}" for name in found["sides"])  # type: ignore[return-value]


def _confidence_section(found: dict[str, Any]) -> Section:
    told = found["confidence"]
    rows = tuple(
        (
            name,
            *(_with_interval(side) for side in told["measures"][name]),
            _with_interval(told["differences"][name]),
            told["differences"][name]["p"],
        )
        for name in told["measures"]
    )
    perfect = ", ".join(f"{each:.3f}" for each in told["perfect_error"])
    caption = (
        f"{told['questions']} questions, 95 % intervals over questions; p for all measures "
        f"together. A calibration error of {perfect} is what exactly true confidence would get by "
        "chance. Each side is judged against its own answers."
    )
    blocks: list[Block] = [
        Table(("measure", *found["sides"], "difference", "p"), rows, caption=caption),
        FigureRef("compare_confidence", _FIGURES["compare_confidence"]),
    ]
    return Section("Stated self-confidence", blocks)


def _with_interval(told: dict[str, Any]) -> str:
    if told["value"] is None:
        return "undefined"
    ends = told["interval"]
    return f"{told['value']:.3f}" + (f" [{ends[0]:.3f}, {ends[1]:.3f}]" if ends else "")


def _figures(found: dict[str, Any]) -> list[tuple[str, Figure]]:
    figures: list[tuple[str, Figure]] = [("compare_answers", _answers_figure(found))]
    if found["states"]:
        figures.append(("compare_states", _states_figure(found)))
    if found["confidence"]:
        figures.append(("compare_confidence", _confidence_figure(found)))
    return figures


def _answers_figure(found: dict[str, Any]) -> Bars:
    rows = found["passes"]
    return Bars(
        f"Same answer: {found['sides'][0]} and {found['sides'][1]}",
        "Share of questions at which the most probable symbol is the same.",
        unit_scale("share of questions"),
        _names("pass", [row["pass"] for row in rows]),
        (BarSeries("same", tuple(Bar(r["same_answer"], f"n={r['questions']}") for r in rows)),),
    )


def _states_figure(found: dict[str, Any]) -> Lines:
    rows = found["states"]
    sites = list(dict.fromkeys(row["site"] for row in rows))
    names = list(dict.fromkeys((row["pass"], row["position"]) for row in rows))
    lines = tuple(
        Line(
            f"{pass_}, {position}",
            tuple(r["cosine"] for r in rows if (r["pass"], r["position"]) == (pass_, position)),
        )
        for pass_, position in names
    )
    return Lines(
        f"States of {found['sides'][0]} and {found['sides'][1]}",
        "Mean cosine of both sides' states of the same token.",
        open_scale("cosine", [row["cosine"] for row in rows], high=1.0),
        site_axis(sites),
        lines,
    )


def _confidence_figure(found: dict[str, Any]) -> Bars:
    both = found["confidence"]["by_correctness"]
    return Bars(
        "Stated self-confidence by outcome",
        "Mean stated confidence that its own answer is right, where it is right and where it is "
        "not.",
        unit_scale("mean stated confidence"),
        _names("side", found["sides"]),
        (
            BarSeries("answer right", tuple(Bar(side[0]) for side in both)),
            BarSeries("answer wrong", tuple(Bar(side[1]) for side in both)),
        ),
    )


def _names(label: str, names: Sequence[str]) -> Axis:
    return Axis(label, tuple(float(i) for i in range(len(names))), tuple(names), numeric=False)
