"""What share of a job the doctor takes: texts, model, doctor and reading, in seconds of one core.

    python benchmarks/doctor.py [--chains 1000] [--repeats 3]

The embedded model writes the chains and is read at all its blocks. Processor time, so that other
work on the machine does not count; the median of the repeats.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import torch

from augury.activations.extract import extract
from augury.activations.plan import ReadingPlan
from augury.runs.progress import quiet
from augury.studies.reading import ReadingJob, check_reader, load_reader
from augury.studies.texts import TraceConfig, gather, tokenise_all

T = TypeVar("T")
SITES = ("embed", "resid.0", "resid.1", "resid.2", "resid.3", "final")


def timed(work: Callable[[], T]) -> tuple[T, float]:
    started = time.process_time()
    with quiet():
        return work(), time.process_time() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--chains", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    job = ReadingJob(traces=TraceConfig(limit=arguments.chains), reading=ReadingPlan(sites=SITES))
    model = job.named_model
    traces, writing = timed(lambda: gather(job.traces, model).traces)
    pieces, tokenising = timed(lambda: tokenise_all(traces, job.traces, model))
    parts = [part for of_trace in pieces for part in of_trace]
    reader, loading = timed(lambda: load_reader(model, SITES))
    by_id = {trace.id: trace for trace in traces}
    checks, reads = [], []
    for _ in range(arguments.repeats):
        report, seconds = timed(lambda: check_reader(reader, parts, by_id, job))
        report.raise_if_failed()
        checks.append(seconds)
        with tempfile.TemporaryDirectory() as name:
            path = Path(name) / "store"
            reads.append(timed(lambda path=path: extract(reader, parts, job.reading, path))[1])
    doctor, reading = statistics.median(checks), statistics.median(reads)
    whole = writing + tokenising + loading + doctor + reading
    print(f"torch {torch.__version__}; {len(traces)} chains, {sum(map(len, parts))} tokens")
    for name, seconds in (
        ("writing the chains", writing),
        ("tokenising them", tokenising),
        ("loading the model", loading),
        ("doctor", doctor),
        ("reading", reading),
    ):
        print(f"  {name:20s}{seconds:8.2f} s{100 * seconds / whole:8.2f} %")
    print(f"  the doctor takes {100 * doctor / (doctor + reading):.2f} % of doctor and reading")


if __name__ == "__main__":
    main()
