"""Stage `activations`: read every planned site once, and check that what was read is right."""

from __future__ import annotations

from dataclasses import asdict

from augury.activations.extract import extract
from augury.runs.atomic import write_json
from augury.runs.folder import Run
from augury.runs.progress import say
from augury.studies.backtracking_lag.config import BacktrackingLagConfig
from augury.studies.backtracking_lag.traces import TOKENS, TRACES
from augury.studies.reading import check_reader, load_reader
from augury.traces.table import read_traces
from augury.traces.tokens import read_tokenised

__all__ = ["DOCTOR", "STORE", "read_activations"]

STORE, DOCTOR = "data/activations", "data/doctor.json"


def read_activations(run: Run, config: BacktrackingLagConfig) -> dict[str, object]:
    """Examine the reader on a sample of this job, then read every text."""
    parts = read_tokenised(run.path / TOKENS)
    traces = {trace.id: trace for trace in read_traces(run.path / TRACES)}
    reader = load_reader(config.job.named_model, config.reading.sites)
    report = check_reader(reader, parts, traces, config.job)
    for line in report.lines():
        say(line)
    checks = [asdict(check) for check in report.checks]
    write_json(run.path / DOCTOR, checks)
    report.raise_if_failed()
    store = extract(reader, parts, config.reading, run.path / STORE)
    return {"rows": store.n_rows, "sites": list(store.sites), "checks": len(checks)}
