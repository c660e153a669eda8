"""Eight seeds at once against eight seeds one after the other, interleaved in one process.

    python benchmarks/seeds.py [--hidden 1024] [--rounds 5]

One step (forward and backward) of each net on a batch of 32 spans of about 25 tokens. `at once` is
what the package does: weights stacked, one pass. `vmap` maps the one-seed pass with torch.func.
`loop` runs one seed after the other. Prints medians in milliseconds and the ratio to `loop`.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch

from augury.probes.net_config import AttentionNet, MlpNet, MultiMaxNet, Net, RollingNet
from augury.probes.segments import Segments
from augury.probes.token_net import Weights, forward, initial_weights

SEEDS = tuple(range(8))


def step(scores: torch.Tensor, weights: Weights) -> None:
    """Gradients of a stand-in loss; the package adds the losses of the seeds likewise."""
    loss = torch.nn.functional.softplus(scores).mean(dim=-1).sum()
    torch.autograd.grad(loss, list(weights.values()))


def ways(net: Net, hidden: int) -> dict[str, Callable[[], None]]:
    generator = torch.Generator().manual_seed(0)
    spans = 32
    lengths = torch.ones(spans) if isinstance(net, MlpNet) else torch.linspace(5, 45, spans)
    offsets = torch.cat([torch.zeros(1), lengths.round().cumsum(0)]).long()
    states = torch.randn(int(offsets[-1]), hidden, generator=generator)
    segments = Segments(offsets)
    every = {k: w.requires_grad_() for k, w in initial_weights(net, hidden, SEEDS).items()}
    single = [
        {k: w.requires_grad_() for k, w in initial_weights(net, hidden, (seed,)).items()}
        for seed in SEEDS
    ]

    def one(weights: Weights) -> torch.Tensor:
        return forward(net, {k: w[None] for k, w in weights.items()}, states, segments)[0]

    def at_once() -> None:
        step(forward(net, every, states, segments), every)

    def vmapped() -> None:
        step(torch.func.vmap(one)(every), every)

    def loop() -> None:
        for weights in single:
            step(forward(net, weights, states, segments), weights)

    return {"at once": at_once, "vmap": vmapped, "loop": loop}


def measure(way: Callable[[], None]) -> float:
    started = time.perf_counter()
    way()
    return 1e3 * (time.perf_counter() - started)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hidden", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=5)
    chosen = parser.parse_args()
    for net in (MlpNet(), AttentionNet(), MultiMaxNet(), RollingNet()):
        times: dict[str, list[float]] = {}
        todo = ways(net, chosen.hidden)
        for turn in range(chosen.rounds + 1):
            for name, way in list(todo.items()):
                try:
                    took = measure(way)
                except RuntimeError as error:
                    print(f"{type(net).__name__:13s} {name}: {str(error).splitlines()[0]}")
                    del todo[name]
                    continue
                if turn:
                    times.setdefault(name, []).append(took)
        middle = {name: statistics.median(values) for name, values in times.items()}
        line = "  ".join(
            f"{name} {value:7.2f} ms ({middle['loop'] / value:.2f}x)"
            for name, value in middle.items()
        )
        print(f"{type(net).__name__:13s} {line}")


if __name__ == "__main__":
    main()
