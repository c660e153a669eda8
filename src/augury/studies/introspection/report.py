"""Step `report`: one page of what was collected and compared, from stored results alone."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from augury.config import dump_yaml, load_config
from augury.report.blocks import Block, Bullets, Callout, Code, FigureRef, Link, Section, Table
from augury.report.page import page, write_page
from augury.runs.folder import Run
from augury.studies.introspection import inspection
from augury.studies.introspection.analyse import analysed
from augury.studies.introspection.collect import COLLECTED
from augury.studies.introspection.collection import Collection
from augury.studies.introspection.comparison_page import COMPARISON, comparison_sections
from augury.studies.introspection.config import IntrospectionConfig

__all__ = ["conclude", "make_report"]


def make_report(run: Run, config: IntrospectionConfig) -> dict[str, object]:
    """Write `report.html` and `report.md`."""
    facts = _read(run, COLLECTED)
    answered, analyses = analysed(Collection(run), config.analysis, run.path)
    sections = [
        _limits(config, facts),
        _collected(facts),
        *_inspected(run),
        *_compared(run),
        *analyses,
        Section("The config of this run", [Code(dump_yaml(config), "yaml")]),
    ]
    rendered = page(
        "Does confidence follow what the model knows?",
        sections,
        folder=run.path,
        verdict=[*answered, *_verdict(run, facts)],
        lead=f"{Path(config.model.name).name} is asked {facts['questions']} questions: the answer, "
        "how sure it is, and how many others would be right.",
    )
    write_page(rendered, run.path)
    return {"answers": answered}


def conclude(run: Run) -> Sequence[str]:
    """The lines that end the command."""
    config = load_config(IntrospectionConfig, run.config_path)
    answered, _ = analysed(Collection(run), config.analysis, run.path)
    lines = [*answered, *_verdict(run, _read(run, COLLECTED))]
    return [*lines, f"report  {run.path / 'report.html'}"]


def _verdict(run: Run, facts: dict[str, Any]) -> list[str]:
    lines = [
        f"{name}: only {each['option_mass']:.2g} of the probability on the symbols; its answers "
        "are no answers"
        for name, each in facts["collected"].items()
        if each["option_mass"] < 0.5
    ]
    compared = _read(run, COMPARISON)
    if told := compared.get("confidence"):
        error, auroc = told["differences"]["calibration error"], told["differences"]["AUROC2"]
        lines.append(
            f"calibration error of stated confidence, adapter less base: {_signed(error)}; "
            f"AUROC2: {_signed(auroc)}"
        )
    return lines or [f"{facts['questions']} questions collected"]


def _signed(told: dict[str, Any]) -> str:
    if told["value"] is None:
        return "undefined"
    ends = told["interval"]
    return f"{told['value']:+.3f}" + (f" [{ends[0]:+.3f}, {ends[1]:+.3f}]" if ends else "")


def _limits(config: IntrospectionConfig, facts: dict[str, Any]) -> Section:
    lines = ["Probabilities among symbols are answers only where the symbols hold the probability."]
    if config.model.name == "organism":
        lines.append(
            "The embedded model is a small trained model of word problems. Its results show that "
            "the method works; they say nothing about large models."
        )
    lines += [*facts["warnings"], *facts["repairs"]]
    return Section("What this can and cannot show", [Callout("caution", "Limits", tuple(lines))])


def _collected(facts: dict[str, Any]) -> Section:
    rows = tuple(
        (
            name,
            each["store_rows"],
            each["option_mass"],
            each["gated"],
            f"{each['head_worst']:.2g} of {each['head_bound']:.2g}",
        )
        for name, each in facts["collected"].items()
    )
    columns = ("model and pass", "rows of states", "option mass", "flagged", "head check")
    caption = (
        "Head check: largest difference between recorded logits and those of the stored state, "
        "over every question, in spreads of the logits. Flagged: too little probability on the "
        "symbols."
    )
    left = facts["left_out"]
    blocks: list[Block] = [Table(columns, rows, caption=caption)]
    if left:
        blocks.append(Bullets((f"{len(left)} questions left out, the first: {left[0]}",)))
    return Section(f"{facts['questions']} questions in {facts['groups']} groups", blocks)


def _inspected(run: Run) -> list[Section]:
    found = _read(run, inspection.INSPECTION)
    rows = tuple(
        (
            name,
            each.get("accuracy"),
            each.get("confidence"),
            each["entropy"]["mean"],
            each["letter_bias"],
            each["not_finite"],
        )
        for name, each in found.items()
    )
    columns = ("model and pass", "accuracy", "confidence", "entropy", "letter bias", "not finite")
    caption = (
        "Letter bias: share of answers that would have to move for letters to be used as the right "
        "answers are (of confidence: evenly)."
    )
    figures = [
        FigureRef(name, alt)
        for name, alt in inspection.FIGURES.items()
        if (run.figures / f"{name}.png").is_file()
    ]
    blocks: list[Block] = [Table(columns, rows, caption=caption), *figures]
    return [Section("What was answered", blocks)]


def _compared(run: Run) -> list[Section]:
    compared = _read(run, COMPARISON)
    if not compared:
        return []
    link = Link("Question by question", "results/compare_" + compared["passes"][0]["pass"] + ".csv")
    sections = comparison_sections(compared)
    return [
        Section(s.title, [*s.blocks, *([link] if n == 0 else [])]) for n, s in enumerate(sections)
    ]


def _read(run: Run, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run.path / name).read_text(encoding="utf-8"))
    return found
