"""Checks that can be asked for: is the reader right, and do the saved probes score as they say?"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

from augury.activations.store import Store
from augury.evaluate.agreement import assert_agrees_with
from augury.evaluate.records import CellResult
from augury.evaluate.stored import read_results
from augury.evaluate.tripwires import Tripwire
from augury.runs.folder import Run
from augury.studies.backtracking_lag.activations import STORE
from augury.studies.backtracking_lag.config import BacktrackingLagConfig
from augury.studies.backtracking_lag.evaluation import CELLS, SUMMARY, judge_scores
from augury.studies.backtracking_lag.probes import SCORES
from augury.studies.backtracking_lag.traces import TOKENS, TRACES, make_traces
from augury.studies.reading import check_reader, load_reader
from augury.studies.scores import read_scores
from augury.studies.verifying import verify_probes
from augury.traces.table import read_traces
from augury.traces.tokens import read_tokenised

__all__ = ["examine", "judge_again", "tripwires", "verify"]

_EXAMINED = 24


def examine(config: BacktrackingLagConfig) -> Sequence[str]:
    """Run the doctor on a sample of the job, without starting a run.

    Raises:
        CheckFailed: A check failed; the message names it.
    """
    limit = min(_EXAMINED, config.traces.limit or _EXAMINED)
    small = config.model_copy(update={"traces": config.traces.model_copy(update={"limit": limit})})
    with tempfile.TemporaryDirectory() as folder:
        run = Run(Path(folder))
        make_traces(run, small)
        traces = {trace.id: trace for trace in read_traces(run.path / TRACES)}
        parts = read_tokenised(run.path / TOKENS)
    reader = load_reader(small.job.named_model, small.reading.sites)
    report = check_reader(reader, parts, traces, small.job)
    report.raise_if_failed()
    return report.lines()


def tripwires(run: Run) -> Sequence[Tripwire]:
    """What the tripwires of a finished run measured."""
    summary = json.loads((run.path / SUMMARY).read_text(encoding="utf-8"))
    return [Tripwire(**wire) for wire in summary["tripwires"]]


def verify(run: Run, config: BacktrackingLagConfig) -> Sequence[str]:
    """Load every probe from disk, score the stored states again, and compare average precision.

    Raises:
        CheckFailed: A score is not the stored one, bit for bit.
    """
    store, scores = Store.open(run.path / STORE), read_scores(run.path / SCORES)
    return verify_probes(run, store, scores, read_results(run.path / CELLS), config.axes)


def judge_again(run: Run, config: BacktrackingLagConfig) -> Sequence[CellResult]:
    """Judge the saved scores again, from nothing else, and compare with the stored results.

    Raises:
        CheckFailed: A number is not the stored one.
    """
    results = judge_scores(read_scores(run.path / SCORES), config)
    assert_agrees_with(run.path / CELLS, results)
    return results
