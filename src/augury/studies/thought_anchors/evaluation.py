"""Stage `evaluation`: judge the ladder on problems that it was not fitted on; plan deferrals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import polars as pl
from pydantic import TypeAdapter

from augury.evaluate.cells import TEST, VALIDATION
from augury.evaluate.deferral_plan import plan_deferrals, plan_facts
from augury.evaluate.group_scores import GroupCell, GroupResult, judge_within_groups, scores_within
from augury.evaluate.predictions import Predictions
from augury.evaluate.rank_metrics import top_recall
from augury.evaluate.tripwires import Tripwire
from augury.report.tables import CellValue, write_csv
from augury.runs.atomic import write_bytes, write_json
from augury.runs.folder import Run
from augury.studies.openings import record_opening
from augury.studies.thought_anchors.config import Target, ThoughtAnchorsConfig
from augury.studies.thought_anchors.ladder import LADDER
from augury.studies.thought_anchors.scores import PREDICTIONS, column_of
from augury.studies.thought_anchors.sentences import SENTENCES
from augury.studies.thought_anchors.wires import touch_wires

__all__ = [
    "CELLS",
    "CSV",
    "PLAN",
    "SUMMARY",
    "evaluate_ladder",
    "judge_ladder",
    "read_cells",
    "tripwires_of",
]

CELLS, CSV = "results/cells.json", "results/ladder.csv"
SUMMARY, PLAN = "results/summary.json", "results/deferral_plan.json"
_RESULTS = TypeAdapter(list[GroupResult])


def evaluate_ladder(run: Run, config: ThoughtAnchorsConfig) -> dict[str, object]:
    """Write the judged ladder, position bins, a deferral plan, and what the tripwires measured."""
    record_opening(run, config.model_dump(mode="json"))
    every = pl.read_parquet(run.path / PREDICTIONS)
    table = pl.read_parquet(run.path / SENTENCES)
    test = every.filter(pl.col("split") == "test").sort("trace", "sentence")
    results = judge_ladder(test, config)
    recall = _recalls(test, config)
    write_bytes(run.path / CELLS, _RESULTS.dump_json(results, indent=1))
    rows = [_row(result, recall[result.target, result.predictor]) for result in results]
    write_csv(run.path / CSV, list(rows[0]), [list(row.values()) for row in rows])
    wires = touch_wires(run, config)
    chosen = _best_on_validation(every, config)
    summary: dict[str, Any] = {
        "tripwires": [asdict(wire) for wire in wires],
        "top_recall": {f"{target}:{rung}": value for (target, rung), value in recall.items()},
        "bins": _bins(test, table, config),
        "chosen": chosen,
    }
    if "anchor_binary" in config.labels.targets:
        plan = plan_deferrals(
            _deferrable(every, chosen), chosen, config.deferral.wanted, seed=config.evaluation.seed
        )
        write_json(run.path / PLAN, plan_facts(plan))
        summary["deferral"] = plan_facts(plan)["weighted"]
    write_json(run.path / SUMMARY, summary)
    return {"cells": len(results), "tripwires touched": sum(not wire.passed for wire in wires)}


def judge_ladder(test: pl.DataFrame, config: ThoughtAnchorsConfig) -> list[GroupResult]:
    """Judge every rung of every target against all rungs below it."""
    groups = test["trace"].to_numpy()
    cells = []
    for target in config.labels.targets:
        scores = {rung: test[column_of(target, rung)].to_numpy() for rung in LADDER}
        for place, rung in enumerate(LADDER[1:], start=1):
            below = {name: scores[name] for name in LADDER[:place]}
            values = test[target].to_numpy()
            cells.append(GroupCell(target, rung, values, scores[rung], groups, below))
    settings = config.evaluation
    return judge_within_groups(
        cells,
        draws=settings.draws,
        permutations=settings.permutations,
        seed=settings.seed,
        alpha=settings.alpha,
    )


def read_cells(run: Run) -> list[GroupResult]:
    """The stored results of a run."""
    return _RESULTS.validate_json((run.path / CELLS).read_bytes())


def tripwires_of(summary: dict[str, Any]) -> Sequence[Tripwire]:
    """The tripwires of a stored summary."""
    return [Tripwire(**wire) for wire in summary["tripwires"]]


def _recalls(
    test: pl.DataFrame, config: ThoughtAnchorsConfig
) -> dict[tuple[str, str], float | None]:
    """Share of each problem's most important tenth among the highest tenth of scores."""
    groups = test["trace"].to_numpy()
    found: dict[tuple[str, str], float | None] = {}
    for target in config.labels.targets:
        values = test[target].to_numpy().astype(np.float64)
        for rung in LADDER:
            scores = test[column_of(target, rung)].to_numpy()
            found[target, rung] = top_recall(values, scores, groups).value
    return found


def _bins(
    test: pl.DataFrame, table: pl.DataFrame, config: ThoughtAnchorsConfig
) -> dict[str, dict[str, list[float | None]]]:
    """Mean score within problems, of the sentences of each bin of relative position alone."""
    table = table.sort("trace", "sentence")
    relative = table["sentence"].to_numpy() / table["sentences"].to_numpy()
    bin_of = np.minimum((relative * config.evaluation.bins).astype(int), config.evaluation.bins - 1)
    groups, found = test["trace"].to_numpy(), {}
    for target in config.labels.targets:
        values, own = test[target].to_numpy(), {}
        for rung in LADDER:
            scores = test[column_of(target, rung)].to_numpy()
            own[rung] = [
                _mean(scores_within(values[at], scores[at], groups[at]))
                for at in (np.flatnonzero(bin_of == n) for n in range(config.evaluation.bins))
            ]
        found[str(target)] = own
    return found


def _mean(values: np.ndarray) -> float | None:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else None


def _best_on_validation(every: pl.DataFrame, config: ThoughtAnchorsConfig) -> str:
    """The rung with the best mean score within validation problems, over all folds."""
    targets = config.labels.targets
    target: Target = "anchor_binary" if "anchor_binary" in targets else targets[0]
    held = every.filter(pl.col("split") == "validation")
    unit = held.select((pl.col("fold") + " " + pl.col("trace").cast(pl.String)).alias("unit"))
    groups = np.unique(unit["unit"].to_numpy(), return_inverse=True)[1]
    values = held[target].to_numpy()
    quality = {
        rung: _mean(scores_within(values, held[column_of(target, rung)].to_numpy(), groups))
        for rung in LADDER[1:]
    }
    return max(quality, key=lambda rung: quality[rung] or 0.0)


def _deferrable(every: pl.DataFrame, rung: str) -> Predictions:
    """Rows of all folds, so that each fold's thresholds come from its own validation problems."""
    split = np.where((every["split"] == "test").to_numpy(), TEST, VALIDATION)
    return Predictions(
        labels=every["anchor_binary"].to_numpy(),
        groups=every["trace"].to_numpy(),
        traces=every["trace"].to_numpy(),
        split=split,
        scores={rung: every[column_of("anchor_binary", rung)].to_numpy()},
        baselines={},
        label="anchor_binary",
        by=tuple(every["fold"]),
    )


def _row(result: GroupResult, recall: float | None) -> dict[str, CellValue]:
    held, best = result.interval, result.best_baseline
    lead = result.baselines[best] if best else None
    return {
        "target": result.target,
        "predictor": result.predictor,
        "metric": result.metric,
        "score": result.score.value,
        "low": held.low if held else None,
        "high": held.high if held else None,
        "problems": result.groups,
        "rows": result.rows,
        "top_recall": recall,
        "best_baseline": best,
        "best_baseline_score": lead.headline.value if lead else None,
        "lead": lead.difference if lead else None,
        "lead_low": lead.interval.low if lead and lead.interval else None,
        "lead_high": lead.interval.high if lead and lead.interval else None,
        "p": result.p,
        "p_corrected": result.p_corrected,
        "verdict": result.verdict,
    }
