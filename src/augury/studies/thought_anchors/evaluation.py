"""Stage `evaluation`: judge ladder and probes on problems that they were not fitted on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import polars as pl
from pydantic import TypeAdapter

from augury.errors import CheckFailed, MissingInput
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
from augury.studies.thought_anchors.config import Target, ThoughtAnchorsConfig, is_anchor
from augury.studies.thought_anchors.ladder import LADDER
from augury.studies.thought_anchors.probes import PROBES, VERTICAL_SITE
from augury.studies.thought_anchors.scores import PREDICTIONS, column_of
from augury.studies.thought_anchors.sentences import SENTENCES
from augury.studies.thought_anchors.wires import touch_wires

__all__ = [
    "CELLS",
    "CSV",
    "PLAN",
    "SUMMARY",
    "best_sites",
    "evaluate_scores",
    "judge_scores",
    "on_validation",
    "read_cells",
    "read_predictions",
    "tripwires_of",
]

CELLS, CSV = "results/cells.json", "results/ladder.csv"
SUMMARY, PLAN = "results/summary.json", "results/deferral_plan.json"
_RESULTS = TypeAdapter(list[GroupResult])


def evaluate_scores(run: Run, config: ThoughtAnchorsConfig) -> dict[str, object]:
    """Write the judged scores, position bins, a deferral plan, and what the tripwires measured."""
    record_opening(run, config.model_dump(mode="json"))
    every = read_predictions(run)
    table = pl.read_parquet(run.path / SENTENCES)
    test = every.filter(pl.col("split") == "test").sort("trace", "sentence")
    results = judge_scores(test, config)
    recall = _recalls(test, config)
    write_bytes(run.path / CELLS, _RESULTS.dump_json(results, indent=1))
    rows = [_row(result, recall[result.target, result.predictor]) for result in results]
    write_csv(run.path / CSV, list(rows[0]), [list(row.values()) for row in rows])
    wires = touch_wires(run, config)
    quality = on_validation(every, config)
    first: Target = (
        "anchor_binary" if "anchor_binary" in config.labels.targets else config.labels.targets[0]
    )
    chosen = max(quality[first], key=lambda name: quality[first][name])
    best = best_sites(quality)
    summary: dict[str, Any] = {
        "tripwires": [asdict(wire) for wire in wires],
        "top_recall": {f"{target}:{rung}": value for (target, rung), value in recall.items()},
        "bins": _bins(test, table, config, best),
        "chosen": chosen,
        "best_sites": best,
        "seeds": _seed_spread(test),
        "taken_away": _taken_away(test, config),
    }
    if "anchor_binary" in config.labels.targets:
        plan = plan_deferrals(
            _deferrable(every, chosen), chosen, config.deferral.wanted, seed=config.evaluation.seed
        )
        write_json(run.path / PLAN, plan_facts(plan))
        summary["deferral"] = plan_facts(plan)["weighted"]
    write_json(run.path / SUMMARY, summary)
    return {"cells": len(results), "tripwires touched": sum(not wire.passed for wire in wires)}


def read_predictions(run: Run) -> pl.DataFrame:
    """Scores of the ladder and of the probes, a row per fold and sentence that it did not train on.

    Raises:
        MissingInput: The run has not come that far.
        CheckFailed: They are not of the same rows.
    """
    for path in (run.path / PREDICTIONS, run.path / PROBES):
        if not path.is_file():
            raise MissingInput(str(path), found="no scores yet", fix="let the run come to its end")
    ladder, probes = (pl.read_parquet(run.path / name) for name in (PREDICTIONS, PROBES))
    if not probes.width:
        return ladder
    shared = ["fold", "split", "trace", "sentence"]
    if not ladder.select(shared).equals(probes.select(shared)):
        raise CheckFailed(
            str(run.path / PROBES), found="other rows", expected=f"those of {PREDICTIONS}"
        )
    new = [name for name in probes.columns if name not in ladder.columns]
    return pl.concat([ladder, probes.select(new)], how="horizontal")


def judge_scores(test: pl.DataFrame, config: ThoughtAnchorsConfig) -> list[GroupResult]:
    """Judge every rung against all rungs below it, and every probe against the whole ladder."""
    groups = test["trace"].to_numpy()
    cells = []
    for target in _judged(config):
        values = test[target].to_numpy()
        scores = {rung: test[column_of(target, rung)].to_numpy() for rung in LADDER}
        for place, rung in enumerate(LADDER[1:], start=1):
            below = {name: scores[name] for name in LADDER[:place]}
            cells.append(GroupCell(target, rung, values, scores[rung], groups, below))
        for name in _probes_of(test, target):
            own = test[column_of(target, name)].to_numpy()
            cells.append(GroupCell(target, name, values, own, groups, scores))
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
    for target in _judged(config):
        values = test[target].to_numpy().astype(np.float64)
        for rung in (*LADDER, *_probes_of(test, target)):
            scores = test[column_of(target, rung)].to_numpy()
            found[target, rung] = top_recall(values, scores, groups).value
    return found


def best_sites(quality: dict[str, dict[str, float]]) -> dict[str, dict[str, str]]:
    """For each target and kind of probe, the predictor that does best on validation problems.

    Vertical attention is no site among others: its probes stand for themselves.
    """
    found: dict[str, dict[str, str]] = {}
    for target, of_predictor in quality.items():
        best: dict[str, str] = {}
        for name, value in of_predictor.items():
            kind, at, site = name.partition("@")
            kind = name if site == VERTICAL_SITE else kind
            if at and (kind not in best or value > of_predictor[best[kind]]):
                best[kind] = name
        found[target] = best
    return found


def _judged(config: ThoughtAnchorsConfig) -> list[str]:
    """Names of all targets that scores are judged by."""
    return [*config.labels.targets, *config.residuals.values()]


def _probes_of(table: pl.DataFrame, target: str) -> list[str]:
    """Predictors of a target that are no rung; of a net, not its seeds one by one."""
    names = [name.partition(":") for name in table.columns]
    return [rest for of, _, rest in names if of == target and "@" in rest and "/" not in rest]


def _bins(
    test: pl.DataFrame,
    table: pl.DataFrame,
    config: ThoughtAnchorsConfig,
    best: dict[str, dict[str, str]],
) -> dict[str, dict[str, list[float | None]]]:
    """Mean score within problems, of the sentences of each bin of relative position alone."""
    table = table.sort("trace", "sentence")
    relative = table["sentence"].to_numpy() / table["sentences"].to_numpy()
    bin_of = np.minimum((relative * config.evaluation.bins).astype(int), config.evaluation.bins - 1)
    groups, found = test["trace"].to_numpy(), {}
    for target in _judged(config):
        values, own = test[target].to_numpy(), {}
        for rung in (*LADDER, *best[target].values()):
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


def on_validation(every: pl.DataFrame, config: ThoughtAnchorsConfig) -> dict[str, dict[str, float]]:
    """Mean score within validation problems over all folds, of each target and predictor.

    Args:
        every: As `read_predictions`.
        config: Of the run.
    """
    held = every.filter(pl.col("split") == "validation")
    unit = held.select((pl.col("fold") + " " + pl.col("trace").cast(pl.String)).alias("unit"))
    groups = np.unique(unit["unit"].to_numpy(), return_inverse=True)[1]
    found: dict[str, dict[str, float]] = {}
    for target in _judged(config):
        values = held[target].to_numpy()
        found[target] = {
            name: _mean(scores_within(values, held[column_of(target, name)].to_numpy(), groups))
            or 0.0
            for name in (*LADDER[1:], *_probes_of(every, target))
        }
    return found


def _seed_spread(test: pl.DataFrame) -> dict[str, list[float | None]]:
    """Score of every seed of a net by itself; what is judged is the mean of their scores."""
    groups, found = test["trace"].to_numpy(), defaultdict(list)
    for name in test.columns:
        target, _, predictor = name.partition(":")
        of, seed, _ = predictor.partition("/")
        if seed:
            own = scores_within(test[target].to_numpy(), test[name].to_numpy(), groups)
            found[column_of(target, of)].append(_mean(own))
    return dict(found)


def _taken_away(test: pl.DataFrame, config: ThoughtAnchorsConfig) -> dict[str, float]:
    """Of each numeric residual target, the share of the squares within problems that is gone.

    Below 0 where the regression foretells other problems worse than their own mean would.
    """
    within = (pl.all() - pl.all().mean().over("trace")).pow(2).sum()
    return {
        name: 1 - squares[name][0] / squares[target][0]
        for target, name in config.residuals.items()
        if not is_anchor(target)
        and (squares := test.select("trace", target, name).select(within))[target][0] > 0
    }


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
