"""Vertical attention at 10,000 tokens: memory and time, beside a tensor for every pair of tokens.

    python benchmarks/vertical.py [--tokens 10000] [--heads 40] [--key-heads 8] [--json]

Queries and keys of one block with the sizes of a 14B model (40 heads of 128 channels, 8 key heads)
are drawn at random; sentences of 24 tokens tile the text. Each way runs in a process of its own,
which reports how far its peak of resident memory rises above that of queries and keys.

| way        | what                                                                          |
|------------|-------------------------------------------------------------------------------|
| blockwise  | `activations.vertical`: pieces of bounded size, pairs of sentences are kept   |
| one head   | the weights of one head at a time, [token, token]                             |
| all heads  | what `output_attentions=True` keeps of one block: [head, token, token]        |

The last is only reckoned where it would not fit into half of the memory.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import time
from pathlib import Path
from typing import Any

import torch

from augury.activations.vertical import mass_between, vertical_scores
from augury.models.attention import AttentionSettings, weights_of_heads

CHANNELS, SENTENCE = 128, 24


def made(tokens: int, heads: int, key_heads: int) -> tuple[torch.Tensor, torch.Tensor, Any, Any]:
    """Queries, keys, settings and sentences."""
    torch.manual_seed(0)
    query = torch.randn(tokens, heads * CHANNELS)
    key = torch.randn(tokens, key_heads * CHANNELS)
    settings = AttentionSettings(heads, key_heads, CHANNELS**-0.5, None, None)
    starts = torch.arange(0, tokens - SENTENCE + 1, SENTENCE)
    return query, key, settings, torch.stack([starts, starts + SENTENCE], dim=1)


def blockwise(query: torch.Tensor, key: torch.Tensor, settings: Any, spans: Any) -> torch.Tensor:
    """Scores by the package."""
    mass = mass_between(query, key, settings, spans)
    return vertical_scores(mass, spans[:, 1] - spans[:, 0], proximity=4)[..., 0]


def by_head(
    query: torch.Tensor, key: torch.Tensor, settings: Any, spans: Any, at_once: int
) -> torch.Tensor:
    """The same scores from whole weights of some heads at a time."""
    found, count = [], len(spans)
    groups = settings.heads // settings.key_heads
    queries = query.unflatten(1, (settings.heads, -1)).transpose(0, 1)
    keys = key.unflatten(1, (settings.key_heads, -1)).transpose(0, 1)
    for first in range(0, settings.heads, at_once):
        own = torch.arange(first, first + at_once)
        weights = weights_of_heads(queries[own], keys[own // groups], settings.scaling, None, None)
        inside = weights[:, : count * SENTENCE, : count * SENTENCE]
        mean = inside.reshape(at_once, count, SENTENCE, count, SENTENCE).mean(dim=(2, 4))
        far = torch.arange(count)[:, None] - torch.arange(count) >= 4
        found.append((mean * far).sum(dim=1) / far.sum(dim=0).clamp_min(1))
    return torch.cat(found)


def measured(way: str, sizes: tuple[int, int, int], answer: Any) -> None:
    """Run one way in this process; peak memory above its inputs in MiB, seconds, scores."""
    scored(way, made(240, *sizes[1:]))  # what libraries take once is not the way's
    job = made(*sizes)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.perf_counter()
    scores = scored(way, job)
    seconds = time.perf_counter() - started
    rise = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    answer.put((rise, seconds, scores[:, :50].tolist()))


def scored(way: str, job: tuple[torch.Tensor, torch.Tensor, Any, Any]) -> torch.Tensor:
    """Scores [head, sentence] by one way."""
    if way == "blockwise":
        return blockwise(*job)
    return by_head(*job, at_once=1 if way == "one head" else job[2].heads)


def in_a_process(way: str, sizes: tuple[int, int, int]) -> tuple[float, float, torch.Tensor]:
    """`measured` in a fresh process, whose peak is its own."""
    context = multiprocessing.get_context("spawn")
    answer = context.Queue()
    process = context.Process(target=measured, args=(way, sizes, answer))
    process.start()
    rise, seconds, scores = answer.get()
    process.join()
    return rise, seconds, torch.tensor(scores)


def available() -> float:
    """MiB of memory that could be taken."""
    for line in Path("/proc/meminfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("MemAvailable"):
            return int(line.split()[1]) / 1024
    return 0.0


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, default in (("tokens", 10_000), ("heads", 40), ("key-heads", 8)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    sizes = (chosen.tokens, chosen.heads, chosen.key_heads)
    tensor = chosen.heads * chosen.tokens**2 * 4 / 2**20
    rows, wanted = {}, None
    for way in ("blockwise", "one head", "all heads"):
        # Products and weights exist at once.
        if way == "all heads" and 3 * tensor > available() / 2:
            rows[way] = {"reckoned_mib": tensor}
            continue
        rise, seconds, scores = in_a_process(way, sizes)
        wanted = scores if wanted is None else wanted
        apart = float((scores - wanted).abs().max() / wanted.abs().max())
        rows[way] = {"peak_mib": rise, "seconds": seconds, "apart": apart}
    if chosen.json:
        print(json.dumps(rows, indent=1))
        return
    print(f"{chosen.tokens} tokens, {chosen.heads} heads; [head, token, token]: {tensor:.0f} MiB")
    for way, row in rows.items():
        if "peak_mib" in row:
            share = row["peak_mib"] / tensor
            print(
                f"{way:10} peak {row['peak_mib']:8.0f} MiB ({share:6.1%} of the tensor), "
                f"{row['seconds']:6.1f} s, scores apart {row['apart']:.1e}"
            )
        else:
            print(f"{way:10} at least {row['reckoned_mib']:.0f} MiB, not run")


if __name__ == "__main__":
    main()
