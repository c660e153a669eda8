"""Stage `probes`: fit the whole grid of each site at once, its controls, and the baselines."""

from __future__ import annotations

from typing import Any

import numpy as np

from augury.activations.store import Store
from augury.runs.atomic import write_json
from augury.runs.folder import Run
from augury.runs.progress import track
from augury.studies.backtracking_lag.activations import STORE
from augury.studies.backtracking_lag.config import BacktrackingLagConfig
from augury.studies.backtracking_lag.grid_plan import plan_grid
from augury.studies.backtracking_lag.ladder import score_baselines, score_truth
from augury.studies.backtracking_lag.rows import load_rows, make_target
from augury.studies.backtracking_lag.site_fit import fit_site
from augury.studies.scores import Scores, write_scores

__all__ = ["PROBES", "SCORES", "fit_probes"]

SCORES, PROBES = "data/scores.safetensors", "data/probes.json"


def fit_probes(run: Run, config: BacktrackingLagConfig) -> dict[str, object]:
    """Fit, choose strengths on validation, score all rows, and write everything."""
    rows = load_rows(run)
    store = Store.open(run.path / STORE)
    targets = [make_target(rows, config.targets, label) for label in config.targets.labels]
    scores = Scores(
        rows={
            "group": rows.group,
            "trace": rows.trace,
            "side": rows.side,
            "judged": np.ones(len(rows.side), dtype=bool) if rows.crossed else rows.side == 2,
        }
    )
    plan = plan_grid(rows, targets, config)
    chosen: list[dict[str, Any]] = []
    for site in track(store.sites, what="fitting probes", unit="sites"):
        chosen += fit_site(store[site], site, plan, scores)
    test = rows.side == 2
    tasks = np.split(plan.control[test], len(targets), axis=1)
    for target, task in track(zip(targets, tasks, strict=True), what="baselines", total=len(tasks)):
        scores.labels[target.label], scores.use[target.label] = target.labels, target.use
        scores.control_labels[target.label] = task
        score_baselines(store, rows, target, config, scores)
        score_truth(rows, target, scores)
    write_scores(run.path / SCORES, scores)
    inside = {target.label: target.already_inside for target in targets}
    write_json(run.path / PROBES, {"already_inside": inside, "fits": chosen})
    return {"probes": len(chosen), "not_converged": sum(not c["converged"] for c in chosen)}
