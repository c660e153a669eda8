"""What a store costs: building, opening, slicing and verifying it, and how much memory each takes.

    python benchmarks/store.py [--rows 100000 200000 1000000]

A random Llama (one block, width 256, bfloat16 on disk) reads ragged traces of 20 to 180 tokens.
Each step runs in a process of its own; its peak resident memory, pages of mapped shards included,
is that of the process less what the same imports take. What may grow with rows: the traces in the
caller's hands (14 bytes per token), a few numbers per trace, and 8 bytes per row of `index`, where
that is asked for. States are never in memory all at once, but where all are asked for in one piece.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from augury.activations.extract import extract
from augury.activations.plan import ReadingPlan
from augury.activations.store import Store
from augury.models.blocks import locate
from augury.models.load import LoadedModel, ModelConfig
from augury.runs.progress import quiet
from augury.traces.tokens import TokenisedTrace

WIDTH = 256
PLAN = ReadingPlan(sites=("resid.0",), rows="all", dtype="bfloat16")


def loaded() -> LoadedModel:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=512,
        hidden_size=WIDTH,
        intermediate_size=64,
        num_hidden_layers=1,
        num_attention_heads=4,
        max_position_embeddings=256,
    )
    model = LlamaForCausalLM(config).eval().requires_grad_(False)
    return LoadedModel(
        model=model,
        tokenizer=None,
        blocks=locate(model),
        config=ModelConfig(name="random"),
        device=torch.device("cpu"),
        dtype=torch.float32,
        context=256,
        depth=1,
        identity={"weights": "random"},
    )


def traces(rows: int) -> list[TokenisedTrace]:
    rng = np.random.default_rng(0)
    made: list[TokenisedTrace] = []
    while rows > 0:
        length = min(rows, int(rng.integers(20, 180)))
        places, flags = np.arange(length, dtype=np.int32), np.zeros(length, np.uint8)
        ids = rng.integers(3, 512, length).astype(np.int32)
        name = f"trace-{len(made)}"
        made.append(
            TokenisedTrace(name, name, ids, places, places, flags.astype(bool), flags, first_row=0)
        )
        rows -= length
    return made


def build(path: Path, rows: int) -> float:
    made = traces(rows)
    started = time.perf_counter()
    with quiet():
        extract(loaded(), made, PLAN, path)
    return time.perf_counter() - started


def _timed(path: Path, use: Callable[[Store], object]) -> float:
    store = Store.open(path)
    started = time.perf_counter()
    use(store)
    return time.perf_counter() - started


def nothing(path: Path, rows: int) -> float:
    return 0.0


def open_store(path: Path, rows: int) -> float:
    started = time.perf_counter()
    Store.open(path)
    return time.perf_counter() - started


def one_trace(path: Path, rows: int) -> float:
    return _timed(path, lambda store: store["resid.0"].of(len(store.traces) // 2).sum())


def one_trace_again(path: Path, rows: int) -> float:
    """After its shard has been verified: the median of a hundred."""
    states = Store.open(path)["resid.0"]
    number = len(states.store.traces) // 2
    states.of(number).sum()
    taken = []
    for _ in range(100):
        started = time.perf_counter()
        states.of(number).sum()
        taken.append(time.perf_counter() - started)
    return float(np.median(taken))


def random_rows(path: Path, rows: int) -> float:
    chosen = np.random.default_rng(1).integers(0, rows, 1000)
    return _timed(path, lambda store: store["resid.0"][chosen].sum())


def all_slices(path: Path, rows: int) -> float:
    def use(store: Store) -> None:
        for first in range(0, rows, 8192):
            store["resid.0"][first : first + 8192].sum()

    return _timed(path, use)


def index(path: Path, rows: int) -> float:
    return _timed(path, lambda store: store.index)


def verify(path: Path, rows: int) -> float:
    return _timed(path, Store.verify)


STEPS: dict[str, Callable[[Path, int], float]] = {
    "build": build,
    "open": open_store,
    "one trace, first time": one_trace,
    "one trace, again": one_trace_again,
    "1000 random rows": random_rows,
    "all rows, 8192 at a time": all_slices,
    "index": index,
    "verify": verify,
}


def in_child(step: str, path: Path, rows: int) -> tuple[float, float]:
    """Seconds, and peak memory of a fresh process in MB."""
    command = [sys.executable, __file__, "--child", step, str(path), str(rows)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    seconds, peak = json.loads(done.stdout)
    return seconds, peak


def report(rows: int, folder: Path) -> None:
    path = folder / f"store-{rows}"
    _, base = in_child("nothing", path, rows)
    print(f"\n{rows:,} rows of width {WIDTH}, bfloat16")
    print(f"  {'':26s}{'seconds':>9s}{'MB more':>9s}")
    taken = {}
    for step in STEPS:
        taken[step], peak = in_child(step, path, rows)
        print(f"  {step:26s}{taken[step]:9.4f}{peak - base:9.1f}")
    size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    shards = sum(file.stat().st_size for file in (path / "shards").iterdir())
    print(
        f"  {rows / taken['build']:,.0f} rows/s built, {shards / taken['verify'] / 1e6:,.0f} MB/s"
    )
    print(
        f"  verified; {size / 1e6:.1f} MB on disk, {(size - shards) / 1e3:.0f} kB of it not shards"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000, 200_000, 1_000_000])
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        step, path, rows = arguments.child
        seconds = {"nothing": nothing, **STEPS}[step](Path(path), int(rows))
        print(json.dumps([seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024]))
        return
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads")
    with tempfile.TemporaryDirectory() as name:
        for rows in arguments.rows:
            report(rows, Path(name))


if __name__ == "__main__":
    main()
