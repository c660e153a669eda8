"""Checks that can be asked for: spans, labels, and whether stored scores judge the same again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

import polars as pl

from augury.errors import CheckFailed, UsageError
from augury.evaluate.group_scores import GroupResult
from augury.evaluate.tripwires import Tripwire
from augury.models.load import ModelConfig, load_tokenizer
from augury.report.token_view import TokenView
from augury.runs.folder import Run
from augury.studies.thought_anchors.activations import examine_reader
from augury.studies.thought_anchors.config import DataConfig, ThoughtAnchorsConfig
from augury.studies.thought_anchors.evaluation import (
    SUMMARY,
    judge_scores,
    read_cells,
    read_predictions,
    tripwires_of,
)
from augury.studies.thought_anchors.gathering import gather_problems
from augury.studies.thought_anchors.probes import PROBES
from augury.studies.thought_anchors.reverify import verify_bundles
from augury.studies.thought_anchors.scores import PREDICTIONS
from augury.studies.thought_anchors.sentences import FACTS, SENTENCES, TRACES
from augury.traces.align import place_spans
from augury.traces.sources.math_rollouts import (
    SENTENCE,
    RolloutProblem,
    chunk_places,
    text_behind,
)
from augury.traces.table import read_traces
from augury.traces.tokens import tokenise
from augury.traces.trace import Trace

__all__ = [
    "check_spans",
    "examine",
    "failures",
    "judge_again",
    "misplaced",
    "tripwires",
    "verify",
    "view",
]


def check_spans(config: DataConfig, model: str = "organism") -> list[str]:
    """Find every sentence at its own place, in the text and in the tokens of a model; lines.

    Raises:
        CheckFailed: A sentence is not where it belongs; all are listed.
    """
    gathered = gather_problems(config)
    tokenizer = load_tokenizer(ModelConfig(name=model))
    lines, faults = [], [f"problem {n}: {why}" for n, why in gathered.skipped.items()]
    for problem, trace in zip(gathered.problems, gathered.traces, strict=True):
        places = chunk_places(problem)
        own = []
        if behind := text_behind(problem):
            own.append(f"problem {problem.id}: text behind it is in no sentence: {behind[:40]!r}")
        sentences = tuple(span for span in trace.spans if span.label == SENTENCE)
        only = replace(trace, spans=sentences)
        placed = place_spans(only, tokenise(only, tokenizer), tokenizer)
        own += _tiling(problem, only)
        faults += own
        spaced = sum(not each.verbatim for each in places)
        lines.append(
            f"problem {problem.id}: {len(places)} sentences in {len(placed)} token spans, "
            f"{spaced} with other white space, {len(own)} faults"
        )
    if faults:
        raise CheckFailed("spans", found="; ".join(faults), expected="every sentence at its place")
    whole = f"all sentences of {len(gathered.problems)} problems stand at their places"
    return [*lines, f"{whole}, in the tokens of {model} too"]


def examine(config: ThoughtAnchorsConfig) -> Sequence[str]:
    """Check the places of all sentences, and the reader on a few problems; no run is started.

    Raises:
        CheckFailed: A check failed; the message names it.
    """
    if not config.activations:
        return check_spans(config.data)
    lines = check_spans(config.data, config.named_model.name)
    return [*lines, *examine_reader(config)]


def tripwires(run: Run) -> Sequence[Tripwire]:
    """What the tripwires of a finished run measured."""
    return tripwires_of(json.loads((run.path / SUMMARY).read_text(encoding="utf-8")))


def failures(run: Run) -> Sequence[str]:
    """Problems that were left out, and why."""
    facts = json.loads((run.path / FACTS).read_text(encoding="utf-8"))
    return [f"problem {number}: {why}" for number, why in facts["skipped"].items()]


def misplaced(run: Run, config: ThoughtAnchorsConfig) -> Sequence[str]:
    """Sentences of the run's table whose place in the stored trace holds another text."""
    texts = [trace.text for trace in read_traces(run.path / TRACES)]
    rows = pl.read_parquet(run.path / SENTENCES).iter_rows(named=True)
    return [
        f"problem {row['problem']}, sentence {row['sentence']}: reads back as {read[:40]!r}"
        for row in rows
        if (read := texts[row["trace"]][row["start"] : row["end"]]).split() != row["text"].split()
    ]


def judge_again(run: Run, config: ThoughtAnchorsConfig) -> Sequence[GroupResult]:
    """Judge the saved scores again, and compare with the stored results.

    Raises:
        CheckFailed: A number is not the stored one.
    """
    every = read_predictions(run)
    again = judge_scores(every.filter(pl.col("split") == "test").sort("trace", "sentence"), config)
    stored = read_cells(run)
    if again != stored:
        wrong = [
            f"{a.target}, {a.predictor}" for a, b in zip(again, stored, strict=False) if a != b
        ]
        raise CheckFailed("results", found=f"other numbers for {wrong}", expected="the stored ones")
    return again


def verify(run: Run, config: ThoughtAnchorsConfig) -> Sequence[str]:
    """Judge the saved scores again, load every saved probe, and compare both with what is stored.

    Raises:
        CheckFailed: A number or a score is not the stored one.
    """
    lines = [f"{len(judge_again(run, config))} judged scores are the stored ones"]
    if config.activations:
        count = verify_bundles(run, config)
        lines.append(f"{count} saved probes score the problems of their fold bit for bit as stored")
    return lines


def view(run: Run, config: ThoughtAnchorsConfig, names: Sequence[str]) -> TokenView:
    """There are no tokens to colour: probes of this study score sentences.

    Raises:
        UsageError: Always.
    """
    raise UsageError(
        "view",
        found="a study whose probes score sentences",
        expected="a run of a study that scores tokens",
        fix=f"look at its report, or read {PREDICTIONS} and {PROBES}",
    )


def _tiling(problem: RolloutProblem, trace: Trace) -> list[str]:
    """Sentences whose text, read back by its span, is another than the one that was placed."""
    return [
        f"problem {problem.id}, sentence {number}: reads back as {read[:40]!r}"
        for number, (span, chunk) in enumerate(zip(trace.spans, problem.chunks, strict=True))
        if (read := trace.text[span.start : span.end]).split() != chunk.text.split()
    ]
