"""Checks that can be asked for: is the reader right, what did the tripwires measure?"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

from augury.activations.estimate import Estimate, estimate
from augury.activations.reading import Reading
from augury.evaluate.tripwires import Tripwire
from augury.models.load import load_model
from augury.runs.folder import Run
from augury.studies.next_token.config import NextTokenConfig
from augury.studies.next_token.judge import SUMMARY
from augury.studies.next_token.prepare import TOKENS, TRACES, prepare_books
from augury.studies.reading import check_reader
from augury.traces.table import read_traces
from augury.traces.tokens import read_tokenised

__all__ = ["estimate_reading", "examine", "tripwires"]

_BOOKS, _PASSAGES = 4, 4


def examine(config: NextTokenConfig) -> Sequence[str]:
    """Run the doctor on a few books of the job, without starting a run.

    Raises:
        CheckFailed: A check failed; the message names it.
    """
    limit = min(_BOOKS, config.books.limit or _BOOKS)
    few = config.books.model_copy(update={"limit": limit, "passages": _PASSAGES})
    small = config.model_copy(update={"books": few})
    with tempfile.TemporaryDirectory() as folder:
        run = Run(Path(folder))
        prepare_books(run, small)
        traces = {trace.id: trace for trace in read_traces(run.path / TRACES)}
        parts = read_tokenised(run.path / TOKENS)
    reader = load_model(small.named_model)
    report = check_reader(reader, parts, traces, small.windows_job(small.plan(reader.depth)))
    report.raise_if_failed()
    return report.lines()


def estimate_reading(config: NextTokenConfig) -> Estimate:
    """What reading the books will cost; they are got and cut, and the model reads a few."""
    with tempfile.TemporaryDirectory() as folder:
        run = Run(Path(folder))
        prepare_books(run, config)
        parts = read_tokenised(run.path / TOKENS)
    reader = load_model(config.named_model)
    return estimate(reader, Reading.of(parts, config.plan(reader.depth)))


def tripwires(run: Run) -> Sequence[Tripwire]:
    """What the tripwires of a finished run measured."""
    summary = json.loads((run.path / SUMMARY).read_text(encoding="utf-8"))
    return [Tripwire(**wire) for wire in summary["tripwires"]]
