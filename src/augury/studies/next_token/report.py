"""Stage `report`: the sweep in figures, tables and words, from the stored results alone."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from augury.config import dump_yaml, load_config
from augury.evaluate.stored import read_results
from augury.report.blocks import (
    Block,
    Bullets,
    Callout,
    Code,
    FigureRef,
    Link,
    Paragraph,
    Section,
    Table,
)
from augury.report.figures import save
from augury.report.page import page, write_page
from augury.report.text_table import text_table
from augury.runs.folder import Run
from augury.studies.bundles import probe_folder
from augury.studies.next_token.activations import DOCTOR
from augury.studies.next_token.conclusion import (
    COLUMNS,
    best_site,
    sweep_rows,
    told,
    verdict_lines,
    why_trivial,
)
from augury.studies.next_token.config import NextTokenConfig
from augury.studies.next_token.figures import sweep_figures
from augury.studies.next_token.inspect import INSPECTION_TEXT
from augury.studies.next_token.judge import CELLS, CSV, SITES, SUMMARY
from augury.studies.next_token.prepare import FACTS
from augury.studies.next_token.sites import PROBE, SiteResult, read_sites
from augury.studies.next_token.train import CEILING, FITS
from augury.studies.next_token.views import VIEW
from augury.studies.openings import openings

__all__ = ["conclude", "sweep_lines", "write_report"]

_MEANINGS = (
    "balanced accuracy: mean of the shares of rows with and without the target that are told "
    "rightly, on test rows at natural prevalence, at the threshold that was best on validation; "
    "0.5 is chance.",
    "bigram: the same of a predictor that knows the current token and nothing else.",
    "ceiling: the same of the model's own probability of the target. No probe has to beat it, and "
    "one that comes near reads what the model will say.",
    "agreement: Cohen's kappa of the probe's and the model's own decisions.",
    "AP: average precision; p: labels rotated within their passage, corrected for all sites and "
    "horizons; in brackets 95 % intervals.",
)


class _Facts:
    """Everything that the report is made of, read once."""

    def __init__(self, run: Run, config: NextTokenConfig) -> None:
        self.run, self.config = run, config
        self.results = read_results(run.path / CELLS)
        self.sites = read_sites(run.path / SITES)
        self.books, self.doctor = _json(run.path / FACTS), _json(run.path / DOCTOR)
        self.fits, self.summary = _json(run.path / FITS), _json(run.path / SUMMARY)
        self.horizons = list(dict.fromkeys(cell.horizon for cell in self.results))

    def verdict(self) -> list[str]:
        """The lines of every horizon, the next token first."""
        return [
            line
            for horizon in sorted(self.horizons, key=lambda h: h != 1)
            for line in verdict_lines(self.results, self.sites, horizon)
        ]


def write_report(run: Run, config: NextTokenConfig) -> dict[str, object]:
    """Draw the figures, and write `report.html` and `report.md`."""
    facts = _Facts(run, config)
    folder = run.path / "figures"
    figures = sweep_figures(facts.results, facts.sites)
    for name, figure in figures.items():
        save(figure, folder, name)
    sections = [
        _limits(facts),
        *(_sweep(facts, horizon, list(figures)) for horizon in facts.horizons),
        _stated(facts),
        _checks(facts),
        _read(facts),
        _reuse(facts),
    ]
    rendered = page(
        f"Where does the model know that the token is {config.targets.label}?",
        sections,
        folder=run.path,
        verdict=facts.verdict(),
        lead=f"{Path(config.model.name).name} reads {facts.books['books']} books, "
        f"{facts.books['tokens']} tokens; probes at {len(facts.results) // len(facts.horizons)} "
        "sites, judged on books they never saw.",
    )
    write_page(rendered, run.path)
    pairs = facts.results, facts.sites
    return {"verdicts": [verdict_lines(*pairs, horizon)[0] for horizon in facts.horizons]}


def conclude(run: Run) -> Sequence[str]:
    """The lines that end the command."""
    facts = _Facts(run, load_config(NextTokenConfig, run.config_path))
    lines = []
    for horizon in sorted(facts.horizons, key=lambda h: h != 1):
        first, *rest = verdict_lines(facts.results, facts.sites, horizon)
        lines += [f"verdict {first}", *(f"  {line}" for line in rest)]
    for wire in facts.summary["tripwires"]:
        if not wire["passed"]:
            lines.append(f"caution tripwire '{wire['name']}' failed: {wire['detail']}")
    judged = any(cell.interval is not None for cell in facts.results)
    if not judged and facts.config.evaluation.unit == "book":
        lines.append(
            f"advice  {facts.books['books']} books are too few for intervals over books: read "
            "more, or rest intervals on passages of the test books with -o evaluation.unit=passage"
        )
    view = run.path / VIEW
    return [*lines, f"view    {view}", f"report  {run.path / 'report.html'}"]


def sweep_lines(run: Run) -> Sequence[str]:
    """The tables of the sweep for a terminal, a horizon after the other."""
    facts = _Facts(run, load_config(NextTokenConfig, run.config_path))
    lines: list[str] = []
    for horizon in facts.horizons:
        lines += [f"horizon {horizon}", *text_table(COLUMNS, _rows(facts, horizon)), ""]
    return [*lines, str(run.path / CSV)]


def _rows(facts: _Facts, horizon: int) -> list[tuple[Any, ...]]:
    return sweep_rows(facts.results, facts.sites, horizon)


def _json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def _limits(facts: _Facts) -> Section:
    config = facts.config
    lines = [
        "Readable is not causal: whether the model uses these directions was not tested.",
        "A person, or a program, wrote these books: the model reads what it did not write.",
    ]
    if config.evaluation.unit == "passage":
        books = facts.books["books"]
        lines.append(
            f"Intervals rest on passages of the test books, of {books} books in all: they say how "
            "sure a number is for these books, and nothing about other books."
        )
    if config.targets.labels == "model":
        lines.append(
            "The target is the token that the model itself finds most likely, not the one that "
            "stands in the text."
        )
    if config.model.name == "organism":
        lines.append(
            "The embedded model is a small trained model of word problems, not a model of English."
        )
    for wire in facts.summary["tripwires"]:
        if not wire["passed"]:
            lines.append(f"Tripwire failed: {wire['name']} ({wire['detail']}).")
    return Section("What this can and cannot show", [Callout("caution", "Limits", tuple(lines))])


def _sweep(facts: _Facts, horizon: int, figures: Sequence[str]) -> Section:
    asked = {0: "The current token", 1: "The next token"}.get(horizon, f"The token {horizon:+d}")
    blocks: list[Block] = []
    if horizon == 0 and (trivial := why_trivial(facts.results, facts.sites)):
        blocks.append(Callout("note", "Why this is trivial", (trivial,)))
    blocks += [
        FigureRef(name, f"{asked}: {name.split('_h')[0].replace('_', ' ')} by site")
        for name in figures
        if name.endswith(f"_h{horizon}")
    ]
    blocks.append(Table(COLUMNS, tuple(_rows(facts, horizon)), caption=f"All numbers: {CSV}."))
    if horizon == facts.horizons[0]:
        blocks.append(Bullets(_MEANINGS))
    blocks.append(_confusion(facts, horizon))
    return Section(f"{asked}, site by site", blocks)


def _confusion(facts: _Facts, horizon: int) -> Table:
    _, best = best_site(facts.results, facts.sites, horizon)
    rows = tuple(
        (
            {PROBE: f"probe at {best.site}", CEILING: "the model itself"}.get(name, name),
            made.true_positives,
            made.false_negatives,
            made.true_negatives,
            made.false_positives,
            made.recall,
            made.specificity,
            told(made),
        )
        for name, made in best.decisions.items()
    )
    return Table(
        (
            "decider",
            "found",
            "missed",
            "refused",
            "false alarms",
            "recall",
            "specificity",
            "balanced accuracy",
        ),
        rows,
        caption="Confusion counts on test rows. A decider that always says yes, or always no, has "
        "a balanced accuracy of 0.5.",
    )


def _stated(facts: _Facts) -> Section:
    horizon = 1 if 1 in facts.horizons else facts.horizons[0]
    cell, best = best_site(facts.results, facts.sites, horizon)
    rows = tuple(
        (
            each.name,
            each.mean,
            cell.test.prevalence,
            each.excess,
            f"{each.interval.low:+.4f} to {each.interval.high:+.4f}" if each.interval else None,
            each.calibration_error.value,
            each.brier.value,
        )
        for each in best.stated
    )
    return Section(
        "What the probabilities are worth",
        [
            Paragraph(
                f"The probe was fitted on rows of which {_share(facts, best)} were positive, and "
                "is used on text where few are. As fitted it promises the target everywhere; the "
                "token view shows the probability that was calibrated on validation."
            ),
            Table(
                ("probability", "mean stated", "happened", "excess", "95 %", "ECE", "Brier"),
                rows,
                caption=f"{best.site}, horizon {horizon}, on test rows at natural prevalence.",
            ),
            *([Link("The text, coloured token by token", VIEW)] if _drawn(facts) else []),
        ],
    )


def _share(facts: _Facts, site: SiteResult) -> str:
    number = facts.config.targets.horizons.index(site.horizon)
    share = facts.fits["fitted_share"][number]
    return "none" if share is None else f"{share:.1%}"


def _drawn(facts: _Facts) -> bool:
    return (facts.run.path / VIEW).is_file()


def _checks(facts: _Facts) -> Section:
    blocks: list[Block] = []
    for wire in facts.summary["tripwires"]:
        state = "passed" if wire["passed"] else "FAILED"
        blocks.append(Paragraph(f"Tripwire, {wire['name']}: {state}; {wire['detail']}"))
    for name in facts.summary["tripwires_not_run"]:
        blocks.append(Paragraph(f"Tripwire, {name}: not run, there are no positive rows for it."))
    fits = facts.fits["fits"]
    unfinished = sum(not fit["converged"] for fit in fits)
    times = openings(facts.run)
    opened = "once" if times == 1 else f"for {times} questions in this run, this one the last"
    blocks.append(
        Paragraph(
            f"{len(fits)} probes fitted to their optimum on {facts.fits['rows']} training rows, "
            f"{unfinished} not converged. Strength, thresholds and calibration were chosen on "
            f"validation books. Test was opened {opened}."
        )
    )
    rows = tuple(
        (
            check["name"],
            "passed" if check["passed"] else "FAILED",
            check["measured"],
            check["bound"],
        )
        for check in facts.doctor
    )
    blocks.append(Table(("check of the reader", "", "measured", "bound"), rows))
    return Section("Checks", blocks)


def _read(facts: _Facts) -> Section:
    text = (facts.run.path / INSPECTION_TEXT).read_text(encoding="utf-8")
    return Section("What was read", [Code(text.rstrip("\n"))])


def _reuse(facts: _Facts) -> Section:
    cell, _ = best_site(facts.results, facts.sites, facts.horizons[0])
    folder = probe_folder(cell.label, cell.site, cell.horizon)
    return Section(
        "Use it again",
        [
            Paragraph("Colour any text by these probes; the page shows itself in a notebook:"),
            Code(
                "import augury\n\n"
                f'augury.view("Some text of yours.", "probes", '
                f"context={facts.config.books.context})",
                "python",
            ),
            Paragraph("Every probe is a folder that loads by itself and refuses another model:"),
            Code(f'probe, card = augury.load_bundle("{folder}")', "python"),
            Paragraph("The config of this run, complete:"),
            Code(dump_yaml(facts.config), "yaml"),
        ],
    )
