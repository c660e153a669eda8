"""Stage `report`: answer the key questions from the stored results, and from nothing else."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from augury.config import dump_yaml, load_config
from augury.evaluate.records import CellResult
from augury.evaluate.stored import read_results
from augury.report.blocks import (
    Bullets,
    Callout,
    Code,
    FigureRef,
    Link,
    Paragraph,
    Section,
    Table,
)
from augury.report.page import page, write_page
from augury.runs.folder import Run, stored_facts
from augury.studies.backtracking_lag.activations import DOCTOR
from augury.studies.backtracking_lag.conclusion import answers, conclude_label
from augury.studies.backtracking_lag.config import BacktrackingLagConfig
from augury.studies.backtracking_lag.evaluation import CELLS, CSV, SUMMARY
from augury.studies.backtracking_lag.figures import VIEW, figure_folder
from augury.studies.backtracking_lag.probes import PROBES
from augury.studies.backtracking_lag.traces import FACTS
from augury.studies.backtracking_lag.trust import reliability_section, selectivity_section
from augury.studies.bundles import probe_folder
from augury.studies.openings import openings

__all__ = ["conclude", "write_report"]

_FIGURES = (
    ("heatmap_average_precision", "Average precision by site and horizon"),
    ("lineplot_average_precision", "Average precision against horizon, with baselines"),
    ("heatmap_auroc", "AUROC by site and horizon"),
    ("lineplot_auroc", "AUROC against horizon"),
    ("heatmap_f1", "F1 by site and horizon"),
    ("lineplot_f1", "F1 against horizon"),
    ("heatmap_accuracy", "Balanced accuracy by site and horizon"),
    ("comparison_metrics", "F1, balanced accuracy, AUROC and average precision side by side"),
    ("class_balance", "Share of positive tokens by horizon and split"),
)


class _Facts:
    """Everything that the report is made of, read once."""

    def __init__(self, run: Run, config: BacktrackingLagConfig) -> None:
        self.run, self.config = run, config
        self.results = read_results(run.path / CELLS)
        self.traces = _json(run.path / FACTS)
        self.doctor = _json(run.path / DOCTOR)
        self.probes = _json(run.path / PROBES)
        self.summary = _json(run.path / SUMMARY)
        self.run_facts = stored_facts(run)
        self.conclusions = [
            conclude_label(self.results, label, own_text=config.on_policy)
            for label in config.targets.labels
        ]


def write_report(run: Run, config: BacktrackingLagConfig) -> dict[str, object]:
    """Write `report.html` and `report.md`."""
    facts = _Facts(run, config)
    verdict = [line for c in facts.conclusions for line in (c.headline, *c.lines)]
    sections = [_limits(facts)]
    for label in config.targets.labels:
        sections += _label_sections(facts, label)
    sections += [_honesty(facts), _read(facts), _reuse(facts)]
    rendered = page(
        "Can it be predicted before it happens?",
        sections,
        folder=run.path,
        verdict=verdict,
        lead=_lead(facts),
    )
    write_page(rendered, run.path)
    return {"verdicts": [c.headline for c in facts.conclusions]}


def conclude(run: Run) -> Sequence[str]:
    """The lines that end the command: three of verdict per label, and where the report is."""
    config = load_config(BacktrackingLagConfig, run.config_path)
    facts = _Facts(run, config)
    lines = []
    for conclusion in facts.conclusions:
        lines += [f"verdict {conclusion.headline}", *(f"  {line}" for line in conclusion.lines)]
    for wire in facts.summary["tripwires"]:
        if not wire["passed"]:
            lines.append(f"caution tripwire '{wire['name']}' failed: {wire['detail']}")
    return [*lines, f"report  {run.path / 'report.html'}"]


def _json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def _lead(facts: _Facts) -> str:
    model, traces = facts.config.model.name, facts.traces
    policy = "its own text" if facts.config.on_policy else "text that another model wrote"
    return (
        f"{Path(model).name} reads {policy}: {traces['chains']} chains of {traces['groups']} "
        f"problems, {traces['rows']} tokens. Probes on {len(facts.config.reading.sites)} sites and "
        f"{len(facts.config.targets.horizons)} horizons, judged on problems they never saw."
    )


def _limits(facts: _Facts) -> Section:
    config, lines = facts.config, []
    if not config.on_policy:
        lines.append(
            "Off-policy: the model reads text that it did not write, so nothing here says that it "
            "plans ahead; at most, that it could tell where such a text is going."
        )
    lines.append("Readable is not causal: whether the model uses these directions was not tested.")
    if config.model.name == "organism":
        lines.append(
            "The embedded model is a small trained model of word problems, not a model of English. "
            "Its results show that the method works; they say nothing about large models."
        )
    if config.targets.kind == "span":
        lines.append(
            "Span target: a 'future' positive may lie inside an event that has already begun; the "
            "share of these is given below. Use kind 'point' to ask about what comes."
        )
    for wire in facts.summary["tripwires"]:
        if not wire["passed"]:
            lines.append(f"Tripwire failed: {wire['name']} ({wire['detail']}).")
    return Section("What this can and cannot show", [Callout("caution", "Limits", tuple(lines))])


def _label_sections(facts: _Facts, label: str) -> list[Section]:
    cells = [c for c in facts.results if c.label == label]
    folder = figure_folder(facts.config, label)
    questions = [
        block
        for question, answer in answers(facts.results, label)
        for block in (Paragraph(question), Bullets((answer,)))
    ]
    pictures = [FigureRef(name, alt, folder) for name, alt in _FIGURES]
    shown: list[Any] = list(pictures[:2])
    if (facts.run.path / folder / VIEW).exists():
        shown.append(
            Link("Best and worst validation chains, coloured token by token", f"{folder}/{VIEW}")
        )
    return [
        Section(f"Key questions: {label}", questions),
        Section(f"Where and how early: {label}", [*shown, _cell_table(cells)]),
        Section(f"Against the baselines: {label}", [_baseline_table(cells), *_truth(facts, label)]),
        selectivity_section(cells, crossed=facts.config.split.crossed),
        reliability_section(cells, folder),
        Section(f"All figures: {label}", pictures[2:]),
    ]


def _cell_table(cells: Sequence[CellResult]) -> Table:
    ordered = sorted(
        cells, key=lambda c: (-c.horizon, -(c.validation.average_precision.value or 0))
    )
    best: dict[int, CellResult] = {}
    for cell in ordered:
        best.setdefault(cell.horizon, cell)
    rows = tuple(
        (
            cell.horizon,
            cell.lag,
            cell.site,
            cell.average_precision.value,
            _range(cell.interval),
            cell.auroc.value,
            cell.test.positives,
            cell.test.positive_groups,
            cell.p_corrected,
            cell.verdict,
        )
        for cell in best.values()
    )
    return Table(
        ("horizon", "lag", "site", "AP", "95 %", "AUROC", "positives", "groups", "p", "verdict"),
        rows,
        caption="The best site on validation at each horizon, scored on test. h > 0 looks ahead. "
        f"p is corrected for the whole grid. All cells: {CSV}.",
    )


def _range(interval: object) -> str | None:
    if interval is None:
        return None
    return f"{interval.low:.3f} to {interval.high:.3f}"  # type: ignore[attr-defined]


def _baseline_table(cells: Sequence[CellResult]) -> Table:
    by_horizon: dict[int, CellResult] = {}
    for cell in sorted(cells, key=lambda c: -(c.validation.average_precision.value or 0)):
        by_horizon.setdefault(cell.horizon, cell)
    horizons = sorted(by_horizon, reverse=True)
    best = [by_horizon[h] for h in horizons]
    names = list(dict.fromkeys(name for cell in best for name in cell.baselines))
    rows = (
        ("probe", *(cell.average_precision.value for cell in best)),
        *((n, *(cell.baselines[n].ap.value for cell in best)) for n in names),
        ("sure lead", *(cell.difference_low_simultaneous for cell in best)),
    )
    return Table(
        ("horizon", *(f"h={h}" for h in horizons)),
        rows,
        caption="Average precision on the same test rows. Baselines never see activations, are "
        "fitted on the same groups, and every one of them has to be beaten; earlier_events too, "
        "which is told the events before the token. Sure lead: smallest lower bound of the "
        "probe's lead over any of them, valid for all cells at once.",
        strong=frozenset({0, len(rows) - 1}),
    )


def _truth(facts: _Facts, label: str) -> list[Any]:
    found = facts.summary["references"].get(label)
    if not found:
        return []
    horizons = facts.config.targets.horizons
    rows = tuple(
        (h, *(values[i] for values in found.values()))
        for i, h in sorted(enumerate(horizons), key=lambda pair: -pair[1])
    )
    conclusion = next(c for c in facts.conclusions if c.label == label)
    agrees = (
        "The verdict agrees with it."
        if label != "backtracking" or conclusion.ahead is not None
        else "The verdict above does not find it: too few chains, or a model that does not know."
    )
    return [
        Table(
            ("horizon", *(f"told the {name}" for name in found)),
            rows,
            caption="Average precision of a predictor that is told the truth, on the same rows.",
        ),
        Paragraph(
            "What is true here is known: the grammar records every slip, and most backtracks "
            "follow one after a delay, so before the onset there is something to be read that the "
            f"last words do not give away. {agrees}"
        ),
    ]


def _honesty(facts: _Facts) -> Section:
    blocks: list[Any] = []
    for label, shares in facts.probes["already_inside"].items():
        told = [
            f"h={h}: {share:.0%}"
            for h, share in zip(facts.config.targets.horizons, shares, strict=True)
            if share is not None
        ]
        if told:
            blocks.append(
                Paragraph(
                    f"{label}: with whole-span labels this share of 'future' positives would lie "
                    f"inside an event that has already begun: {', '.join(told)}."
                )
            )
    for wire in facts.summary["tripwires"]:
        state = "passed" if wire["passed"] else "FAILED"
        blocks.append(Paragraph(f"Tripwire, {wire['name']}: {state}; {wire['detail']}"))
    for name in facts.summary["tripwires_not_run"]:
        blocks.append(Paragraph(f"Tripwire, {name}: not run, there are no positive rows for it."))
    unfinished = sum(not fit["converged"] for fit in facts.probes["fits"])
    blocks.append(
        Paragraph(
            f"{len(facts.probes['fits'])} probes fitted to their optimum, {unfinished} not "
            f"converged. {_dealt(facts)} {_opened(facts.run)}"
        )
    )
    if "own_probability" not in {n for c in facts.results for n in c.baselines}:
        blocks.append(
            Paragraph(
                "Not compared with the model's own next-token probability: the plan does not "
                "read the site 'final'."
            )
        )
    return Section("Checks", blocks)


def _dealt(facts: _Facts) -> str:
    if not facts.config.split.crossed:
        return "Strength, threshold and calibration were chosen on validation."
    folds = len({fit["fold"] for fit in facts.probes["fits"]})
    return (
        f"Groups were dealt into {folds} folds: each was tested once, by probes and baselines that "
        "were fitted without it, and whose strength, threshold and calibration other groups "
        "chose. Features were scaled by their spread over all rows, which no label enters. "
        "Shuffled labels and control tasks were fitted in the first fold, whose probes are saved."
    )


def _opened(run: Run) -> str:
    times = openings(run)
    if times == 1:
        return "Test was opened once."
    return (
        f"Test was opened for {times} questions in this run, this one the last: a result that is "
        "picked among them is no longer held out."
    )


def _read(facts: _Facts) -> Section:
    traces = facts.traces
    lines = [
        f"{traces['chains']} chains in {traces['groups']} groups, {traces['tokens']} tokens, "
        f"read in {traces['parts']} pieces.",
        "Spans: " + ", ".join(f"{name} {n}" for name, n in traces["spans"].items()) + ".",
        *(
            f"{n} spans of {name} lost to the context limit."
            for name, n in traces["spans_lost"].items()
            if n
        ),
        *traces["repairs"],
    ]
    if "correct" in traces:
        lines.append(
            f"{traces['correct']:.0%} of the chains answer rightly; the grammar reads "
            f"{traces.get('grammatical', 0):.0%} of them whole."
        )
    checks = tuple(
        (
            check["name"],
            "passed" if check["passed"] else "FAILED",
            check["measured"],
            check["bound"],
        )
        for check in facts.doctor
    )
    return Section(
        "What was read",
        [
            Bullets(tuple(lines)),
            Table(("check of the reader", "", "measured", "bound"), checks),
        ],
    )


def _reuse(facts: _Facts) -> Section:
    label, site = facts.config.targets.labels[0], facts.results[0].site
    folder = probe_folder(label, site, facts.results[0].horizon)
    return Section(
        "Use it again",
        [
            Paragraph("Every probe is a folder that loads by itself and refuses another model:"),
            Code(
                "from pathlib import Path\n\nfrom augury import load_bundle\n\n"
                f'probe, card = load_bundle(Path("{folder}"))\n'
                "scores = probe.score(states)  # raw states of that site, [row, hidden]",
                "python",
            ),
            Paragraph("The config of this run, complete:"),
            Code(dump_yaml(facts.config), "yaml"),
        ],
    )
