"""Scan of all sub-layers: batched from one cached prefix, against one event at a time.

    python benchmarks/scan.py [--pairs 120] [--repeats 3] [--plain 24]

The embedded model writes texts; the scan tries mean ablation of every attention and MLP at the
deciding positions of as many places, and again at as many controls. The plain way reads every text
whole, alone and once per edit; it is timed on `--plain` places and scaled. Processor time of one
thread, so that other work on the machine does not count; medians.
"""

from __future__ import annotations

import argparse
import statistics
import time

import numpy as np
import torch

from augury.causal.editing import editing
from augury.causal.edits import Edit, mean
from augury.causal.moments import Moment, log_mass
from augury.causal.reference import reference_states
from augury.causal.scan import Scan, scan
from augury.models.generate import Sampling
from augury.models.load import LoadedModel, ModelConfig, load_model
from augury.organism.chains import held_out_problems, sample_chains
from augury.runs.progress import quiet
from augury.traces.tokens import tokenise


def places(loaded: LoadedModel, count: int) -> list[Moment]:
    """One place per chain, anywhere behind its prompt."""
    rng = np.random.default_rng(0)
    settings = Sampling(max_new_tokens=400)
    traces = sample_chains(loaded, held_out_problems(count, 5), settings)
    out = []
    for trace in traces:
        read = tokenise(trace, loaded.tokenizer)
        stop = int(rng.integers(read.first_row + 2, len(read)))
        out.append(Moment(trace.id, trace.group, read.ids[:stop]))
    return out


@torch.no_grad()
def plainly(
    loaded: LoadedModel, moments: list[Moment], edits: dict[str, list[Edit]], targets: list[int]
) -> np.ndarray:
    """Change of the readout [moment, edit], one text and one edit at a time, without a cache."""
    readout = log_mass(targets)
    out = np.zeros((len(moments), len(edits)))

    def value(moment: Moment, made: list[Edit]) -> float:
        ids = torch.from_numpy(moment.ids.astype(np.int64))[None]
        with editing(loaded.blocks, made, "last token"):
            logits = loaded.model(input_ids=ids, use_cache=False).logits[:, -1].float()
        return float(readout(torch.log_softmax(logits, dim=-1)))

    for row, moment in enumerate(moments):
        clean = value(moment, [])
        for column, made in enumerate(edits.values()):
            out[row, column] = value(moment, made) - clean
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=120)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--plain", type=int, default=24)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    loaded = load_model(ModelConfig(name="organism", device="cpu"))
    with quiet():
        moments = places(loaded, 2 * arguments.pairs)
        blocks = range(len(loaded.blocks.layers))
        sites = [f"{kind}.{block}" for block in blocks for kind in ("attn", "mlp")]
        texts = [moment.ids for moment in moments[:40]]
        rows = [np.arange(10, len(ids)) for ids in texts]
        states = reference_states(loaded, texts, rows, sites)
        edits = {site: [mean(site, states[site])] for site in sites}
        targets = [648, 898, 595]
        batched: list[float] = []
        found: Scan | None = None
        for _ in range(arguments.repeats):
            started = time.process_time()
            found = scan(loaded, moments, edits, log_mass(targets))
            batched.append(time.process_time() - started)
        started = time.process_time()
        plain = plainly(loaded, moments[: arguments.plain], edits, targets)
        alone = (time.process_time() - started) * len(moments) / arguments.plain
    assert found is not None
    apart = float(np.abs(found.change[: arguments.plain] - plain).max())
    ours = statistics.median(batched)
    lengths = [len(moment.ids) for moment in moments]
    print(f"torch {torch.__version__}; {len(moments)} places, {np.mean(lengths):.0f} tokens each")
    print(f"  {len(sites)} sub-layers, batched from the cached prefix {ours:8.2f} s")
    print(f"  one text and one edit at a time (scaled)        {alone:8.2f} s")
    print(f"  times faster {alone / ours:8.1f}; largest difference {apart:.2g} nats")


if __name__ == "__main__":
    main()
