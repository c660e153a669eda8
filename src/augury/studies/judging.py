"""Judge saved scores, without a model and without a study around them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field, field_validator, model_validator

from augury.config import Config
from augury.errors import UsageError
from augury.evaluate.contract import judge_grid
from augury.evaluate.isotonic import CalibrationKind
from augury.evaluate.number_records import Headline
from augury.evaluate.predictions import Columns, read_predictions
from augury.evaluate.records import CellResult
from augury.evaluate.stored import write_results
from augury.evaluate.table import result_row
from augury.report.blocks import Bullets, Paragraph, Section, Table
from augury.report.page import page, write_page
from augury.report.tables import CellValue, write_csv
from augury.report.text_table import text_table
from augury.studies.registry import find_study

__all__ = [
    "CELLS",
    "CSV",
    "Judgement",
    "JudgingConfig",
    "judge_file",
    "judge_run",
    "lines_of",
    "report_judgement",
    "settings_of",
    "write_judgement",
]

CSV, CELLS = "results.csv", "cells.json"
_COLUMNS = (
    "score",
    "horizon",
    "AP",
    "95 %",
    "AUROC",
    "AP in groups",
    "positives",
    "groups",
    "best baseline",
    "its AP",
    "sure lead",
    "p",
    "verdict",
)
_MEANINGS = (
    "AP: average precision on test rows; 95 %: interval from resampled groups, none under 10 "
    "groups with positives.",
    "AP in groups: mean over groups of the average precision within the group.",
    "sure lead: smallest lower bound of the lead over any baseline, valid for all scores at once.",
    "p: labels rotated within their trace (permuted where a trace is one row), corrected for the "
    "best of all scores that were looked at. Scores that were looked at and left out make it too "
    "small.",
    "Threshold and calibration were chosen on validation rows. Whether the scores were made "
    "without the test rows cannot be seen from a file.",
)


class JudgingConfig(Config):
    """How saved scores are judged."""

    validation_share: float = Field(0.3, gt=0, lt=1)
    """Share of traces for validation, where the file names no splits."""

    draws: int = Field(1000, ge=2)
    """Bootstrap draws of groups."""

    permutations: int = Field(1000, ge=1)
    """Rotations of the labels."""

    alpha: float = Field(0.05, gt=0, lt=1)
    """Family-wise error rate of p values and lower bounds."""

    calibration: CalibrationKind = "platt"
    """How scores become probabilities, fitted on validation."""

    headline: Headline = "spearman"
    """For a numeric label: what interval, lead, p and verdict are about. `group_spearman` asks for
    the order within groups alone."""

    seed: int = Field(0, ge=0)
    """Of draws, rotations and the deal of groups."""

    split: str | None = None
    """Column: `train`, `validation` or `test`. Without it, groups are dealt to the last two."""

    trace: str | None = None
    """Column: the text that the row is from, its rows in order; the group where not given."""

    baselines: tuple[str, ...] = ()
    """Columns of scores that saw no hidden state."""

    continuous: bool = False
    """The label is a number: rank correlation is judged."""

    residual: bool = False
    """For a numeric label: judge what a ridge regression on the baselines, fitted on all but test
    rows, leaves over of it."""

    @field_validator("baselines", mode="before")
    @classmethod
    def _one_or_many(cls, value: object) -> object:
        if isinstance(value, str):
            return (value,)
        # Behind this validator a list is no longer taken for a tuple.
        return tuple(value) if isinstance(value, list) else value

    @model_validator(mode="after")
    def _numbers_only(self) -> JudgingConfig:
        if self.residual and not (self.continuous and self.baselines):
            raise ValueError("residual needs continuous=true and baselines to take away")
        return self

    def columns(self, group: str, label: str, scores: Sequence[str]) -> Columns:
        """The columns of a file, those of the config among them."""
        return Columns(
            group=group,
            label=label,
            scores=tuple(scores),
            split=self.split,
            trace=self.trace,
            baselines=self.baselines,
            continuous=self.continuous,
        )


@dataclass(frozen=True, slots=True)
class Judgement:
    """Judged scores, and how they were judged."""

    results: Sequence[CellResult]
    """One per cell."""

    source: str
    """Where the scores are from."""

    how: tuple[str, ...]
    """Settings, a line each."""


def judge_file(path: Path, columns: Columns, config: JudgingConfig) -> Judgement:
    """Judge every score column of a Parquet file as one grid.

    Raises:
        DataError: As `read_predictions` and `judge_grid`.
        MissingInput: There is no such file.
    """
    rows = read_predictions(
        path, columns, validation_share=config.validation_share, seed=config.seed
    )
    results = judge_grid(
        rows.cells(),
        draws=config.draws,
        permutations=config.permutations,
        seed=config.seed,
        alpha=config.alpha,
        calibration=config.calibration,
    )
    return Judgement(results, str(path), settings_of(columns, config))


def settings_of(columns: Columns, config: JudgingConfig) -> tuple[str, ...]:
    """How a file was judged, a line for each setting."""
    dealt = f"{config.validation_share:g} of the traces dealt to validation by group, the rest test"
    return (
        f"group {columns.group}, label {columns.label}, trace {columns.trace or columns.group}",
        f"split: {columns.split or dealt}",
        f"{config.draws} draws, {config.permutations} permutations, alpha {config.alpha:g}, "
        f"seed {config.seed}, calibration {config.calibration}",
    )


def judge_run(study: str, root: Path, name: str) -> Judgement:
    """Judge the saved scores of a run again, with its own settings.

    Raises:
        UsageError: Runs of this study save no scores.
        CheckFailed: The results are not the stored ones.
    """
    recipe = find_study(study)
    if recipe.judge is None:
        raise UsageError(f"study {study}", found="its runs save no scores", expected="scores")
    run, config = recipe.open(root, name)
    results = recipe.judge(run, config)
    how = (
        "settings of the run, see its config.yaml",
        f"{len(results)} cells agree with the stored results",
    )
    return Judgement(results, str(run.path), how)


def report_judgement(judgement: Judgement, folder: Path | None) -> list[str]:
    """Lines for a terminal; with a folder, CSV, JSON and a report are written too."""
    lines = [*lines_of(judgement.results), *judgement.how]
    if folder is not None:
        lines += [str(path) for path in write_judgement(folder, judgement)]
    return lines


def lines_of(results: Sequence[CellResult]) -> list[str]:
    """The results as a table for a terminal, one line per cell; on which rows, and why not."""
    # scores of a file have no horizon
    shown = [n for n, c in enumerate(_COLUMNS) if c != "horizon" or any(r.horizon for r in results)]
    rows = [tuple(_row(result)[n] for n in shown) for result in results]
    lines = text_table(tuple(_COLUMNS[n] for n in shown), rows)
    reasons = dict.fromkeys(result.why for result in results if result.p is None)
    return [
        *lines,
        *(f"insufficient data: {reason}" for reason in reasons),
        *dict.fromkeys(map(_tested, results)),
        f"baselines: {', '.join(dict.fromkeys(n for r in results for n in r.baselines))}",
    ]


def _tested(result: CellResult) -> str:
    """The rows that a result is of."""
    test, name = result.test, f"h={result.horizon}: " if result.horizon else ""
    share = "" if test.prevalence is None else f", {test.prevalence:.3g} of them positive"
    return f"{name}judged on {test.rows} test rows of {test.groups} groups{share}"


def write_judgement(folder: Path, judgement: Judgement) -> list[Path]:
    """Write `results.csv`, `cells.json`, `report.html` and `report.md`; returns their paths.

    The folder is created where missing; files of these names are replaced.
    """
    results = judgement.results
    rows = [result_row(result) for result in results]
    columns = list(dict.fromkeys(key for row in rows for key in row))
    write_csv(folder / CSV, columns, [[row.get(name) for name in columns] for row in rows])
    write_results(folder / CELLS, results)
    names = list(dict.fromkeys(name for result in results for name in result.baselines))
    rendered = page(
        "What do these scores say?",
        [
            Section("Scores", [Table(_COLUMNS, tuple(map(_row, results))), Bullets(_MEANINGS)]),
            Section("Against the baselines", [_baselines(results, names)]),
            *([stated] if (stated := _stated(results)).blocks else []),
            Section("How they were judged", [Paragraph(judgement.source), Bullets(judgement.how)]),
        ],
        folder=folder,
        verdict=[f"{r.site}, horizon {r.horizon}: {r.verdict} ({r.why})" for r in results[:12]],
        lead=f"{len(results)} scores, judged from saved predictions; no model was run.",
    )
    return [folder / CSV, folder / CELLS, *write_page(rendered, folder)]


def _stated(results: Sequence[CellResult]) -> Section:
    """What calibrated probabilities state and what held, a table for each score that has any."""
    tables = [
        Table(
            ("rows", "stated", "observed"),
            tuple((each.rows, each.stated, each.observed) for each in result.reliability),
            caption=f"{result.site}: test rows by rising probability, in bins of equal mass. "
            f"Calibration error {result.calibration_error}.",
        )
        for result in results
        if result.reliability
    ]
    return Section("Stated and observed", tables)


def _row(result: CellResult) -> tuple[CellValue, ...]:
    best = result.best_baseline
    return (
        result.site,
        result.horizon,
        result.average_precision.value,
        _range(result),
        result.auroc.value,
        result.test.group_average_precision.value,
        result.test.positives,
        result.test.positive_groups,
        best,
        result.baselines[best].ap.value if best else None,
        result.difference_low_simultaneous,
        result.p_corrected,
        result.verdict,
    )


def _range(result: CellResult) -> str | None:
    found = result.interval
    return f"{found.low:.3f} to {found.high:.3f}" if found else None


def _baselines(results: Sequence[CellResult], names: Sequence[str]) -> Table:
    rows = tuple(
        (
            result.site,
            result.horizon,
            result.average_precision.value,
            *(result.baselines[n].ap.value if n in result.baselines else None for n in names),
        )
        for result in results
    )
    return Table(
        ("score", "horizon", "AP", *names),
        rows,
        caption="Average precision on the same test rows. `prevalence` is one score for all rows; "
        "`position` is the place in the trace.",
    )
