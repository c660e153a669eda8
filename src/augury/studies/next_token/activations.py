"""Stage `read`: the states of every planned site at every token, once, and checked."""

from __future__ import annotations

from dataclasses import asdict

from augury.activations.extract import extract
from augury.models.load import load_model
from augury.runs.atomic import write_json
from augury.runs.folder import Run
from augury.runs.progress import say
from augury.studies.next_token.config import NextTokenConfig
from augury.studies.next_token.prepare import TOKENS, TRACES
from augury.studies.reading import check_reader
from augury.traces.table import read_traces
from augury.traces.tokens import read_tokenised

__all__ = ["DOCTOR", "STORE", "read_activations"]

STORE, DOCTOR = "data/activations", "data/doctor.json"


def read_activations(run: Run, config: NextTokenConfig) -> dict[str, object]:
    """Examine the reader on a sample of the windows, then read all of them."""
    parts = read_tokenised(run.path / TOKENS)
    traces = {trace.id: trace for trace in read_traces(run.path / TRACES)}
    reader = load_model(config.named_model)
    plan = config.plan(reader.depth)
    report = check_reader(reader, parts, traces, config.windows_job(plan))
    for line in report.lines():
        say(line)
    write_json(run.path / DOCTOR, [asdict(check) for check in report.checks])
    report.raise_if_failed()
    store = extract(reader, parts, plan, run.path / STORE)
    return {"rows": store.n_rows, "sites": list(store.sites), "checks": len(report.checks)}
