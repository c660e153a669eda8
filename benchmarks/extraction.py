"""How fast states are read: ours, its peers, and the limit, interleaved in one process.

    python benchmarks/extraction.py [--quick] [--texts N] [--dtype float32|bfloat16] [--json]

A random Llama (12 blocks, width 768, 32k tokens; about 100 M parameters in the blocks and tables),
the outputs of blocks 3 to 7, real ragged lengths (GSM8K from AUGURY_DATA, or drawn like it). Every
way reads the same traces in every round, in an order that changes, and ends with all states of all
tokens in CPU memory. `limit`: the same eight blocks on dense rows of equal length with the same
mean attention extent (sum of squared lengths over sum of lengths), nothing captured.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import pickle
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from augury.activations.batches import plan_batches
from augury.activations.extract import extract
from augury.activations.plan import ReadingPlan
from augury.models.blocks import locate
from augury.models.load import LoadedModel, ModelConfig
from augury.models.read import read_rows
from augury.models.source import find_model
from augury.traces.tokens import TokenisedTrace

BLOCKS = (3, 4, 5, 6, 7)
SITES = tuple(f"resid.{block}" for block in BLOCKS)
BUDGET = 4096
PEERS = (
    "nnsight, saves and stop",
    "TransformerLens, run_with_cache",
    "padded, hooks",
    "padded, output_hidden_states",
    "one at a time, lists, pickle",
)
"""Ways that somebody has today without writing an extractor. `truncated, sorted, hooks` is what
our own would be without packing: shown beside them, but nobody's default."""
VOCABULARY = 32_000


def lengths_of(kind: str, count: int) -> list[int]:
    """Tokens per trace: one problem and its solution, or one to twelve solutions joined."""
    rng = random.Random(0)
    path = Path(os.environ.get("AUGURY_DATA", "../shared/data")) / "gsm8k"
    rows = [json.loads(line) for file in sorted(path.glob("t*.jsonl")) for line in file.open()]
    if rows:
        one = [int(len(f"{r['question']} {r['answer']}".split()) * 1.5) for r in rows]
    else:
        one = [int(rng.gauss(150, 50)) for _ in range(2000)]
    one = [max(30, n) for n in one]
    if kind == "short":
        return rng.sample(one, count)
    return [min(1500, sum(rng.choices(one, k=rng.randint(1, 12)))) for _ in range(count)]


def model_of(blocks: int, dtype: torch.dtype) -> LlamaForCausalLM:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=768,
        intermediate_size=2048,
        num_hidden_layers=blocks,
        num_attention_heads=12,
        max_position_embeddings=2048,
    )
    return LlamaForCausalLM(config).to(dtype).eval()


def loaded_of(model: LlamaForCausalLM, dtype: torch.dtype) -> LoadedModel:
    return LoadedModel(
        model=model.model,
        tokenizer=None,
        blocks=locate(model.model),
        config=ModelConfig(name="random"),
        device=torch.device("cpu"),
        dtype=dtype,
        context=2048,
        depth=12,
        identity={"weights": "random"},
    )


def ours(loaded: LoadedModel, traces: list[np.ndarray], *, packed: bool) -> None:
    kept: list[dict[str, torch.Tensor]] = []
    for batch in plan_batches([len(ids) for ids in traces], BUDGET, packed=packed):
        ids = [traces[index] for index in batch]
        rows = [np.arange(len(one)) for one in ids]
        kept.append(read_rows(loaded, ids, rows, SITES, packed=packed))


def ours_stored(loaded: LoadedModel, traces: list[np.ndarray]) -> None:
    plan = ReadingPlan(sites=SITES, rows="all", batch_tokens=BUDGET)
    with tempfile.TemporaryDirectory() as folder:
        extract(loaded, [_named(n, ids) for n, ids in enumerate(traces)], plan, Path(folder) / "s")


def _named(number: int, ids: np.ndarray) -> TokenisedTrace:
    nothing = np.zeros(len(ids), np.int32)
    return TokenisedTrace(
        trace_id=str(number),
        group=str(number),
        ids=ids.astype(np.int32),
        starts=nothing,
        ends=nothing,
        special=nothing.astype(bool),
        role=nothing.astype(np.uint8),
        first_row=0,
    )


def padded(some: list[np.ndarray]) -> tuple[torch.Tensor, torch.Tensor]:
    """Ids and mask of a batch, padded on the right."""
    ids = torch.zeros((len(some), max(map(len, some))), dtype=torch.long)
    mask = torch.zeros_like(ids)
    for row, one in enumerate(some):
        ids[row, : len(one)], mask[row, : len(one)] = torch.from_numpy(one), 1
    return ids, mask


def in_order(traces: list[np.ndarray]) -> list[list[np.ndarray]]:
    """Batches of eight, as the data comes."""
    return [traces[start : start + 8] for start in range(0, len(traces), 8)]


def by_length(traces: list[np.ndarray]) -> list[list[np.ndarray]]:
    """Batches of similar length, at most 2048 tokens with their padding."""
    batches: list[list[np.ndarray]] = [[]]
    for one in sorted(traces, key=len):
        if batches[-1] and (len(batches[-1]) + 1) * len(one) > 2048:
            batches.append([])
        batches[-1].append(one)
    return batches


@torch.no_grad()
def padded_hidden_states(model: LlamaForCausalLM, traces: list[np.ndarray]) -> None:
    """The usual script: batches of eight in data order, `output_hidden_states=True`."""
    kept = []
    for some in in_order(traces):
        ids, mask = padded(some)
        out = model(input_ids=ids, attention_mask=mask, output_hidden_states=True, use_cache=False)
        kept.append([out.hidden_states[block + 1][mask.bool()] for block in BLOCKS])


@torch.no_grad()
def padded_hooks(model: LlamaForCausalLM, batches: list[list[np.ndarray]]) -> None:
    """The careful script: hooks, base model, no head."""
    kept: list[torch.Tensor] = []
    mask = torch.zeros(0)
    hooks = [
        model.model.layers[block].register_forward_hook(
            lambda module, args, out: kept.append(
                (out[0] if isinstance(out, tuple) else out)[mask.bool()]
            )
        )
        for block in BLOCKS
    ]
    for some in batches:
        ids, mask = padded(some)
        model.model(input_ids=ids, attention_mask=mask, use_cache=False)
    for hook in hooks:
        hook.remove()


@torch.no_grad()
def seed_way(model: LlamaForCausalLM, traces: list[np.ndarray]) -> None:
    """One chain at a time, hidden states to Python lists, pickle."""
    kept = []
    for one in traces:
        ids = torch.from_numpy(one)[None]
        out = model(input_ids=ids, output_hidden_states=True, use_cache=False)
        states = [out.hidden_states[block + 1][0].float() for block in BLOCKS]
        kept.append([[state.tolist() for state in site] for site in states])
    with tempfile.TemporaryFile() as file:
        pickle.dump(kept, file)


@torch.no_grad()
def limit(model: LlamaForCausalLM, traces: list[np.ndarray]) -> int:
    """Dense rows; returns how many tokens it computed."""
    lengths = np.array([len(ids) for ids in traces])
    length = round(float((lengths**2).sum() / lengths.sum()))
    rows, done, total = max(1, BUDGET // length), 0, int(lengths.sum())
    while done < total:
        ids = torch.randint(0, VOCABULARY, (rows, length))
        model.model(input_ids=ids, use_cache=False)
        done += rows * length
    return done


def nnsight_way(model: LlamaForCausalLM) -> Callable[[list[np.ndarray]], None] | None:
    """Batches of eight in data order; saves, and stops behind the last block that is wanted."""
    if importlib.util.find_spec("nnsight") is None:
        return None
    from nnsight import NNsight

    wrapped = NNsight(model.model)

    @torch.no_grad()
    def read(traces: list[np.ndarray]) -> None:
        kept = []
        for some in in_order(traces):
            ids, mask = padded(some)
            with wrapped.trace(input_ids=ids, attention_mask=mask, use_cache=False) as tracer:
                saved = list().save()
                for block in BLOCKS:
                    saved.append(wrapped.layers[block].output)
                tracer.stop()
            kept.append([state[mask.bool()] for state in saved])

    return read


def transformer_lens_way(
    model: LlamaForCausalLM,
) -> Callable[[list[np.ndarray]], None] | None:
    """Batches of eight in data order; cache of the wanted blocks, stopped behind the last."""
    if importlib.util.find_spec("transformer_lens") is None:
        return None
    from transformer_lens.model_bridge import TransformerBridge
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(find_model("organism", None))
    with tempfile.TemporaryDirectory() as folder:
        model.config.save_pretrained(folder)
        bridge = TransformerBridge.boot_transformers(
            folder, hf_model=model, tokenizer=tokenizer, device="cpu"
        )
    names = {f"blocks.{block}.hook_resid_post" for block in BLOCKS}

    @torch.no_grad()
    def read(traces: list[np.ndarray]) -> None:
        kept = []
        for some in in_order(traces):
            ids, mask = padded(some)
            _, cache = bridge.run_with_cache(
                ids,
                attention_mask=mask,
                names_filter=lambda name: name in names,
                stop_at_layer=BLOCKS[-1] + 1,
            )
            kept.append([cache[name][mask.bool()] for name in sorted(names)])

    return read


def measure(kind: str, count: int, rounds: int, dtype: torch.dtype) -> dict[str, float]:
    """Milliseconds per useful token of each way, median over rounds."""
    rng = np.random.default_rng(1)
    traces = [rng.integers(3, VOCABULARY, n) for n in lengths_of(kind, count)]
    tokens = sum(map(len, traces))
    whole, cut = model_of(12, dtype), model_of(8, dtype)
    loaded = loaded_of(cut, dtype)
    ways: dict[str, Callable[[], int | None]] = {
        "limit": lambda: limit(cut, traces),
        "augury packed": lambda: ours(loaded, traces, packed=True),
        "augury padded, sorted": lambda: ours(loaded, traces, packed=False),
        "augury extract to disk": lambda: ours_stored(loaded, traces),
        "truncated, sorted, hooks": lambda: padded_hooks(cut, by_length(traces)),
        "padded, hooks": lambda: padded_hooks(whole, in_order(traces)),
        "padded, output_hidden_states": lambda: padded_hidden_states(whole, traces),
        "one at a time, lists, pickle": lambda: seed_way(whole, traces),
    }
    others = {
        "nnsight, saves and stop": nnsight_way(whole),
        "TransformerLens, run_with_cache": transformer_lens_way(model_of(12, dtype)),
    }
    ways |= {name: partial(way, traces) for name, way in others.items() if way is not None}
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds):
        order = list(ways)
        random.Random(number).shuffle(order)
        for name in order:
            start = time.perf_counter()
            did = ways[name]() or tokens
            taken[name].append((time.perf_counter() - start) / did * 1e3)
    return {name: statistics.median(values) for name, values in taken.items()}


def ratios(times: dict[str, float]) -> dict[str, float]:
    """The numbers of the goals; larger is better."""
    best = times["augury packed"]
    return {
        "of_limit": round(times["limit"] / best, 3),
        "of_limit_stored": round(times["limit"] / times["augury extract to disk"], 3),
        "vs_best_peer": round(min(times[name] for name in PEERS if name in times) / best, 2),
        "vs_hf_padded": round(times["padded, output_hidden_states"] / best, 2),
        "vs_seed_way": round(times["one at a time, lists, pickle"] / best, 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer traces and rounds")
    parser.add_argument("--texts", type=int, help="of the short set; a quarter of it are long")
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    arguments = parser.parse_args()
    rounds = 3 if arguments.quick else 5
    short = arguments.texts or (48 if arguments.quick else 96)
    counts = {"short": short, "long": max(1, short // 4)}
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, {arguments.dtype}")
    found = {}
    for kind, count in counts.items():
        times = measure(kind, count, rounds, getattr(torch, arguments.dtype))
        print(f"\n{kind}: ms per token, and times the limit")
        for name, value in times.items():
            print(f"  {name:32s}{value:8.3f}{value / times['limit']:8.2f}")
        found[kind] = ratios(times)
    if arguments.json:
        print(json.dumps(found))


if __name__ == "__main__":
    main()
