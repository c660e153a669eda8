"""Step `detect-events`: every event of the baseline, every answer, and how the two go together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from augury.causal.paired import paired_effects
from augury.errors import DataError
from augury.models.load import load_tokenizer
from augury.report.tables import CellValue, write_csv
from augury.runs.atomic import write_json
from augury.runs.folder import Run
from augury.studies.state_transition.baseline import read_baseline
from augury.studies.state_transition.config import StateTransitionConfig
from augury.studies.state_transition.texts import Read, State, read_texts
from augury.targets.onsets import target_ids

__all__ = ["ALL_EVENTS", "EVENTS", "SUMMARY", "detect", "event_row", "rates", "write_events"]

EVENTS = "analysis/backtracking_events.csv"
ALL_EVENTS = "analysis/all_events.csv"
SUMMARY = "analysis/summary_metrics.json"
_STATES: tuple[State, ...] = ("right", "wrong", "unparsed", "truncated", "unjudged")
_FEWEST_DISCORDANT = 10


def detect(run: Run, config: StateTransitionConfig) -> dict[str, object]:
    """Write one row per continuation, one per event, and the summary.

    Raises:
        DataError: The analysed variant has no event.
    """
    tokenizer = load_tokenizer(config.named_model)
    by_variant = {
        variant.name: read_texts(run, config, tokenizer, read_baseline(run, variant.name))
        for variant in config.prompting.variants
    }
    every = [read for reads in by_variant.values() for read in reads]
    write_events(run.path / EVENTS, every)
    _write_all_events(run.path / ALL_EVENTS, every)
    analysed = by_variant[config.analysis.variant]
    onsets = [one for read in analysed for one in analysed_onsets(read, config)]
    if not onsets:
        raise DataError(
            f"variant {config.analysis.variant}",
            found=f"no event in {len(analysed)} continuations",
            expected="texts that backtrack",
            fix="set detection.triggers to what this model says, or generate more",
        )
    summary: dict[str, Any] = {
        "by_variant": {name: rates(reads) for name, reads in by_variant.items()},
        "backtracking_vs_accuracy": _against_accuracy(every),
        "target_ids": {
            str(i): text
            for i, text in target_ids(onsets, tokenizer, config.detection.variants).items()
        },
        "onset_texts": dict(Counter(one.token_text for one in onsets).most_common()),
    }
    write_json(run.path / SUMMARY, summary)
    return summary


def analysed_onsets(read: Read, config: StateTransitionConfig) -> tuple[Any, ...]:
    """The events that lens, scan and rates are about."""
    return read.strict if config.detection.strict_only else read.onsets


def rates(reads: Sequence[Read]) -> dict[str, Any]:
    """How often texts backtrack, and how they end."""
    total = len(reads)
    states = Counter(read.state for read in reads)
    judged = states["right"] + states["wrong"]
    return {
        "total": total,
        "backtracking_count": sum(bool(read.strict) for read in reads),
        "backtracking_rate": sum(bool(read.strict) for read in reads) / total,
        "relaxed_rate": sum(bool(read.onsets) for read in reads) / total,
        "events": sum(len(read.strict) for read in reads),
        "accuracy": states["right"] / judged if judged else None,
        "states": {name: states[name] for name in _STATES},
        "finish_reasons": dict(Counter(read.row.finish_reason for read in reads)),
        "mean_tokens": float(np.mean([read.row.completion_tokens for read in reads])),
    }


def event_row(read: Read) -> dict[str, CellValue]:
    """One row of `backtracking_events.csv`: the first version's columns, then ours."""
    first = (*read.strict, *read.onsets)[:1]
    row = read.row
    out: dict[str, CellValue] = {
        "example_id": row.example_id,
        "sample_id": row.sample_id,
        "variant": row.variant,
        "condition": row.condition,
        "has_backtracking_strict": bool(read.strict),
        "has_backtracking_relaxed": bool(read.onsets),
        "onset_phrase": "",
        "onset_char": -1,
        "onset_token_in_completion": -1,
        "onset_token_in_full": -1,
        "onset_token_id": -1,
        "onset_token_text": "",
        "pred_pos_in_full": -1,
    }
    for one in first:
        start = one.start - len(row.prompt)
        out |= {
            "onset_phrase": row.completion[start:].split()[0] if start >= 0 else "",
            "onset_char": start,
            "onset_token_in_completion": one.in_completion,
            "onset_token_in_full": one.token,
            "onset_token_id": one.token_id,
            "onset_token_text": one.token_text,
            "pred_pos_in_full": one.deciding,
        }
    return out | {
        "predicted_answer": read.answer.text,
        "is_correct": read.state == "right",
        "prompt_tokens": row.prompt_tokens,
        "completion_tokens": row.completion_tokens,
        "answer_state": read.state,
        "answer_rule": read.answer.rule,
        "finish_reason": row.finish_reason,
        "events_strict": len(read.strict),
        "events_relaxed": len(read.onsets) - len(read.strict),
        "draw": row.draw,
        "group": read.group,
    }


def write_events(path: Path, reads: Sequence[Read]) -> None:
    """Write one row per continuation."""
    rows = [event_row(read) for read in reads]
    write_csv(path, tuple(rows[0]), [tuple(row.values()) for row in rows])


def _write_all_events(path: Path, reads: Sequence[Read]) -> None:
    columns = (
        "trace",
        "group",
        "variant",
        "source",
        "onset_token_in_full",
        "onset_token_in_completion",
        "onset_token_id",
        "onset_token_text",
        "opens_sentence",
    )
    rows = [
        (
            read.trace_id,
            read.group,
            read.row.variant,
            one.source,
            one.token,
            one.in_completion,
            one.token_id,
            one.token_text,
            one.opens_sentence,
        )
        for read in reads
        for one in read.onsets
    ]
    write_csv(path, columns, rows)


def _against_accuracy(reads: Sequence[Read]) -> Mapping[str, Any]:
    """Accuracy with and without backtracking: pooled, and within problems, which is what counts.

    Hard problems are answered wrongly and make the model backtrack; pooled rates show that, and
    nothing about what backtracking does.
    """
    judged = [read for read in reads if read.state in ("right", "wrong")]
    table: dict[tuple[str, str], dict[bool, list[float]]] = {}
    for read in judged:
        cell = table.setdefault((read.group, read.row.variant), {True: [], False: []})
        cell[bool(read.strict)].append(float(read.state == "right"))
    both = {key: cell for key, cell in table.items() if cell[True] and cell[False]}
    pooled = {
        name: [float(r.state == "right") for r in judged if bool(r.strict) is flag]
        for name, flag in (("with", True), ("without", False))
    }
    out: dict[str, Any] = {
        f"accuracy_{name}": float(np.mean(values)) if values else None
        for name, values in pooled.items()
    }
    out |= {f"n_{name}": len(values) for name, values in pooled.items()}
    out["problems_with_both"] = len({group for group, _ in both})
    if len({group for group, _ in both}) < _FEWEST_DISCORDANT:
        return out | {"within": None, "why": "too few problems were answered both ways"}
    differences = np.array([np.mean(c[True]) - np.mean(c[False]) for c in both.values()])
    names = np.unique([group for group, _ in both], return_inverse=True)[1]
    found = paired_effects(differences[:, None], names)
    held = found.intervals[0]
    return out | {
        "within": float(found.mean[0]),
        "low": held.low if held else None,
        "high": held.high if held else None,
        "p": float(found.p[0]),
    }
