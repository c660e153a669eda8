"""What `augury estimate` says beside what then comes: bytes on disk and seconds, as ratios.

    python benchmarks/estimate.py [--texts 400] [--repeats 3]

The embedded model and the small trained one of AUGURY_DATA read problems of GSM8K at several
settings. `bytes` compares with the whole folder of the store, header and journal included;
`seconds` with the whole extraction, the disk included, median over repeats. 1.00 is what was
estimated.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from pathlib import Path

import torch

from augury.activations.estimate import Estimate, estimate
from augury.activations.extract import extract
from augury.activations.plan import ReadingPlan
from augury.activations.reading import Reading
from augury.models.load import ModelConfig
from augury.runs.progress import quiet
from augury.studies.reading import load_reader
from augury.traces.context import fit_to_context
from augury.traces.tokens import TokenisedTrace, tokenise
from augury.traces.trace import Trace

DATA = Path(os.environ.get("AUGURY_DATA", "../shared/data"))
MODELS = {"organism": "organism", "stories260k": str(DATA / "model_stories260k")}
SETTINGS = {
    "one early site": {"sites": ("resid.0",)},
    "one late site": {"sites": ("resid.3",)},
    "embed and final": {"sites": ("embed", "final")},
    "all blocks": {"sites": tuple(f"resid.{block}" for block in range(4))},
    "all blocks, bfloat16": {
        "sites": tuple(f"resid.{block}" for block in range(4)),
        "dtype": "bfloat16",
    },
    "all tokens": {"sites": ("resid.2",), "rows": "all"},
    "small batches": {"sites": ("resid.2",), "batch_tokens": 512},
}


def texts(count: int) -> list[Trace]:
    rows = [json.loads(line) for line in (DATA / "gsm8k" / "train.jsonl").open()][:count]
    return [
        Trace(f"g{n}", f"g{n}", row["question"] + "\n", row["answer"]) for n, row in enumerate(rows)
    ]


def ratios(
    model: str, plan: ReadingPlan, parts: list[TokenisedTrace], repeats: int
) -> tuple[Estimate, float, float]:
    """The estimate, and what came over what it said: bytes, seconds."""
    reader = load_reader(ModelConfig(name=model), plan.sites)
    told, taken = [], []
    for _ in range(repeats):
        told.append(estimate(reader, Reading.of(parts, plan)))
        with tempfile.TemporaryDirectory() as name, quiet():
            started = time.perf_counter()
            store = extract(reader, parts, plan, Path(name) / "store")
            taken.append(time.perf_counter() - started)
            size = sum(f.stat().st_size for f in store.path.rglob("*") if f.is_file())
            assert store.n_rows == told[0].rows
    seconds = statistics.median(taken) / statistics.median(one.seconds for one in told)
    return told[0], size / told[0].bytes, seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--texts", type=int, default=400, help="problems of GSM8K")
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads")
    print(f"{'':46s}{'MB':>8s}{'GFLOP':>8s}{'bytes':>8s}{'seconds':>9s}")
    for name, model in MODELS.items():
        reader = load_reader(ModelConfig(name=model), ("embed",))
        whole = [tokenise(trace, reader.tokenizer) for trace in texts(arguments.texts)]
        parts = [
            part for one in whole for part in fit_to_context(one, reader.context, overflow="window")
        ]
        for setting, fields in SETTINGS.items():
            for batching in ("packed", "padded"):
                plan = ReadingPlan.model_validate({**fields, "batching": batching})
                told, size, seconds = ratios(model, plan, parts, arguments.repeats)
                print(
                    f"{name:12s} {setting:24s} {batching:8s}{told.bytes / 1e6:8.2f}"
                    f"{told.flops / 1e9:8.1f}{size:8.3f}{seconds:9.2f}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
