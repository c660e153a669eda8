"""How each predictor did on each target, problem by problem, for sweeps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from augury.evaluate.group_scores import GroupResult, scores_within
from augury.evaluate.standing import Standing
from augury.runs.folder import Run
from augury.studies.thought_anchors.config import ThoughtAnchorsConfig, is_anchor
from augury.studies.thought_anchors.evaluation import read_cells, read_predictions
from augury.studies.thought_anchors.ladder import LADDER
from augury.studies.thought_anchors.scores import column_of

__all__ = ["standings"]


def standings(run: Run, config: ThoughtAnchorsConfig) -> Sequence[Standing]:
    """One per target and predictor, in the order of the results."""
    every = read_predictions(run)
    return [_standing(result, every, config) for result in read_cells(run)]


def _standing(result: GroupResult, every: pl.DataFrame, config: ThoughtAnchorsConfig) -> Standing:
    column = column_of(result.target, result.predictor)
    best = result.best_baseline
    baseline = column_of(result.target, best) if best else None
    data = config.data
    return Standing(
        question=_question(result.target, config),
        model=data.setting.model,
        setting=data.setting.split,
        target=_target(result.target, config),
        metric=result.metric,
        sees="no states" if result.predictor in LADDER else "states",
        predictor=result.predictor,
        site=result.predictor.partition("@")[2] or None,
        validation=_by_problem(every, result.target, column, "validation"),
        test=_by_problem(every, result.target, column, "test"),
        baseline=best,
        baseline_test=_by_problem(every, result.target, baseline, "test") if baseline else {},
        verdict=result.verdict,
    )


def _question(target: str, config: ThoughtAnchorsConfig) -> Mapping[str, Any]:
    """Anchors of another percentile are other anchors; a number knows no percentile."""
    labels = config.labels.model_dump(mode="json", exclude={"targets"})
    if not is_anchor(target):
        del labels["percentile"]
    return {"data": config.data.model_dump(mode="json"), "target": target, **labels}


def _target(target: str, config: ThoughtAnchorsConfig) -> str:
    percentile = f" p{config.labels.percentile:g}" if is_anchor(target) else ""
    last = "" if config.labels.drop_last else ", with the last sentence"
    return f"{target}{percentile}, {config.labels.estimator}{last}"


def _by_problem(every: pl.DataFrame, target: str, column: str, split: str) -> dict[str, float]:
    """Score within each problem; of validation, the mean over the folds that it validated."""
    own = every.filter(pl.col("split") == split).sort("fold", "trace", "sentence")
    if not len(own):
        return {}
    unit = own.select("fold", "problem").unique(maintain_order=True)
    number = unit.with_row_index("unit")
    of_row = own.join(number, on=["fold", "problem"], maintain_order="left")["unit"].to_numpy()
    found = scores_within(own[target].to_numpy(), own[column].to_numpy(), of_row)
    by: dict[str, list[float]] = {}
    for problem, value in zip(unit["problem"], found.tolist(), strict=True):
        if np.isfinite(value):
            by.setdefault(str(problem), []).append(value)
    return {problem: float(np.mean(values)) for problem, values in by.items()}
