"""Step `make-report`: what was found, from the stored results and from nothing else."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from augury.config import dump_yaml, load_config
from augury.report.blocks import Bullets, Callout, Code, FigureRef, Paragraph, Section, Table
from augury.report.page import page, write_page
from augury.runs.folder import Run
from augury.studies.state_transition.conclusion import Hypothesis, answers
from augury.studies.state_transition.config import StateTransitionConfig
from augury.studies.state_transition.facts import Facts, keep, read_facts
from augury.studies.state_transition.figures import FIGURES, draw

__all__ = ["conclude", "make_report"]

_ALT = dict(FIGURES)


def make_report(run: Run, config: StateTransitionConfig) -> dict[str, object]:
    """Draw the figures and write `report.html` and `report.md`."""
    facts = read_facts(run, config)
    draw(run, facts)
    found = answers(facts.by_step)
    sections = [
        _limits(facts),
        _hypotheses(found),
        _generated(facts),
        _detected(facts),
        _lens(facts),
        _scan(facts),
        _conditions(facts),
        _formats(facts),
        _steering(facts),
        *_later(facts),
        Section("The config of this run", [Code(dump_yaml(config), "yaml")]),
    ]
    rendered = page(
        "What makes the model backtrack?",
        sections,
        folder=run.path,
        verdict=_verdict(facts, found),
        lead=_lead(facts),
    )
    write_page(rendered, run.path)
    return {"answers": {one.name: one.answer for one in found}}


def conclude(run: Run) -> Sequence[str]:
    """The lines that end the command."""
    facts = read_facts(run, load_config(StateTransitionConfig, run.config_path))
    lines = _verdict(facts, answers(facts.by_step))
    return [*(f"verdict {line}" for line in lines), f"report  {run.path / 'report.html'}"]


def _verdict(facts: Facts, found: Sequence[Hypothesis]) -> list[str]:
    steering = facts["steering"]
    lines = [f"{one.statement}: {one.answer}" for one in found]
    return [
        *lines,
        f"The direction of deciding states at {steering['site']}: {steering['verdict']}",
    ]


def _lead(facts: Facts) -> str:
    data, model = facts["prepare-data"], Path(facts.config.model.name).name
    total = sum(rate["total"] for rate in facts.summary["by_variant"].values())
    dataset = facts.config.dataset
    if dataset.source == "texts":
        writer = dataset.written_by or "an unnamed writer"
        own = "its own" if dataset.written_by == facts.config.model.name else "off-policy"
        return (
            f"{model} reads {total} texts by {writer} ({own}), {data['cut']} of them cut to its "
            "context. What is written under edits it writes itself, after their prompts."
        )
    return (
        f"{model} answers {data['problems']} problems in {len(data['variants'])} formats, "
        f"{total} texts of its own. Events are analysed in {facts.config.analysis.variant}."
    )


def _limits(facts: Facts) -> Section:
    lines = [
        "An effect is specific to events only as far as it exceeds that at controls, and causal "
        "only as far as the model still works under the edit; both stand beside every effect.",
        "Selection and report use different problems. Events are what a list of phrases finds.",
    ]
    if facts.config.model.name == "organism":
        lines.append(
            "The embedded model is a small trained model of word problems. Its results show that "
            "the method works; they say nothing about large models."
        )
    return Section("What this can and cannot show", [Callout("caution", "Limits", tuple(lines))])


def _hypotheses(found: Sequence[Hypothesis]) -> Section:
    blocks: list[Paragraph | Bullets] = []
    for one in found:
        blocks += [Paragraph(f"{one.statement}: {one.answer}."), Bullets((one.why,))]
    return Section("Hypotheses", blocks)


def _generated(facts: Facts) -> Section:
    columns = (
        "format",
        "texts",
        "ended",
        "cut",
        "mean tokens",
        "right",
        "wrong",
        "unparsed",
        "unjudged",
    )
    rows = []
    for name, rate in facts.summary["by_variant"].items():
        finish, states = rate["finish_reasons"], rate["states"]
        rows.append(
            (
                name,
                rate["total"],
                finish.get("stop", 0),
                finish.get("length", 0),
                rate["mean_tokens"],
                states["right"],
                states["wrong"],
                states["unparsed"] + states["truncated"],
                states["unjudged"],
            )
        )
    caption = (
        "Texts that were cut before an answer, or hold no number, are not counted as wrong; of "
        "unjudged ones nobody says what is right."
    )
    return Section("What was written", [Table(columns, tuple(rows), caption=caption)])


def _detected(facts: Facts) -> Section:
    found = facts.summary["backtracking_vs_accuracy"]
    onsets = ", ".join(f"{text!r} {n}" for text, n in facts.summary["onset_texts"].items())
    targets = ", ".join(repr(text) for text in facts.summary["target_ids"].values())
    within = (
        f"Within the {found['problems_with_both']} problems that were answered with and without "
        f"backtracking, accuracy differs by {found['within']:+.3f} "
        f"[{found['low']:+.3f}, {found['high']:+.3f}] (p {found['p']:.3g})."
        if found.get("within") is not None and found.get("low") is not None
        else "Within problems, backtracking cannot be compared with accuracy: "
        f"{found.get('why', 'too few problems')}."
    )
    return Section(
        "Events",
        [
            FigureRef("backtracking_rate_by_variant", _ALT["backtracking_rate_by_variant"]),
            Bullets((f"Onsets: {onsets}.", f"Target set: {targets}.")),
            FigureRef("backtracking_vs_accuracy", _ALT["backtracking_vs_accuracy"]),
            Paragraph(within),
        ],
    )


def _lens(facts: Facts) -> Section:
    found = facts["logit-lens"]
    rows = tuple(
        (
            row["site"],
            row["mean_target_logit_bt"],
            row["mean_target_logit_control"],
            row["difference"],
            _range(row["difference_low"], row["difference_high"]),
            row["p_corrected"],
            row["kl_to_model_bt"],
        )
        for row in found["sites"]
    )
    caption = (
        f"{found['pairs']} pairs of {found['groups']} problems, {found['opening']} of them at the "
        f"start of a sentence; controls stand {found['distance']:.1f} tokens away in their texts "
        f"on average; {found['unmatched']} events had none. p is corrected for all sites."
    )
    columns = ("site", "events", "controls", "difference", "95 %", "p", "KL from the model")
    return Section(
        "Where it can be seen coming",
        [
            FigureRef("wait_logit_lens_bt_vs_control", _ALT["wait_logit_lens_bt_vs_control"]),
            Table(columns, rows, caption=caption),
        ],
    )


def _scan(facts: Facts) -> Section:
    found = facts["ablation-scan"]
    chosen = set(found["selected"])
    rows = tuple(
        (
            row["site"],
            row["delta_wait_logit_mean"],
            row["delta_control_mean"],
            row["specific_selection"],
            row["specific_report"],
            _range(row["specific_low"], row["specific_high"]),
            row["p_corrected"],
            row["kl_control"],
        )
        for row in found["rows"]
    )
    strong = frozenset(n for n, row in enumerate(found["rows"]) if row["site"] in chosen)
    columns = (
        "site",
        "at events",
        "at controls",
        "specific, to select",
        "specific, to report",
        "95 %",
        "p",
        "KL at controls",
    )
    caption = (
        f"Ablation ({facts.config.analysis.scan}) at the deciding position alone. Selected on one "
        f"half of the problems: {', '.join(found['selected'])}; reported on the other "
        f"({found['report_pairs']} pairs of {found['report_groups']} problems). p is corrected for "
        f"all sub-layers. {found['calls']} hook calls; an edit that changes nothing moved the "
        f"readout by {found['nothing_moved']:.2g}."
    )
    return Section(
        "What decides",
        [
            FigureRef("ablation_importance_by_layer", _ALT["ablation_importance_by_layer"]),
            Table(columns, rows, caption=caption, strong=strong),
        ],
    )


def _conditions(facts: Facts) -> Section:
    found = facts["compare-conditions"]
    calls = found["calls"]
    lines = (
        f"Rate {found['clean_rate']:.3f} without edits, {found['own_rate']:.3f} with: "
        f"{found['effect']:+.3f} {_range(found['low'], found['high']) or ''}.",
        f"As far as {found['p_draws']:.3f} of the draws, itself among them; p against zero "
        f"{_number(found['p_zero'])}.",
        "Gates: " + "; ".join(found["gates"]) + ".",
        f"{found['random_broken']} of {len(found['random_rates'])} random ablations break it.",
        f"Hooks: {calls['ablation_calls']} calls edited, {calls['skipped_calls']} left alone "
        "(prompts).",
    )
    title = "Does taking it away take backtracking away?"
    return Section(
        title,
        [
            FigureRef("backtracking_rate_by_condition", _ALT["backtracking_rate_by_condition"]),
            Bullets(lines),
        ],
    )


def _formats(facts: Facts) -> Section:
    rows = tuple(
        (
            row["variant"],
            row["total"],
            row["backtracking_rate"],
            row["difference"],
            _range(row["low"], row["high"]),
            row["p_corrected"],
            row["accuracy"],
        )
        for row in facts["formatting-sweep"]["rows"]
    )
    columns = ("format", "texts", "rate", "difference", "95 %", "p", "accuracy")
    caption = "Differences are paired within problems; prompts of different formats differ in ids."
    return Section(
        "Does the format matter?",
        [
            FigureRef(
                "formatting_effect_on_backtracking", _ALT["formatting_effect_on_backtracking"]
            ),
            Table(columns, rows, caption=caption),
        ],
    )


def _steering(facts: Facts) -> Section:
    found = facts["steering"]
    curve = tuple(
        (
            row["edit"],
            row["dose"],
            row["backtracking_rate"],
            row["effect"],
            row["accuracy"],
            _failed(row["gates"]),
        )
        for row in found["curve"]
    )
    tests = tuple(
        (
            name,
            test["effect"],
            _range((test["interval"] or {}).get("low"), (test["interval"] or {}).get("high")),
            test["largest_draw"],
            test["draws"],
            test["p_draws"],
        )
        for name, test in found["tests"].items()
    )
    readable = found["readable"]
    told = (
        f"Difference of mean deciding states at {found['site']}, fitted on one half of the "
        f"problems; on the other it is larger at the event in {readable['share']:.0%} of "
        f"{readable['pairs']:.0f} pairs (p {_number(readable['p'])}). {found['verdict']}: "
        f"{found['why']}."
    )
    return Section(
        "Is the direction causal?",
        [
            FigureRef("steering_dose_curve", _ALT["steering_dose_curve"]),
            Paragraph(told),
            Table(("edit", "dose", "rate", "effect", "accuracy", "gates"), curve),
            Table(
                ("against", "effect", "95 %", "largest draw", "draws", "share as far"),
                tests,
                caption="On the half of the problems on which the dose was not chosen.",
            ),
        ],
    )


def _later(facts: Facts) -> list[Section]:
    """What the later steps found, as far as they were taken."""
    blocks: list[Paragraph | Table] = []
    for step, name in (("subset-sweep", "part"), ("scale-sweep", "scale")):
        path = facts.run.path / keep(step)
        if path.is_file():
            rows = tuple(
                (
                    row["subset_name"] if name == "part" else row["scale"],
                    row["backtracking_rate"],
                    row["change"],
                    _range(row["low"], row["high"]),
                    row["accuracy"],
                    _failed(row["gates"]),
                )
                for row in json.loads(path.read_text(encoding="utf-8"))["rows"]
            )
            columns = (name, "rate", "change", "95 %", "accuracy", "gates")
            blocks.append(Table(columns, rows, caption=f"{step}: while the model writes."))
    path = facts.run.path / keep("continuation-ablation")
    if path.is_file():
        continued = tuple(
            (
                row["scale"],
                row["event_rate"],
                row["control_rate"],
                row["specific"],
                _range(row["low"], row["high"]),
            )
            for row in json.loads(path.read_text(encoding="utf-8"))["rows"]
        )
        blocks.append(
            Table(
                ("scale", "at events", "at controls", "specific change", "95 %"),
                continued,
                caption="continuation-ablation: from the deciding position on, how often a trigger "
                f"comes within {facts.config.sweeps.continuation_tokens} tokens.",
            )
        )
    return [Section("Parts, weaker ablations, continuations", blocks)] if blocks else []


def _failed(told: str) -> str:
    """Gates that failed, in a line."""
    failed = [gate for gate in told.split("; ") if "FAILED" in gate]
    return "; ".join(failed) if failed else "all pass"


def _range(low: Any, high: Any) -> str | None:
    return None if low is None or high is None else f"{low:+.3f} to {high:+.3f}"


def _number(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.3g}"
