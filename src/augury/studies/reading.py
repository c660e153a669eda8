"""Read the texts of a job: by the right model, checked on a sample, into a store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from augury.activations.estimate import Estimate, estimate
from augury.activations.extract import extract, is_read, packs
from augury.activations.plan import ReadingPlan
from augury.activations.store import Store
from augury.config import Config
from augury.errors import DataError
from augury.models.doctor import DoctorReport, examine
from augury.models.load import LoadedModel, ModelConfig, load_model
from augury.models.sites import blocks_needed
from augury.runs.atomic import write_json
from augury.runs.paths import expand
from augury.runs.progress import say
from augury.studies.texts import TraceConfig, gather, tokenise_all
from augury.traces.table import write_traces
from augury.traces.tokens import TokenisedTrace, write_tokenised
from augury.traces.trace import Trace

__all__ = [
    "ReadingJob",
    "check_reader",
    "estimate_job",
    "load_reader",
    "run_job",
    "sample_of",
    "whole_model_needed",
]

_DOCTOR = "doctor.json"
"""Written once the store is finished, so it speaks of the reader that made it."""

_CHECKED = 4
"""Texts that the doctor reads again, one at a time."""


class ReadingJob(Config):
    """Which model reads which texts, where."""

    model: ModelConfig = ModelConfig(name="organism")
    traces: TraceConfig = TraceConfig()
    reading: ReadingPlan

    @property
    def named_model(self) -> ModelConfig:
        """The model to load, with `$NAME` in its name read from the environment."""
        return self.model.model_copy(update={"name": expand(self.model.name, "model.name")})


def run_job(job: ReadingJob, folder: Path) -> Sequence[str]:
    """Write traces, tokens and the checked store into `folder`; lines that say what is there.

    An interrupted job continues when it is run again; a finished one is reused, and nothing is
    computed but what the texts come from.

    Raises:
        CheckFailed: What is read is not what the model computes.
        ConfigError: Another job's store is there.
    """
    traces, parts = _texts(job)
    reader = load_reader(job.named_model, job.reading.sites)
    checked, path = folder / _DOCTOR, folder / "store"
    # What is there was read by a reader that passed: it needs no second examination.
    if not (is_read(reader, parts, job.reading, path) and checked.is_file()):
        report = check_reader(reader, parts, {t.id: t for t in traces}, job)
        for line in report.lines():
            say(line)
        report.raise_if_failed()
        extract(reader, parts, job.reading, path)
        write_json(checked, [asdict(check) for check in report.checks])
    write_traces(folder / "traces.parquet", traces)
    write_tokenised(folder / "tokens.parquet", parts)
    store = Store.open(path)
    return [f"{store.n_rows} rows of {len(store.sites)} sites in {folder / 'store'}"]


def estimate_job(job: ReadingJob) -> Estimate:
    """What the job will cost; the model is loaded and reads a few of the texts."""
    _, parts = _texts(job)
    return estimate(load_reader(job.named_model, job.reading.sites), parts, job.reading)


def check_reader(
    reader: LoadedModel,
    parts: Sequence[TokenisedTrace],
    traces: Mapping[str, Trace],
    job: ReadingJob,
) -> DoctorReport:
    """Run the doctor on texts of different lengths, the shortest and the longest among them."""
    sites = job.reading.sites
    whole = reader if whole_model_needed(sites) else load_model(job.named_model)
    sample = sample_of(parts)
    return examine(
        whole,
        sample,
        job.reading,
        reader=reader,
        packed=packs(reader, job.reading),
        texts=[traces[part.trace_id] for part in sample],
        bos=job.traces.bos,
    )


def whole_model_needed(sites: Sequence[str]) -> bool:
    """Whether a planned site lies behind the last block."""
    return blocks_needed(sites) is None


def sample_of(parts: Sequence[TokenisedTrace], count: int = _CHECKED) -> list[TokenisedTrace]:
    """Texts of different lengths, the shortest and the longest among them."""
    order = np.argsort([len(part.ids) for part in parts], kind="stable")
    picked = np.unique(np.linspace(0, len(parts) - 1, count).round().astype(int))
    return [parts[int(order[i])] for i in picked]


def load_reader(model: ModelConfig, sites: Sequence[str]) -> LoadedModel:
    """The model, truncated to what the sites need."""
    if whole_model_needed(sites):
        return load_model(model)
    return load_model(model, blocks=blocks_needed(sites), head=False)


def _texts(job: ReadingJob) -> tuple[list[Trace], list[TokenisedTrace]]:
    traces = gather(job.traces, job.named_model).traces
    pieces = tokenise_all(traces, job.traces, job.named_model)
    parts = [part for of_trace in pieces for part in of_trace]
    if not parts:
        raise DataError("traces", found="no text", expected="at least one")
    return traces, parts
