"""Stage `sentences`: read the problems, place their sentences, label them, deal the folds."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from augury.errors import DataError
from augury.evaluate.ceiling import Ceiling, ceiling_of
from augury.report.tables import write_csv
from augury.runs.atomic import write_bytes, write_json
from augury.runs.folder import Run
from augury.studies.thought_anchors.config import ThoughtAnchorsConfig
from augury.studies.thought_anchors.gathering import Gathered, gather_problems
from augury.studies.thought_anchors.placing import unread_problems
from augury.targets.folds import assert_folds, k_folds, leave_one_group_out
from augury.targets.importance import Importance, label_sentences, noise_ratio
from augury.targets.rollout_counts import counts_of_shares
from augury.targets.splits import Split
from augury.traces.chunks import cut_everywhere
from augury.traces.sources.math_rollouts import (
    RolloutProblem,
    chunk_places,
)
from augury.traces.table import write_traces
from augury.traces.trace import Trace

__all__ = [
    "FACTS",
    "FOLDS",
    "PROBLEMS",
    "SENTENCES",
    "TRACES",
    "make_sentences",
]

TRACES, SENTENCES = "data/traces.parquet", "data/sentences.parquet"
FOLDS, FACTS, PROBLEMS = "data/folds.json", "data/sentences.json", "results/problems.csv"


def make_sentences(run: Run, config: ThoughtAnchorsConfig) -> dict[str, object]:
    """Write traces, the table of sentences, folds, and a status row for every problem."""
    gathered = _readable(run, config)
    tables, status = [], []
    for number, (problem, trace) in enumerate(zip(gathered.problems, gathered.traces, strict=True)):
        table, of, ceiling = _table(problem, trace, number, config)
        tables.append(table)
        status.append(_status(problem, table, of, ceiling))
    for left_out, why in gathered.skipped.items():
        status.append({"problem": left_out, "status": "skipped", "why": why})
    columns = list(dict.fromkeys(key for row in status for key in row))
    write_csv(run.path / PROBLEMS, columns, [[row.get(c) for c in columns] for row in status])
    write_traces(run.path / TRACES, gathered.traces)
    buffer = io.BytesIO()
    pl.concat(tables).write_parquet(buffer)
    write_bytes(run.path / SENTENCES, buffer.getvalue())
    folds = _folds(config, gathered.traces, tables)
    write_json(run.path / FOLDS, [_sides(fold) for fold in folds])
    facts = _facts(gathered, status)
    write_json(run.path / FACTS, facts)
    return {key: facts[key] for key in ("problems", "sentences", "skipped")}


def _readable(run: Run, config: ThoughtAnchorsConfig) -> Gathered:
    """All problems but those that the model cannot read, or of which no sentence is studied.

    Raises:
        DataError: None is left, or one is not and `on_fault` is `stop`.
    """
    gathered = gather_problems(config.data)
    left_out = gathered.skipped | unread_problems(run)
    for problem in gathered.problems:
        if len(problem.chunks) <= config.labels.drop_last:
            error = DataError(
                problem.where,
                found="1 sentence",
                expected="2: of the last nothing is measured, and labels.drop_last leaves it out",
            )
            if config.data.on_fault == "stop":
                raise error
            left_out[problem.id] = str(error)
    pairs = zip(gathered.problems, gathered.traces, strict=True)
    kept = [(problem, trace) for problem, trace in pairs if problem.id not in left_out]
    if not kept:
        raise DataError("data", found=f"no problem to study: {next(iter(left_out.values()))}")
    return Gathered([p for p, _ in kept], left_out, [t for _, t in kept])


def _table(
    problem: RolloutProblem, trace: Trace, number: int, config: ThoughtAnchorsConfig
) -> tuple[pl.DataFrame, Importance, Ceiling]:
    """The sentences of a problem that are studied, one row each."""
    chunks, rule = problem.chunks, config.labels.rule
    accuracy, different, overdetermined, counterfactual, published = (
        np.array(values)
        for values in zip(
            *(
                (
                    c.accuracy,
                    c.different,
                    c.overdetermined,
                    c.importance["counterfactual"],
                    c.importance[rule.estimator],
                )
                for c in chunks
            ),
            strict=True,
        )
    )
    counts = counts_of_shares(accuracy, different, overdetermined, counterfactual)
    of = label_sentences(published, counts, rule)
    kept = len(of.signed)
    places = chunk_places(problem)[:kept]
    texts = [chunk.text for chunk in chunks]
    table = pl.DataFrame(
        {
            "problem": [problem.id] * kept,
            "group": [trace.group] * kept,
            "trace": [number] * kept,
            "sentence": list(range(kept)),
            "sentences": [len(chunks)] * kept,
            "text": texts[:kept],
            "tag": [(c.tags or ("unknown",))[0] for c in chunks[:kept]],
            "tags": [list(c.tags) for c in chunks[:kept]],
            "start": [place.start for place in places],
            "end": [place.end for place in places],
            "prefix_cut_everywhere": [cut_everywhere(texts, n) for n in range(kept)],
            "rollouts": counts.rollouts[:kept],
            "different_rollouts": counts.different[:kept],
            "accuracy": accuracy[:kept],
            "published": published[:kept],
            "importance_signed": of.signed,
            "importance_abs": of.absolute,
            "error": pl.Series(of.error).fill_nan(None),
            "blind_error": pl.Series(of.blind_error).fill_nan(None),
            "anchor_binary": of.anchor,
        }
    )
    return table, of, ceiling_of(of, percentile=rule.percentile, seed=config.evaluation.seed)


def _status(
    problem: RolloutProblem, table: pl.DataFrame, of: Importance, ceiling: Ceiling
) -> dict[str, Any]:
    known = of.error[np.isfinite(of.error)]
    return {
        "problem": problem.id,
        "status": "ok",
        "why": "",
        "sentences": len(table),
        "anchors": int(of.anchor.sum()),
        "threshold": of.threshold,
        "exactly_zero": float((of.signed == 0).mean()),
        "measured": len(known) / len(table),
        "median_error": float(np.median(known)) if len(known) else None,
        "cut_everywhere": int(table["prefix_cut_everywhere"].sum()),
        "noise_ratio": noise_ratio(of),
        "reliability": ceiling.reliability,
        "ceiling_anchor_binary": ceiling.anchor_binary,
        "ceiling_importance_abs": ceiling.importance_abs,
        "ceiling_importance_signed": ceiling.importance_signed,
        "error_alone": ceiling.error_alone,
        "digest": problem.digest,
    }


def _folds(
    config: ThoughtAnchorsConfig, traces: Sequence[Trace], tables: Sequence[pl.DataFrame]
) -> tuple[Split, ...]:
    folds, groups = config.folds, [trace.group for trace in traces]
    if folds.kind == "k-fold":
        events = [int(table["anchor_binary"].sum()) for table in tables]
        dealt = k_folds(groups, events, k=folds.k, seed=folds.seed)
    else:
        dealt = leave_one_group_out(groups, validation=folds.validation, seed=folds.seed)
    assert_folds(traces, dealt)
    return dealt


def _sides(fold: Split) -> dict[str, list[str]]:
    return {
        "train": sorted(fold.train),
        "validation": sorted(fold.validation),
        "test": sorted(fold.test),
    }


def _facts(gathered: Gathered, status: Sequence[dict[str, Any]]) -> dict[str, Any]:
    read = [row for row in status if row["status"] == "ok"]
    origin = gathered.problems[0].origin
    return {
        "problems": len(read),
        "sentences": sum(row["sentences"] for row in read),
        "skipped": {str(number): why for number, why in gathered.skipped.items()},
        "dataset": origin.dataset,
        "revision": origin.revision,
        "written_by": origin.model,
        "correct": sum(problem.correct for problem in gathered.problems),
        "status": list(status),
    }
