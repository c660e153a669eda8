"""Stage `evaluation`: judge the grid once on the test groups, and bundle the probes."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
import polars as pl

from augury.activations.store import Store
from augury.errors import UsageError
from augury.evaluate.cells import TEST
from augury.evaluate.contract import judge_grid
from augury.evaluate.metrics import average_precision
from augury.evaluate.records import CellResult, CellScores, ControlScores, FoldScores
from augury.evaluate.stored import write_results
from augury.evaluate.table import result_row
from augury.models.sites import parse_site
from augury.probes.baselines import BASELINES
from augury.report.tables import CellValue, write_csv
from augury.runs.atomic import write_bytes, write_json
from augury.runs.folder import Run
from augury.runs.progress import say
from augury.studies.backtracking_lag.activations import STORE
from augury.studies.backtracking_lag.config import BacktrackingLagConfig, EvaluationConfig
from augury.studies.backtracking_lag.groups import SPLIT
from augury.studies.backtracking_lag.probes import SCORES
from augury.studies.backtracking_lag.rows import SIDES
from augury.studies.bundles import ProbeOrigin, save_probe
from augury.studies.openings import record_opening
from augury.studies.scores import Scores, read_scores
from augury.studies.splitting import read_split
from augury.studies.wires import touch_wires

__all__ = [
    "CELLS",
    "CSV",
    "PARQUET",
    "SUMMARY",
    "cell_of",
    "evaluate_cells",
    "judge_scores",
    "seed_columns",
]

CSV, PARQUET = "results/probe_results.csv", "results/probe_results.parquet"
CELLS, SUMMARY = "results/cells.json", "results/summary.json"


def evaluate_cells(run: Run, config: BacktrackingLagConfig) -> dict[str, object]:
    """Write `probe_results`, the summary and the probe bundles."""
    scores = read_scores(run.path / SCORES)
    asked = config.model_dump(mode="json", exclude={"shown_chains"})
    record_opening(run, asked)
    results = judge_scores(scores, config)
    rows = [seed_columns(result) | result_row(result) for result in results]
    columns = list(dict.fromkeys(key for row in rows for key in row))
    write_csv(run.path / CSV, columns, [[row.get(c) for c in columns] for row in rows])
    write_bytes(run.path / PARQUET, _parquet(rows))
    write_results(run.path / CELLS, results)
    store = Store.open(run.path / STORE)
    origin = _origin(run, config, store)
    for (_, _, number), result in zip(_places(config), results, strict=True):
        save_probe(run.path, scores, number, result, origin)
    wires, not_run = touch_wires(run, store, scores, config.axes)
    summary: dict[str, Any] = {
        "tripwires": [asdict(wire) for wire in wires],
        "tripwires_not_run": not_run,
        "references": _references(scores, config),
    }
    write_json(run.path / SUMMARY, summary)
    return {"cells": len(results), "beyond": sum("beyond" in r.verdict for r in results)}


def _origin(run: Run, config: BacktrackingLagConfig, store: Store) -> ProbeOrigin:
    split = read_split(run.path / SPLIT)
    training_data = {
        "source": config.traces.source,
        "written_by": config.traces.written_by or config.traces.source,
        "on_policy": config.on_policy,
        "folds": len(split) if len(split) > 1 else None,
    }
    sides = {side: getattr(split[0], side) for side in SIDES}
    return ProbeOrigin(config.model, store, training_data, sides)


def judge_scores(scores: Scores, config: BacktrackingLagConfig) -> list[CellResult]:
    """Judge every cell of the grid, labels before sites before horizons."""
    cells = [cell_of(scores, config, *place) for place in _places(config)]
    settings = config.evaluation
    say(f"judging {len(cells)} cells on the test groups")
    return judge_grid(
        cells,
        draws=settings.draws,
        permutations=settings.permutations,
        seed=settings.seed,
        alpha=settings.alpha,
    )


def _places(config: BacktrackingLagConfig) -> list[tuple[str, str, int]]:
    """Label, site and number of the horizon of every cell, in the order of the results."""
    return [
        (label, site, number)
        for label in config.targets.labels
        for site in config.reading.sites
        for number in range(len(config.targets.horizons))
    ]


def cell_of(
    scores: Scores, config: BacktrackingLagConfig, label: str, site: str, number: int
) -> CellScores:
    """One cell on the rows that it uses."""
    at = np.flatnonzero(scores.use[label][:, number])
    baselines = {
        name: array[at, number]
        for name, array in _baselines(scores, config.evaluation, label).items()
    }
    folds = None
    if scores.crossed:
        tables = (scores.called, scores.log_odds, scores.validated)
        folds = FoldScores(*(table[label, site][at, number] for table in tables))
    return CellScores(
        site=site,
        horizon=config.targets.horizons[number],
        label=label,
        kind=config.targets.kind,
        labels=scores.labels[label][at, number],
        scores=scores.probes[label, site][at, number],
        groups=scores.rows["group"][at],
        traces=scores.rows["trace"][at],
        split=np.where(scores.rows["judged"], TEST, scores.rows["side"])[at],
        baselines=baselines,
        control=_control(scores, label, site, number),
        folds=folds,
    )


def _baselines(scores: Scores, config: EvaluationConfig, label: str) -> dict[str, np.ndarray]:
    found = {name: array for (of, name), array in scores.baselines.items() if of == label}
    wanted = config.baselines or [name for name in BASELINES if name in found]
    for name in wanted:
        if name not in found:
            raise UsageError(
                f"evaluation.baselines: {name!r}",
                found="no baseline of this name was fitted",
                expected=", ".join(found),
            )
    return {name: found[name] for name in wanted}


def _control(scores: Scores, label: str, site: str, number: int) -> ControlScores | None:
    """The control task on rows of the cell that it was tested on; None where none was fitted."""
    used, test = scores.use[label][:, number], scores.rows["side"] == TEST
    given = scores.control_task[label, site][used[test], number]
    if np.isnan(given).any():
        return None
    labels = scores.control_labels[label][used[test], number]
    return ControlScores(np.flatnonzero(test[used]), labels, given)


def seed_columns(result: CellResult) -> dict[str, CellValue]:
    """The first version's columns, in its order; `val_auc` is the AUROC."""
    site = parse_site(result.site)
    return {
        "layer": result.site if site.block is None else site.block,
        "lag": result.lag,
        "train_acc": result.train.accuracy.value,
        "train_f1": result.train.f1.value,
        "val_acc": result.validation.accuracy.value,
        "val_f1": result.validation.f1.value,
        "val_auc": result.validation.auroc.value,
        "n_train": result.train.rows,
        "n_val": result.validation.rows,
        "pos_ratio_train": result.train.prevalence,
        "pos_ratio_val": result.validation.prevalence,
    }


def _parquet(rows: list[dict[str, CellValue]]) -> bytes:
    import io

    table = [{**row, "layer": str(row["layer"])} for row in rows]
    buffer = io.BytesIO()
    pl.DataFrame(table, infer_schema_length=None).write_parquet(buffer)
    return buffer.getvalue()


def _test_rows(scores: Scores, label: str, number: int) -> np.ndarray:
    return np.flatnonzero(scores.use[label][:, number] & scores.rows["judged"])


def _references(scores: Scores, config: BacktrackingLagConfig) -> dict[str, Any]:
    """Average precision on test of predictors that were told the truth, by label and horizon."""
    out: dict[str, Any] = {}
    for (label, name), array in scores.references.items():
        values = []
        for number in range(len(config.targets.horizons)):
            at = _test_rows(scores, label, number)
            found = average_precision(scores.labels[label][at, number], array[at, number])
            values.append(found.value)
        out.setdefault(label, {})[name] = values
    return out
