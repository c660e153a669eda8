"""Stage `judge`: open the test books once, judge the grid, decide yes or no, bundle the probes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from augury.activations.store import Store
from augury.errors import CheckFailed
from augury.evaluate.agreement import assert_agrees_with
from augury.evaluate.contract import judge_grid
from augury.evaluate.records import CellResult, CellScores
from augury.evaluate.stored import read_results, write_results
from augury.evaluate.table import result_row
from augury.models.sites import sites_in_order
from augury.report.tables import write_csv
from augury.runs.atomic import write_json
from augury.runs.folder import Run
from augury.runs.progress import say
from augury.studies.bundles import ProbeOrigin, save_probe
from augury.studies.next_token.activations import STORE
from augury.studies.next_token.config import NextTokenConfig
from augury.studies.next_token.prepare import SPLIT, target_ids
from augury.studies.next_token.sites import read_sites, site_columns, sites_of, write_sites
from augury.studies.next_token.train import SCORES, axes_of, fitted_shares
from augury.studies.openings import record_opening
from augury.studies.scores import Scores, read_scores
from augury.studies.verifying import verify_probes
from augury.studies.wires import touch_wires

__all__ = ["CELLS", "CSV", "SITES", "SUMMARY", "cells_of", "judge_again", "judge_probes", "verify"]

CELLS, SITES = "results/cells.json", "results/sites.json"
CSV, SUMMARY = "results/probe_results.csv", "results/summary.json"


def judge_probes(run: Run, config: NextTokenConfig) -> dict[str, object]:
    """Write results, what each site decides, tripwires and probe bundles."""
    scores, store = read_scores(run.path / SCORES), Store.open(run.path / STORE)
    record_opening(run, config.model_dump(mode="json", exclude={"view", "tracking"}))
    results = judge_scores(scores, config)
    sites = sites_of(scores, results, config, fitted_shares(run))
    write_results(run.path / CELLS, results)
    write_sites(run.path / SITES, sites)
    rows = [
        site_columns(site) | result_row(result) for site, result in zip(sites, results, strict=True)
    ]
    columns = list(dict.fromkeys(key for row in rows for key in row))
    write_csv(run.path / CSV, columns, [[row.get(name) for name in columns] for row in rows])
    _save_probes(run, config, store, scores, results)
    wires, not_run = touch_wires(run, store, scores, axes_of(config))
    summary: dict[str, Any] = {
        "tripwires": [asdict(wire) for wire in wires],
        "tripwires_not_run": not_run,
    }
    write_json(run.path / SUMMARY, summary)
    return {"cells": len(results), "beyond": sum("beyond" in r.verdict for r in results)}


def judge_scores(scores: Scores, config: NextTokenConfig) -> list[CellResult]:
    """Judge every cell, sites before horizons."""
    cells = cells_of(scores, config)
    settings = config.evaluation
    say(f"judging {len(cells)} cells on the test books")
    return judge_grid(
        cells,
        draws=settings.draws,
        permutations=settings.permutations,
        seed=settings.seed,
        alpha=settings.alpha,
    )


def judge_again(run: Run, config: NextTokenConfig) -> Sequence[CellResult]:
    """Judge the saved scores again, from nothing else, and compare with the stored results.

    Raises:
        CheckFailed: A number is not the stored one.
    """
    scores = read_scores(run.path / SCORES)
    results = judge_scores(scores, config)
    assert_agrees_with(run.path / CELLS, results)
    sites = sites_of(scores, results, config, fitted_shares(run))
    if sites != read_sites(run.path / SITES):
        raise CheckFailed(str(run.path / SITES), found="other decisions than the saved scores give")
    return results


def verify(run: Run, config: NextTokenConfig) -> Sequence[str]:
    """Load every probe from disk, score the stored states again, and compare.

    Raises:
        CheckFailed: A score is not the stored one, bit for bit.
    """
    store, scores = Store.open(run.path / STORE), read_scores(run.path / SCORES)
    return verify_probes(run, store, scores, read_results(run.path / CELLS), axes_of(config))


def cells_of(scores: Scores, config: NextTokenConfig) -> list[CellScores]:
    """Every cell of the grid, in the order of the results."""
    return [_cell(scores, config, *place) for place in _places(scores, config)]


def _places(scores: Scores, config: NextTokenConfig) -> list[tuple[str, int]]:
    """Site and number of the horizon of every cell, in the order of the results."""
    sites = sites_in_order(site for _, site in scores.probes)
    return [(site, number) for site in sites for number in range(len(config.targets.horizons))]


def _cell(scores: Scores, config: NextTokenConfig, site: str, number: int) -> CellScores:
    """One cell on the rows that it uses."""
    label = config.targets.label
    at = np.flatnonzero(scores.use[label][:, number])
    return CellScores(
        site=site,
        horizon=config.targets.horizons[number],
        label=label,
        kind="span",
        labels=scores.labels[label][at, number],
        scores=scores.probes[label, site][at, number],
        groups=scores.rows["group"][at],
        traces=scores.rows["trace"][at],
        split=scores.rows["side"][at],
        baselines={name: each[at, number] for (_, name), each in scores.baselines.items()},
    )


def _save_probes(
    run: Run,
    config: NextTokenConfig,
    store: Store,
    scores: Scores,
    results: Sequence[CellResult],
) -> None:
    training_data = {
        "source": config.books.source,
        "token_ids": target_ids(config),
        "labels": config.targets.labels,
        "context": config.books.context,
        "balance": config.probe.balance,
    }
    split = json.loads((run.path / SPLIT).read_text(encoding="utf-8"))
    origin = ProbeOrigin(config.model, store, training_data, split)
    for (_, number), result in zip(_places(scores, config), results, strict=True):
        save_probe(run.path, scores, number, result, origin)
