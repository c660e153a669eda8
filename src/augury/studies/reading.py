"""Read the texts of a job: by the right model, checked on a sample, into a store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
from pydantic import model_validator

from augury.activations.estimate import Estimate, estimate
from augury.activations.extract import extract, packs
from augury.activations.paired import paired
from augury.activations.plan import ReadingPlan
from augury.config import Config
from augury.errors import DataError
from augury.models.doctor import DoctorReport, examine
from augury.models.load import LoadedModel, ModelConfig, load_model
from augury.models.sites import blocks_needed
from augury.models.twins import adapter_moves_states, base_of
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

_CHECKED = 4
"""Texts that the doctor reads again, one at a time."""


class ReadingJob(Config):
    """Which model reads which texts, where."""

    model: ModelConfig = ModelConfig(name="organism")
    traces: TraceConfig = TraceConfig()
    reading: ReadingPlan

    twins: bool = False
    """Read the base model below `model.adapter` too, through the same weights and tokens: its
    states go to `base`, those of the adapter to `store`, and their rows pair one to one."""

    @model_validator(mode="after")
    def _twins_need_an_adapter(self) -> ReadingJob:
        if self.twins and self.model.adapter is None:
            raise ValueError("twins are an adapter and its base model: set model.adapter")
        return self

    @property
    def named_model(self) -> ModelConfig:
        """The model to load, with `$NAME` in its name read from the environment."""
        return self.model.model_copy(update={"name": expand(self.model.name, "model.name")})


def run_job(job: ReadingJob, folder: Path) -> Sequence[str]:
    """Write traces, tokens and the checked stores into `folder`; lines that say what is there.

    An interrupted job continues when it is run again, and a finished one is reused.

    Raises:
        CheckFailed: What is read is not what the model computes.
        ConfigError: Another job's store is there.
    """
    traces, parts = _texts(job)
    reader = load_reader(job.named_model, job.reading.sites)
    reports = _checked(reader, parts, {t.id: t for t in traces}, job)
    # The store refuses another job before anything of this one stands beside it.
    stores = [extract(reader, parts, job.reading, folder / "store")]
    if job.twins:
        with base_of(reader) as base:
            stores.append(extract(base, parts, job.reading, folder / "base"))
        paired(*stores)
    write_traces(folder / "traces.parquet", traces)
    write_tokenised(folder / "tokens.parquet", parts)
    for name, report in reports.items():
        write_json(folder / name, [asdict(check) for check in report.checks])
    return [f"{one.n_rows} rows of {len(one.sites)} sites in {one.path}" for one in stores]


def estimate_job(job: ReadingJob) -> Estimate:
    """What the job will cost; the model is loaded and reads a few of the texts."""
    _, parts = _texts(job)
    found = estimate(load_reader(job.named_model, job.reading.sites), parts, job.reading)
    return found.twice() if job.twins else found


def check_reader(
    reader: LoadedModel,
    parts: Sequence[TokenisedTrace],
    traces: Mapping[str, Trace],
    job: ReadingJob,
) -> DoctorReport:
    """Run the doctor on texts of different lengths, the shortest and the longest among them."""
    return _examined(_whole(reader, job), reader, parts, traces, job)


def whole_model_needed(sites: Sequence[str]) -> bool:
    """Whether a planned site lies behind the last block (`final`, `logits`)."""
    return blocks_needed(sites) is None


def sample_of(parts: Sequence[TokenisedTrace], count: int = _CHECKED) -> list[TokenisedTrace]:
    """Texts of different lengths, the shortest and the longest among them."""
    order = np.argsort([len(part.ids) for part in parts], kind="stable")
    picked = np.unique(np.linspace(0, len(parts) - 1, count).round().astype(int))
    return [parts[int(order[i])] for i in picked]


def load_reader(model: ModelConfig, sites: Sequence[str]) -> LoadedModel:
    """The model, truncated to what the sites need; with its head only where all of it is needed."""
    if whole_model_needed(sites):
        return load_model(model)
    return load_model(model, blocks=blocks_needed(sites), head=False)


def _checked(
    reader: LoadedModel,
    parts: Sequence[TokenisedTrace],
    traces: Mapping[str, Trace],
    job: ReadingJob,
) -> dict[str, DoctorReport]:
    """Reports of the doctor, each with its file; the whole model is let go when this ends."""
    whole = _whole(reader, job)
    reports = {"doctor.json": _examined(whole, reader, parts, traces, job)}
    if job.twins:
        ids = [part.ids for part in sample_of(parts)]
        packed = packs(reader, job.reading)
        moves = adapter_moves_states(reader, ids, job.reading.sites, packed=packed)
        reports["doctor.json"] = DoctorReport((*reports["doctor.json"].checks, moves))
        with base_of(whole) as whole_base, base_of(reader) as base:
            reports["doctor-base.json"] = _examined(whole_base, base, parts, traces, job)
    for name, report in reports.items():
        if job.twins:
            say(name)
        for line in report.lines():
            say(line)
        report.raise_if_failed()
    return reports


def _whole(reader: LoadedModel, job: ReadingJob) -> LoadedModel:
    return reader if whole_model_needed(job.reading.sites) else load_model(job.named_model)


def _examined(
    whole: LoadedModel,
    reader: LoadedModel,
    parts: Sequence[TokenisedTrace],
    traces: Mapping[str, Trace],
    job: ReadingJob,
) -> DoctorReport:
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


def _texts(job: ReadingJob) -> tuple[list[Trace], list[TokenisedTrace]]:
    traces = gather(job.traces, job.named_model).traces
    pieces = tokenise_all(traces, job.traces, job.named_model)
    parts = [part for of_trace in pieces for part in of_trace]
    if not parts:
        raise DataError("traces", found="no text", expected="at least one")
    return traces, parts
