"""The scaling matrix: models x settings, each with what its best predictor reaches.

The metric follows the target: average precision for yes and no, Spearman for numbers, both within
groups. Of several predictors, configs or runs of one cell the best on validation stands there;
those that see no hidden state are a yardstick beside it, and never the best.
"""

from __future__ import annotations

from collections.abc import Sequence

from augury.activations.inventory import describe, find_stores
from augury.evaluate.standing import Standing
from augury.report.tables import CellValue
from augury.runs.folder import Run, stored_facts
from augury.studies.registry import find_study
from augury.sweeps.entries import mean_interval, mean_of, paired

__all__ = ["COLUMNS", "matrix_rows", "stored_bytes"]

COLUMNS = (
    "study",
    "model",
    "setting",
    "target",
    "metric",
    "predictor",
    "sees",
    "validation",
    "test",
    "low",
    "high",
    "groups",
    "baseline",
    "baseline test",
    "lead",
    "lead low",
    "lead high",
    "verdict",
    "stored MB",
    "run",
)


def matrix_rows(runs: Sequence[Run]) -> list[dict[str, CellValue]]:
    """One row per study, model, setting and question, sorted; runs without standings have none."""
    cells: dict[tuple[str, ...], list[tuple[Standing, Run]]] = {}
    for run in runs:
        study = find_study(str(stored_facts(run)["study"]))
        if study.sweep is None:
            continue
        _, config = study.open(run.path.parent, str(run.path))
        for each in study.sweep.standings(run, config):
            key = (study.name, each.model, each.setting, each.target, each.metric)
            cells.setdefault(key, []).append((each, run))
    return [_row(key[0], *_best(cells[key])) for key in sorted(cells)]


def stored_bytes(run: Run) -> int:
    """Of the hidden states that a run keeps."""
    return sum(describe(path).bytes for path in find_stores(run.path))


def _best(found: Sequence[tuple[Standing, Run]]) -> tuple[Standing, Run]:
    seeing = [each for each in found if each[0].sees == "states"]

    def quality(each: tuple[Standing, Run]) -> tuple[float, str]:
        value = mean_of(each[0].validation)
        return (-1e9 if value is None else value, each[1].name)

    return max(seeing or found, key=quality)


def _row(study: str, of: Standing, run: Run) -> dict[str, CellValue]:
    difference = paired(of.test, of.baseline_test)
    held, lead = mean_interval(of.test), mean_interval(difference)
    size = stored_bytes(run)
    values: tuple[CellValue, ...] = (
        study,
        of.model,
        of.setting,
        of.target,
        of.metric,
        of.predictor,
        of.sees,
        mean_of(of.validation),
        mean_of(of.test),
        held.low if held else None,
        held.high if held else None,
        len(of.test),
        of.baseline,
        mean_of(of.baseline_test),
        mean_of(difference),
        lead.low if lead else None,
        lead.high if lead else None,
        of.verdict,
        size / 1e6 if size else None,
        run.name,
    )
    return dict(zip(COLUMNS, values, strict=True))
