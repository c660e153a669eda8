"""Sampling: one running batch that waiting prompts join, against batches that run empty.

    python benchmarks/generation.py [--json]

Both ways write the same texts, of the lengths that the embedded model gives them. Seconds are those
of one CPU thread; on an accelerator, where a pass over few rows takes as long as one over many,
passes tell more.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence

import torch

from augury.models import generate
from augury.models.generate import Generation, Sampling, sample
from augury.models.load import LoadedModel, ModelConfig, load_model
from augury.models.running import Running
from augury.organism.chains import held_out_problems
from augury.traces.prompts import render_prompt
from augury.traces.tokens import encode_prompt


def main() -> None:
    """Print one row per setting."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    told = parser.parse_args()
    torch.set_num_threads(1)
    loaded = load_model(ModelConfig(name="organism"))
    prompts = [
        encode_prompt(render_prompt(p.text, loaded.tokenizer, style="chat"), loaded.tokenizer)
        for p in held_out_problems(256, 3)
    ]
    rows = [
        _measured(name, loaded, prompts, settings)
        for name, settings in (
            ("as they come", Sampling(max_new_tokens=400, batch_tokens=16384)),
            ("temperature 1.4", Sampling(max_new_tokens=900, temperature=1.4, batch_tokens=32768)),
        )
    ]
    print(json.dumps(rows, indent=1) if told.json else "\n".join(map(str, rows)))


def _measured(
    name: str, loaded: LoadedModel, prompts: Sequence[Sequence[int]], settings: Sampling
) -> dict[str, object]:
    ours = _timed(loaded, prompts, settings, frozenset({"cpu"}))
    alone = _timed(loaded, prompts, settings, frozenset())
    lengths = sorted(len(one.ids) for one in ours[0])
    return {
        "texts": name,
        "median_length": lengths[len(lengths) // 2],
        "longest": lengths[-1],
        "same_texts": sum(a == b for a, b in zip(ours[0], alone[0], strict=True)) / len(lengths),
        "passes_joining": ours[1],
        "passes_alone": alone[1],
        "seconds_joining": round(ours[2], 2),
        "seconds_alone": round(alone[2], 2),
        "passes_ratio": round(alone[1] / ours[1], 2),
        "seconds_ratio": round(alone[2] / ours[2], 2),
    }


def _timed(
    loaded: LoadedModel,
    prompts: Sequence[Sequence[int]],
    settings: Sampling,
    joins_on: frozenset[str],
) -> tuple[list[Generation], int, float]:
    generate._JOINS_ON = joins_on
    passes = 0
    forward = Running.next_states

    def counted(running: Running) -> torch.Tensor:
        nonlocal passes
        passes += 1
        return forward(running)

    Running.next_states = counted  # type: ignore[method-assign]
    start = time.process_time()
    made = sample(loaded, prompts, settings=settings)
    seconds = time.process_time() - start
    Running.next_states = forward  # type: ignore[method-assign]
    return made, passes, seconds


if __name__ == "__main__":
    main()
