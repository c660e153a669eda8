"""Judge saved scores of a numeric label, as `judging.py` does for a yes or no."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydantic import TypeAdapter

from augury.evaluate.number_contract import judge_numbers
from augury.evaluate.number_records import NumberResult
from augury.evaluate.number_table import number_row
from augury.evaluate.predictions import Columns, read_predictions
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
    results = judge_numbers(
        rows.number_cells(),
        headline=config.headline,
        draws=config.draws,
        permutations=config.permutations,
        seed=config.seed,
        alpha=config.alpha,
    )
    how = (f"headline {config.headline}", *settings_of(columns, config))
    lines = [*text_table(_COLUMNS, [_row(result) for result in results]), *how]
    reasons = dict.fromkeys(result.why for result in results if result.p is None)
    lines += [f"insufficient data: {reason}" for reason in reasons]
    if folder is not None:
        lines += [str(written) for written in _write(folder, results, str(path), how)]
    return lines


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
