"""Sample continuations. What a prompt gets depends on the seed and its key, not on its batch.

Every draw is the inverse of the cumulative distribution at a uniform number that a counter-based
generator (Philox) yields for (seed, key of the prompt, step). Batches may be cut, sorted and
compacted freely. What remains is floating-point noise: matrix products of another batch shape
differ in their last bits, which moves about one draw in 10^5 to 10^6 over a boundary. The same call
on the same machine repeats exactly.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from pydantic import Field

from augury.config import Config
from augury.errors import CheckFailed, DataError, UsageError
from augury.models.load import LoadedModel
from augury.models.running import Running

__all__ = ["Generation", "Sampling", "logits_along", "sample", "stop_ids"]

_MOST_SEQUENCES = 256
_DROP_BELOW = 0.85


class Sampling(Config):
    """How continuations are drawn."""

    temperature: float = Field(default=1.0, ge=0.0, allow_inf_nan=False)
    """0 takes the most probable token; 1 draws from the model's own distribution."""

    top_p: float = Field(default=1.0, gt=0.0, le=1.0)
    """Draw from the fewest most probable tokens that hold this probability."""

    max_new_tokens: int = Field(default=256, ge=1)
    """Stop a continuation after this many tokens."""

    seed: int = Field(default=0, ge=0)
    """With the key of a prompt it decides every draw for that prompt."""

    batch_tokens: int = Field(default=65536, ge=1)
    """At most this many tokens at once, prompts and new tokens together."""


@dataclass(frozen=True, slots=True)
class Generation:
    """One continuation."""

    ids: list[int]
    """New token ids, without the end token."""

    finish: Literal["stop", "length"]
    """`stop`: the model ended it; `length`: cut at the limit or at the model's context."""


def stop_ids(loaded: LoadedModel) -> frozenset[int]:
    """Ids that end a continuation: those of the generation config, the config and the tokenizer."""
    found: set[int] = set()
    for holder in (getattr(loaded.model, "generation_config", None), loaded.blocks.config):
        value = getattr(holder, "eos_token_id", None)
        found.update([value] if isinstance(value, int) else value or ())
    if loaded.tokenizer.eos_token_id is not None:
        found.add(int(loaded.tokenizer.eos_token_id))
    return frozenset(found)


@torch.no_grad()
def sample(
    loaded: LoadedModel,
    prompts: Sequence[Sequence[int]],
    *,
    settings: Sampling,
    keys: Sequence[int] | None = None,
) -> list[Generation]:
    """Continue every prompt. A prompt that stands several times in a batch is read once.

    Args:
        loaded: A model with its head.
        prompts: Token ids, BOS included where the model wants one. Never text.
        settings: How to draw, and for how long.
        keys: What tells the draws of one prompt from those of another, each from 0 to 2**64 - 1;
            its place in `prompts` where none is given. Equal keys draw at equal numbers, so the
            same key under another edit of the model is a paired sample.

    Returns:
        One continuation per prompt, in the order of `prompts`.

    Raises:
        DataError: A prompt is empty or fills the context.
        UsageError: Not one key per prompt.
        CheckFailed: The model gave a logit that is not a number.
    """
    for index, prompt in enumerate(prompts):
        if not 0 < len(prompt) < loaded.context:
            raise DataError(
                f"prompt {index}",
                found=f"{len(prompt)} tokens",
                expected=f"1 to {loaded.context - 1}, so that something can be added",
                fix="shorten or drop it",
            )
    keys = range(len(prompts)) if keys is None else keys
    if len(keys) != len(prompts):
        raise UsageError(
            "keys", found=f"{len(keys)} for {len(prompts)} prompts", expected="as many"
        )
    results: list[Generation | None] = [None] * len(prompts)
    stops = np.array(sorted(stop_ids(loaded)), dtype=np.int64)
    for batch in _batches([len(prompt) for prompt in prompts], settings):
        chosen = [prompts[index] for index in batch]
        drawn_by = [keys[index] for index in batch]
        made = _run_batch(loaded, chosen, drawn_by, settings, stops)
        for index, generation in zip(batch, made, strict=True):
            results[index] = generation
    return [result for result in results if result is not None]


@torch.no_grad()
def logits_along(
    loaded: LoadedModel, prompts: Sequence[Sequence[int]], forced: Sequence[Sequence[int]]
) -> Iterator[torch.Tensor]:
    """Logits of the sampling loop [prompt, vocabulary] while given tokens are fed, for checks.

    Args:
        loaded: A model with its head.
        prompts: One batch of token ids.
        forced: What is fed to each prompt after it; all of the same length.

    Yields:
        Logits after the prompts, then after each forced token.
    """
    running = Running(loaded, list(prompts))
    yield running.next_logits()
    for tokens in np.array(forced, dtype=np.int64).T:
        running.append(tokens)
        yield running.next_logits()


def _batches(lengths: Sequence[int], settings: Sampling) -> Iterable[list[int]]:
    """Longest first, so that padding is small and running out of memory shows at once."""
    order = sorted(range(len(lengths)), key=lambda index: (-lengths[index], index))
    start = 0
    while start < len(order):
        each = lengths[order[start]] + settings.max_new_tokens
        size = max(1, min(_MOST_SEQUENCES, settings.batch_tokens // each))
        yield order[start : start + size]
        start += size


def _run_batch(
    loaded: LoadedModel,
    prompts: Sequence[Sequence[int]],
    keys: Sequence[int],
    settings: Sampling,
    stops: np.ndarray,
) -> list[Generation]:
    places: dict[tuple[int, ...], int] = {}
    copies = [places.setdefault(tuple(prompt), len(places)) for prompt in prompts]
    running = Running(loaded, list(places))
    limit = np.array(
        [min(settings.max_new_tokens, loaded.context - len(prompt)) for prompt in prompts]
    )
    steps = int(limit.max())
    uniforms = np.stack([_uniforms(settings.seed, key, steps) for key in keys])
    new = np.full((len(prompts), steps), -1, dtype=np.int64)
    stopped = np.zeros(len(prompts), dtype=bool)
    rows = np.arange(len(prompts))
    alive = np.ones(len(prompts), dtype=bool)
    for step in range(steps):
        logits = running.next_logits()
        if step == 0 and len(places) < len(prompts):
            running.keep(np.array(copies))
            logits = logits[copies]
        tokens = _draw(logits, uniforms[rows, step], settings)
        ended = np.isin(tokens, stops)
        stopped[rows[alive[rows] & ended]] = True
        alive[rows[ended]] = False
        write = rows[alive[rows]]
        new[write, step] = tokens[alive[rows]]
        alive[write[limit[write] == step + 1]] = False
        left = alive[rows]
        if not left.any():
            break
        running.append(tokens)
        if left.mean() < _DROP_BELOW:
            running.keep(np.flatnonzero(left))
            rows = rows[left]
    return [
        Generation(ids[ids >= 0].tolist(), "stop" if ended else "length")
        for ids, ended in zip(new, stopped, strict=True)
    ]


def _uniforms(seed: int, key: int, steps: int) -> np.ndarray:
    return np.random.Generator(np.random.Philox(key=[seed, key])).random(steps)


def _draw(logits: torch.Tensor, uniforms: np.ndarray, settings: Sampling) -> np.ndarray:
    """One token id per row: the inverse of the row's cumulative distribution at `uniforms`."""
    if not bool(torch.isfinite(logits).all()):
        raise CheckFailed(
            "generation",
            found="logits that are not finite",
            fix="run the model in float32 or bfloat16, and check its weights",
        )
    if settings.temperature == 0:
        greedy: np.ndarray = logits.argmax(dim=-1).cpu().numpy()
        return greedy
    kind = torch.float64 if logits.device.type != "mps" else torch.float32
    p = torch.softmax(logits.to(kind) / settings.temperature, dim=-1)
    if settings.top_p < 1:
        p = _nucleus(p, settings.top_p)
    cumulative = p.cumsum(dim=-1)
    target = torch.from_numpy(uniforms).to(p)[:, None] * cumulative[:, -1:]
    # `right`: a token of probability zero is never drawn, not even at a uniform of exactly 0.
    drawn = torch.searchsorted(cumulative, target, right=True)[:, 0]
    last = p.shape[-1] - 1 - (p.flip(-1) > 0).to(torch.uint8).argmax(dim=-1)
    tokens: np.ndarray = torch.minimum(drawn, last).cpu().numpy()
    return tokens


def _nucleus(p: torch.Tensor, top_p: float) -> torch.Tensor:
    ordered, order = p.sort(dim=-1, descending=True, stable=True)
    before = ordered.cumsum(dim=-1) - ordered
    return torch.zeros_like(p).scatter(-1, order, ordered.masked_fill(before >= top_p, 0.0))
