"""Read the texts of a job: by the right model, checked on a sample, into a store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np
from pydantic import model_validator

from augury.activations.engine import Engine, below, on_a_model
from augury.activations.engines import EngineName, chosen_engine
from augury.activations.estimate import Estimate, estimate
from augury.activations.extract import fill_store, is_filled, packs, plan_store
from augury.activations.layout import read_header
from augury.activations.paired import paired
from augury.activations.plan import ReadingPlan
from augury.activations.reading import Reading
from augury.activations.spans import planned_spans
from augury.activations.store import Store
from augury.config import Config
from augury.errors import DataError
from augury.models.doctor import DoctorReport, examine
from augury.models.load import LoadedModel, ModelConfig, depth_of, load_model
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


def run_job(
    job: ReadingJob, folder: Path, *, engine: EngineName = "local", workers: int | None = None
) -> Sequence[str]:
    """Write traces, tokens and the checked stores into `folder`; lines that say what is there.

    An interrupted job continues when it is run again, with either engine; a finished one is
    reused, and nothing is computed but what the texts come from.

    Args:
        job: What to read.
        folder: Where to; only this process writes there.
        engine: Who runs the model: `local`, this process; `ray`, the workers of a cluster.
        workers: Of `ray`; None for one per GPU, or per node where there is none.

    Raises:
        CheckFailed: What is read is not what the model computes.
        ConfigError: Another job's store is there.
        UsageError: Workers for the local engine, or more of them than devices.
        MissingInput: The model, Ray or its cluster is not there.
    """
    load = partial(load_reader, job.named_model, job.reading.sites)
    use_gpus = job.model.device.partition(":")[0] in ("auto", "cuda")
    with chosen_engine(engine, load, workers=workers, use_gpus=use_gpus) as run:
        traces, parts, reading = _texts(job)
        readers = {"store": run, **({"base": below(run)} if job.twins else {})}
        # A store refuses another job before anything of this one stands beside it.
        headers = {
            name: on_a_model(own, plan_store, reading, None, read_header(folder / name))
            for name, own in readers.items()
        }
        filled = [is_filled(folder / name, header) for name, header in headers.items()]
        # What is there was read by a reader that passed: it needs no second examination.
        if not (all(filled) and (folder / _DOCTOR).is_file()):
            reports = _examine(run, traces, parts, job)
            for name, own in readers.items():
                fill_store(folder / name, headers[name], reading, own)
            for name, report in reports.items():
                write_json(folder / name, [asdict(check) for check in report.checks])
    stores = [Store.open(folder / name) for name in readers]
    if job.twins:
        paired(*stores)
    write_traces(folder / "traces.parquet", traces)
    write_tokenised(folder / "tokens.parquet", parts)
    return [f"{one.n_rows} rows of {len(one.sites)} sites in {one.path}" for one in stores]


def estimate_job(job: ReadingJob) -> Estimate:
    """What the job will cost; the model is loaded and reads a few of the texts."""
    *_, reading = _texts(job)
    found = estimate(load_reader(job.named_model, job.reading.sites), reading)
    return found.twice() if job.twins else found


def check_reader(
    reader: LoadedModel,
    parts: Sequence[TokenisedTrace],
    traces: Mapping[str, Trace],
    job: ReadingJob,
) -> DoctorReport:
    """Run the doctor on texts of different lengths, the shortest and the longest among them."""
    return _examined(_whole(reader, job), reader, parts, traces, job)


def sample_of(parts: Sequence[TokenisedTrace], count: int = _CHECKED) -> list[TokenisedTrace]:
    """Texts of different lengths, the shortest and the longest among them."""
    order = np.argsort([len(part.ids) for part in parts], kind="stable")
    picked = np.unique(np.linspace(0, len(parts) - 1, count).round().astype(int))
    return [parts[int(order[i])] for i in picked]


def load_reader(model: ModelConfig, sites: Sequence[str]) -> LoadedModel:
    """The model, truncated to what the sites need.

    Where they need the last block it is the whole model, so that the doctor, which compares with
    the whole one, loads no second beside it.
    """
    needed = blocks_needed(sites)
    if needed is None or needed >= depth_of(model):
        return load_model(model)
    return load_model(model, blocks=needed, head=False)


def _checked(
    reader: LoadedModel,
    parts: Sequence[TokenisedTrace],
    traces: Mapping[str, Trace],
    job: ReadingJob,
) -> dict[str, DoctorReport]:
    """Reports of the doctor, each with its file; the whole model is let go when this ends."""
    whole = _whole(reader, job)
    reports = {_DOCTOR: _examined(whole, reader, parts, traces, job)}
    if job.twins:
        ids = [part.ids for part in sample_of(parts)]
        packed = packs(reader, job.reading)
        moves = adapter_moves_states(reader, ids, job.reading.sites, packed=packed)
        reports[_DOCTOR] = DoctorReport((*reports[_DOCTOR].checks, moves))
        with base_of(whole) as whole_base, base_of(reader) as base:
            reports["doctor-base.json"] = _examined(whole_base, base, parts, traces, job)
    return reports


def _say(reports: Mapping[str, DoctorReport]) -> None:
    """Print what the doctor found; the first failed check ends the job."""
    for name, report in reports.items():
        if len(reports) > 1:
            say(name)
        for line in report.lines():
            say(line)
        report.raise_if_failed()


def _examine(
    run: Engine, traces: Sequence[Trace], parts: Sequence[TokenisedTrace], job: ReadingJob
) -> dict[str, DoctorReport]:
    """Let the doctor look at a sample, where the models are, and print what it found."""
    sample = sample_of(parts)
    named = {trace.id: trace for trace in traces}
    texts = {part.trace_id: named[part.trace_id] for part in sample}
    reports: dict[str, DoctorReport] = on_a_model(run, _checked, sample, texts, job)
    _say(reports)
    return reports


def _whole(reader: LoadedModel, job: ReadingJob) -> LoadedModel:
    # A truncated adapter has a head all the same: it needs the outer shell.
    is_whole = len(reader.blocks.layers) == reader.depth and reader.blocks.head is not None
    return reader if is_whole else load_model(job.named_model)


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


def _texts(job: ReadingJob) -> tuple[list[Trace], list[TokenisedTrace], Reading]:
    traces = gather(job.traces, job.named_model).traces
    pieces = tokenise_all(traces, job.traces, job.named_model)
    parts = [part for of_trace in pieces for part in of_trace]
    if not parts:
        raise DataError("traces", found="no text", expected="at least one")
    spans = planned_spans({trace.id: trace for trace in traces}, parts, job.reading)
    return traces, parts, Reading.of(parts, job.reading, spans)
