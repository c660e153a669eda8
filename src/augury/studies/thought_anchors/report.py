"""Stage `report`: what was found, from the stored results and from nothing else."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from augury.config import dump_yaml, load_config
from augury.evaluate.group_scores import GroupResult
from augury.evaluate.intervals import Interval
from augury.report.blocks import Bullets, Callout, Code, FigureRef, Paragraph, Section, Table
from augury.report.page import page, write_page
from augury.report.tables import CellValue
from augury.runs.folder import Run
from augury.studies.openings import openings
from augury.studies.thought_anchors.activations import READING
from augury.studies.thought_anchors.conclusion import (
    Conclusion,
    conclude_states,
    conclude_target,
    measured_line,
    measured_well,
    states_line,
)
from augury.studies.thought_anchors.config import ThoughtAnchorsConfig
from augury.studies.thought_anchors.evaluation import (
    CSV,
    PLAN,
    SUMMARY,
    on_validation,
    read_cells,
    read_predictions,
)
from augury.studies.thought_anchors.figures import FIGURES
from augury.studies.thought_anchors.own_rollouts import ABOUT
from augury.studies.thought_anchors.planted_report import planted_line, planted_section
from augury.studies.thought_anchors.sentences import FACTS, PROBLEMS
from augury.studies.thought_anchors.state_report import (
    limits_of_reading,
    read_lines,
    states_section,
)

__all__ = ["conclude", "write_report"]


class _Facts:
    """Everything that the report is made of, read once."""

    def __init__(self, run: Run, config: ThoughtAnchorsConfig) -> None:
        self.run, self.config = run, config
        self.results = read_cells(run)
        self.summary = _json(run.path / SUMMARY)
        self.sentences = _json(run.path / FACTS)
        self.measured = measured_well(self.sentences["status"])
        self.reading = _json(run.path / READING)
        self.planted = _json(run.path / ABOUT).get("planted", [])
        self.conclusions: list[Conclusion] = []
        self.answer: list[str] = []
        held = on_validation(read_predictions(run), config)
        if config.activations:
            targets = dict.fromkeys(result.target for result in self.results)
            self.conclusions = [
                conclude_states(self.results, target, held[target]) for target in targets
            ]
            self.answer.append(states_line(self.conclusions))
        ladder = [
            conclude_target(self.results, target, held[target]) for target in config.labels.targets
        ]
        if line := planted_line(self.planted, config.labels.estimator):
            self.answer.append(line)
        # Beside probes, what every rung adds is for the table to tell.
        kept = 1 if config.activations else None
        self.conclusions += [replace(one, lines=one.lines[:kept]) for one in ladder]


def write_report(run: Run, config: ThoughtAnchorsConfig) -> dict[str, object]:
    """Write `report.html` and `report.md`."""
    facts = _Facts(run, config)
    verdict = [*facts.answer, *("; ".join((c.headline, *c.lines)) for c in facts.conclusions)]
    verdict += [line] if (line := measured_line(facts.measured)) else []
    sections = [
        _limits(facts),
        _measured(facts),
        planted_section(facts.planted, facts.config.labels.estimator),
        _ladder(facts),
        *_states(facts),
        _places(facts),
        _deferral(facts),
        _checks(facts),
        _read(facts),
    ]
    rendered = page(
        "Which sentences will matter?",
        [section for section in sections if section.blocks],
        folder=run.path,
        verdict=verdict,
        lead=_lead(facts),
    )
    write_page(rendered, run.path)
    return {"verdicts": [c.headline for c in facts.conclusions]}


def conclude(run: Run) -> Sequence[str]:
    """The lines that end the command: the verdict on each target, and where the report is."""
    facts = _Facts(run, load_config(ThoughtAnchorsConfig, run.config_path))
    lines = [f"answer  {line}" for line in facts.answer]
    for conclusion in facts.conclusions:
        lines += [f"verdict {conclusion.headline}", *(f"  {line}" for line in conclusion.lines)]
    if line := measured_line(facts.measured):
        lines.append(line)
    for wire in facts.summary["tripwires"]:
        if not wire["passed"]:
            lines.append(f"caution tripwire '{wire['name']}' failed: {wire['detail']}")
    for number, why in facts.sentences["skipped"].items():
        lines.append(f"skipped problem {number}: {why}")
    return [*lines, f"report  {run.path / 'report.html'}"]


def _json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def _lead(facts: _Facts) -> str:
    data, own = facts.config.data, facts.sentences
    folds = (
        "each problem left out once"
        if facts.config.folds.kind == "leave-one-problem-out"
        else f"{facts.config.folds.k} folds of problems"
    )
    seen = "No model was run; predictors see text, tags and place"
    if facts.config.activations:
        seen = f"Read by {facts.config.model.name}; probes stand beside text, tags and place"
    return (
        f"{own['sentences']} sentences of {own['problems']} problems, written by "
        f"{data.setting.model} ({data.setting.split}); importances from rollouts, "
        f"{facts.config.labels.estimator}. {seen}, {folds}."
    )


def _states(facts: _Facts) -> list[Section]:
    if not facts.config.activations:
        return []
    return [states_section(facts.results, facts.summary, facts.config)]


_NO_MODEL = (
    "Nothing here looks into a model. The ladder is what a probe of hidden states has to beat."
)


def _limits(facts: _Facts) -> Section:
    lines = [
        *(
            limits_of_reading(facts.reading, facts.config)
            if facts.config.activations
            else (_NO_MODEL,)
        ),
        "An anchor is one of its own problem: thresholds differ between problems, so scores are "
        "means within problems, and are not to be compared with precision over all of them.",
    ]
    cut = sum(row.get("cut_everywhere", 0) for row in facts.sentences["status"])
    if cut and facts.config.data.rollouts is None:
        lines.append(
            f"{cut} sentences stand in earlier text too; the published rollouts were continued "
            "without any of these, so their importance answers another question."
        )
    if facts.sentences["problems"] < 20:
        lines.append(
            f"{facts.sentences['problems']} problems: intervals under 20 are known to be somewhat "
            "too short, and under 10 there are none."
        )
    for wire in facts.summary["tripwires"]:
        if not wire["passed"]:
            lines.append(f"Tripwire failed: {wire['name']} ({wire['detail']}).")
    if facts.sentences["skipped"]:
        left_out = ", ".join(facts.sentences["skipped"])
        lines.append(f"Left out, with a reason in {PROBLEMS}: {left_out}.")
    return Section("What this can and cannot show", [Callout("caution", "Limits", tuple(lines))])


def _measured(facts: _Facts) -> Section:
    rows = tuple(
        (str(row["problem"]), *(row.get(name) for name in _STATUS if name != "problem"))
        for row in facts.sentences["status"]
    )
    alone = facts.measured.get("error_alone")
    blocks: list[Any] = []
    if alone is not None:
        best = max(
            (r for r in facts.results if r.target == "anchor_binary" and "@" not in r.predictor),
            key=lambda r: r.score.value or 0.0,
            default=None,
        )
        against = f"; the best rung has {best.score}" if best else ""
        blocks.append(
            Paragraph(
                "Large errors make large measured values. A predictor that is told only how badly "
                "each sentence is measured (its number of rollouts, and how open the answer is), "
                f"and nothing of its importance, has an average precision of {alone:.3f} on the "
                f"anchors{against}. What foretells the error foretells anchors, and is no sign of "
                "importance."
            )
        )
    table = Table(
        tuple(_STATUS.values()),
        rows,
        caption="from: smallest importance of an anchor. noise ratio: mean square of the measured "
        "importances over that of their errors; 1 is what sentences that do not matter would give. "
        "ceiling: average precision of a predictor that knows the true importance and its error, "
        "against labels that are measured anew. error alone: of one that is told only the error. "
        f"All columns: {PROBLEMS}.",
    )
    along = FigureRef(FIGURES[2][0], FIGURES[2][1])
    return Section("How well the labels are measured", [*blocks, along, table])


_STATUS = {
    "problem": "problem",
    "status": "status",
    "sentences": "sentences",
    "anchors": "anchors",
    "threshold": "from",
    "exactly_zero": "exactly 0",
    "noise_ratio": "noise ratio",
    "ceiling_anchor_binary": "ceiling",
    "error_alone": "error alone",
}
"""Columns of the status table, with their headings."""


def _ladder(facts: _Facts) -> Section:
    blocks: list[Any] = [FigureRef(FIGURES[0][0], FIGURES[0][1])]
    for target in facts.config.labels.targets:
        own = [r for r in facts.results if r.target == target and "@" not in r.predictor]
        blocks.append(
            Table(
                ("rung", f"{_SHORT[own[0].metric]} [95 %]", "top tenth", "lead", "p", "verdict"),
                tuple(_ladder_row(result, facts) for result in own),
                caption=f"{target}. {_MEANING[target]} Mean within {own[0].groups} problems, each "
                "scored by what was fitted without it. lead: over the best rung below. p: labels "
                "rotated within their problem, corrected for all rungs and targets; one-sided. "
                f"All columns: {CSV}.",
            )
        )
    blocks.append(FigureRef(FIGURES[1][0], FIGURES[1][1]))
    return Section("The ladder", blocks)


_SHORT = {"average precision": "AP", "Spearman": "Spearman"}

_MEANING = {
    "anchor_binary": "Is the sentence among its problem's most important ones?",
    "importance_abs": "How large is its importance?",
    "importance_signed": "Above 0: the answer is right more often with the sentence.",
}


def _ladder_row(result: GroupResult, facts: _Facts) -> tuple[CellValue, ...]:
    best = result.best_baseline
    lead = result.baselines[best].difference if best else None
    return (
        result.predictor,
        f"{result.score}{_range(result.interval)}",
        facts.summary["top_recall"][f"{result.target}:{result.predictor}"],
        f"{lead:+.3f}" if lead is not None else None,
        result.p_corrected,
        result.verdict,
    )


def _range(held: Interval | None) -> str:
    return f" [{held.low:.3f}, {held.high:.3f}]" if held else ""


def _places(facts: _Facts) -> Section:
    return Section("By place in the solution", [FigureRef(FIGURES[3][0], FIGURES[3][1])])


def _deferral(facts: _Facts) -> Section:
    plan = facts.summary.get("deferral")
    if plan is None:
        return Section("Deferral", [])
    wanted = facts.config.deferral
    aim = (
        f"the least error with at most {wanted.limit:.0%} deferred"
        if wanted.objective == "budget"
        else f"the least deferral with an error of at most {wanted.limit:.0%}"
    )
    rows = tuple(
        (name, each["deferral"], each["accepted_error"], each["rows"])
        for name, each in (("validation", plan["validation"]), ("test", plan["test"]))
    )
    return Section(
        "Deferral",
        [
            Paragraph(
                f"Scores of {facts.summary['chosen']}, the best on validation. Each fold's two "
                f"thresholds come from its own validation problems, for {aim}."
            ),
            Paragraph(
                f"To call every sentence unimportant is wrong in {_anchors(facts):.1%} of them."
            ),
            Table(("", "deferred", "accepted error", "rows"), rows, caption=f"By fold: {PLAN}."),
        ],
    )


def _anchors(facts: _Facts) -> float:
    """Share of anchors."""
    read = [row for row in facts.sentences["status"] if row["status"] == "ok"]
    return float(sum(row["anchors"] for row in read) / sum(row["sentences"] for row in read))


def _checks(facts: _Facts) -> Section:
    blocks: list[Any] = []
    for wire in facts.summary["tripwires"]:
        state = "passed" if wire["passed"] else "FAILED"
        blocks.append(Paragraph(f"Tripwire, {wire['name']}: {state}; {wire['detail']}"))
    times = openings(facts.run)
    if times > 1:
        blocks.append(
            Paragraph(
                f"Test was opened for {times} questions in this run, this one the last: a result "
                "that is picked among them is no longer held out."
            )
        )
    return Section("Checks", blocks)


def _read(facts: _Facts) -> Section:
    own = facts.sentences
    source = f"{own['dataset']} at {own['revision']}" if own["revision"] else own["dataset"]
    lines = (
        f"{source}, solutions of {own['written_by']}, {own['correct']} of {own['problems']} right.",
        f"Sign: the published {facts.config.labels.estimator} importances are turned so that above "
        "0 the sentence helps.",
        f"Files of each problem, hashed: column digest of {PROBLEMS}.",
        *(read_lines(facts.reading, facts.config) if facts.config.activations else ()),
    )
    return Section(
        "What was read",
        [
            Bullets(lines),
            Paragraph("The config of this run, complete:"),
            Code(dump_yaml(facts.config), "yaml"),
        ],
    )
