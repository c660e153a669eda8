"""Judge saved scores of a numeric label, as `judging.py` does for a yes or no."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from pydantic import TypeAdapter

from augury.evaluate.cells import TEST
from augury.evaluate.number_contract import judge_numbers
from augury.evaluate.number_records import NumberCell, NumberResult
from augury.evaluate.number_table import number_row
from augury.evaluate.predictions import Columns, Predictions, read_predictions
from augury.probes.residual import residual
from augury.report.blocks import Bullets, Paragraph, Section, Table
from augury.report.page import page, write_page
from augury.report.tables import CellValue, write_csv
from augury.report.text_table import text_table
from augury.runs.atomic import write_bytes
from augury.studies.judging import CELLS, CSV, JudgingConfig, settings_of

__all__ = ["judge_number_file"]

_COLUMNS = (
    "score",
    "Spearman",
    "in groups",
    "95 % of headline",
    "R2",
    "top tenth",
    "rows",
    "groups",
    "best baseline",
    "its headline",
    "sure lead",
    "p",
    "verdict",
)
_MEANINGS = (
    "Spearman: rank correlation over all test rows; in groups: mean of those within groups. The "
    "headline is the one named below; interval, lead, p and verdict are about it.",
    "R2: after the line from score to value that validation fits. top tenth: share of each group's "
    "highest tenth that is among its highest tenth of scores.",
    "p: values rotated within their trace (permuted where a trace is one row), corrected for the "
    "best of all scores that were looked at; one-sided.",
)


def judge_number_file(
    path: Path, columns: Columns, config: JudgingConfig, folder: Path | None
) -> list[str]:
    """Judge every score column as one grid; lines, and with a folder CSV, JSON and a report.

    Raises:
        DataError: As `read_predictions` and `judge_numbers`.
        MissingInput: There is no such file.
    """
    rows = read_predictions(
        path, columns, validation_share=config.validation_share, seed=config.seed
    )
    cells = _residual(rows) if config.residual else rows.number_cells()
    results = judge_numbers(
        cells,
        headline=config.headline,
        draws=config.draws,
        permutations=config.permutations,
        seed=config.seed,
        alpha=config.alpha,
    )
    asked = "what a ridge regression on the baselines leaves over of the label"
    how = (
        f"headline {config.headline}",
        *((f"judged: {asked}",) if config.residual else ()),
        *settings_of(columns, config),
    )
    lines = [*text_table(_COLUMNS, [_row(result) for result in results]), *how]
    reasons = dict.fromkeys(result.why for result in results if result.p is None)
    lines += [f"insufficient data: {reason}" for reason in reasons]
    if folder is not None:
        lines += [str(written) for written in _write(folder, results, str(path), how)]
    return lines


def _residual(rows: Predictions) -> list[NumberCell]:
    """The cells with what the baselines leave over of the label in its place."""
    fitted = rows.split != TEST
    features = np.stack(list(rows.baselines.values()), axis=1)
    spread = features[fitted].std(axis=0)
    features = (features - features[fitted].mean(axis=0)) / np.where(spread > 0, spread, 1)
    return [
        replace(cell, values=residual(cell.values, features, fitted), label=f"{cell.label} left")
        for cell in rows.number_cells()
    ]


def _write(
    folder: Path, results: Sequence[NumberResult], source: str, how: tuple[str, ...]
) -> list[Path]:
    flat = [number_row(result) for result in results]
    columns = list(dict.fromkeys(key for row in flat for key in row))
    write_csv(folder / CSV, columns, [[row.get(name) for name in columns] for row in flat])
    stored = TypeAdapter(list[NumberResult]).dump_json(list(results), indent=1)
    write_bytes(folder / CELLS, stored)
    table = Table(_COLUMNS, tuple(_row(result) for result in results))
    rendered = page(
        "What do these scores say?",
        [
            Section("Scores", [table, Bullets(_MEANINGS)]),
            Section("How they were judged", [Paragraph(source), Bullets(how)]),
        ],
        folder=folder,
        verdict=[f"{result.site}: {result.verdict} ({result.why})" for result in results[:12]],
        lead=f"{len(results)} scores, judged from saved predictions; no model was run.",
    )
    return [folder / CSV, folder / CELLS, *write_page(rendered, folder)]


def _row(result: NumberResult) -> tuple[CellValue, ...]:
    test, held, best = result.test, result.interval, result.best_baseline
    return (
        result.site,
        test.spearman.value,
        test.group_spearman.value,
        f"{held.low:.3f} to {held.high:.3f}" if held else None,
        test.r2.value,
        test.top_recall.value,
        test.rows,
        test.groups,
        best,
        result.baselines[best].headline.value if best else None,
        result.difference_low_simultaneous,
        result.p_corrected,
        result.verdict,
    )
