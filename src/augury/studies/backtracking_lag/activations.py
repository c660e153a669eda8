"""Stage `activations`: read every planned site once, and check that what was read is right."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict

import numpy as np

from augury.activations.extract import extract
from augury.models.doctor import DoctorReport, examine
from augury.models.load import LoadedModel, load_model
from augury.models.sites import deepest_block, parse_site
from augury.runs.atomic import write_json
from augury.runs.folder import Run
from augury.runs.progress import say
from augury.studies.backtracking_lag.config import BacktrackingLagConfig
from augury.studies.backtracking_lag.traces import TOKENS, TRACES, model_of
from augury.traces.table import read_traces
from augury.traces.tokens import TokenisedTrace, read_tokenised
from augury.traces.trace import Trace

__all__ = [
    "DOCTOR",
    "STORE",
    "check_reader",
    "load_reader",
    "read_activations",
    "sample_of",
    "whole_model_needed",
]

STORE, DOCTOR = "data/activations", "data/doctor.json"

_CHECKED = 4
"""Texts that the doctor reads again, one at a time."""


def read_activations(run: Run, config: BacktrackingLagConfig) -> dict[str, object]:
    """Examine the reader on a sample of this job, then read every text."""
    parts = read_tokenised(run.path / TOKENS)
    traces = {trace.id: trace for trace in read_traces(run.path / TRACES)}
    reader = load_reader(config)
    report = check_reader(reader, parts, traces, config)
    for line in report.lines():
        say(line)
    checks = [asdict(check) for check in report.checks]
    write_json(run.path / DOCTOR, checks)
    report.raise_if_failed()
    store = extract(reader, parts, config.reading, run.path / STORE)
    return {"rows": store.n_rows, "sites": list(store.sites), "checks": len(checks)}


def check_reader(
    reader: LoadedModel,
    parts: list[TokenisedTrace],
    traces: Mapping[str, Trace],
    config: BacktrackingLagConfig,
) -> DoctorReport:
    """Run the doctor on texts of different lengths, the shortest and the longest among them."""
    whole = reader if whole_model_needed(config.reading.sites) else load_model(model_of(config))
    sample = sample_of(parts)
    return examine(
        whole,
        sample,
        config.reading,
        reader=reader,
        texts=[traces[part.trace_id] for part in sample],
        bos=config.traces.bos,
    )


def whole_model_needed(sites: tuple[str, ...]) -> bool:
    """Whether a planned site lies behind the last block."""
    return any(parse_site(site).kind == "final" for site in sites)


def sample_of(parts: list[TokenisedTrace], count: int = _CHECKED) -> list[TokenisedTrace]:
    """Texts of different lengths, the shortest and the longest among them."""
    order = np.argsort([len(part.ids) for part in parts], kind="stable")
    picked = np.unique(np.linspace(0, len(parts) - 1, count).round().astype(int))
    return [parts[int(order[i])] for i in picked]


def load_reader(config: BacktrackingLagConfig) -> LoadedModel:
    """The model, truncated to what the plan needs."""
    sites = config.reading.sites
    if whole_model_needed(sites):
        return load_model(model_of(config))
    deepest = deepest_block(sites)
    blocks = 1 if deepest is None else deepest + 1
    return load_model(model_of(config), blocks=blocks, head=False)
