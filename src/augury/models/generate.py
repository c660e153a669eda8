"""Sample continuations. What a prompt gets depends on the seed and its index, not on its batch.

Every draw is the inverse of the cumulative distribution at a uniform number that a counter-based
generator (Philox) yields for (seed, prompt index, step). Batches may be cut, sorted and compacted
freely. What remains is floating-point noise: matrix products of another batch shape differ in their
last bits, which moves about one draw in 10^5 to 10^6 over a boundary. The same call on the same
machine repeats exactly.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from pydantic import Field
from transformers.cache_utils import DynamicCache

from augury.config import Config
from augury.errors import CheckFailed, DataError
from augury.models.cache import growing_cache, keep_rows
from augury.models.load import LoadedModel

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
    """With the index of a prompt it decides every draw for that prompt."""

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
    loaded: LoadedModel, prompts: Sequence[Sequence[int]], *, settings: Sampling
) -> list[Generation]:
    """Continue every prompt.

    Args:
        loaded: A model with its head.
        prompts: Token ids, BOS included where the model wants one. Never text.
        settings: How to draw, and for how long.

    Returns:
        One continuation per prompt, in the order of `prompts`.

    Raises:
        DataError: A prompt is empty or fills the context.
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
    results: list[Generation | None] = [None] * len(prompts)
    stops = np.array(sorted(stop_ids(loaded)), dtype=np.int64)
    for batch in _batches([len(prompt) for prompt in prompts], settings):
        for index, generation in _run_batch(loaded, prompts, batch, settings, stops):
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
    running = _Running(loaded, list(prompts))
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


class _Running:
    """The sequences of one batch that still run: left-padded ids, mask and cache."""

    def __init__(self, loaded: LoadedModel, prompts: list[Sequence[int]]) -> None:
        longest = max(map(len, prompts))
        ids = np.zeros((len(prompts), longest), dtype=np.int64)
        mask = np.zeros_like(ids)
        for row, prompt in enumerate(prompts):
            ids[row, longest - len(prompt) :] = prompt
            mask[row, longest - len(prompt) :] = 1
        self.loaded = loaded
        self.cache: DynamicCache = growing_cache(loaded.blocks.config)
        self.mask = torch.from_numpy(mask).to(loaded.device)
        self.positions = (self.mask.cumsum(1) - 1).clamp_min(0)
        self.ids = torch.from_numpy(ids).to(loaded.device)
        self.even = bool(mask.all())

    def next_logits(self) -> torch.Tensor:
        """Logits of the next token [sequence, vocabulary]."""
        output: Any = self.loaded.blocks.decoder(
            input_ids=self.ids,
            # Without padding no mask is needed, and attention takes its fastest path.
            attention_mask=None if self.even else self.mask,
            position_ids=self.positions,
            past_key_values=self.cache,
            use_cache=True,
        )
        return self.loaded.blocks.logits(output.last_hidden_state[:, -1])

    def append(self, tokens: np.ndarray) -> None:
        """Feed these tokens next."""
        self.ids = torch.from_numpy(tokens).to(self.loaded.device)[:, None]
        self.positions = self.positions[:, -1:] + 1
        self.mask = torch.cat([self.mask, torch.ones_like(self.ids)], dim=1)

    def keep(self, rows: np.ndarray) -> None:
        """Drop every other sequence."""
        index = torch.from_numpy(rows).to(self.loaded.device)
        keep_rows(self.cache, index)
        self.ids, self.positions, self.mask = (
            self.ids[index],
            self.positions[index],
            self.mask[index],
        )


def _run_batch(
    loaded: LoadedModel,
    prompts: Sequence[Sequence[int]],
    batch: list[int],
    settings: Sampling,
    stops: np.ndarray,
) -> list[tuple[int, Generation]]:
    running = _Running(loaded, [prompts[index] for index in batch])
    limit = np.array(
        [min(settings.max_new_tokens, loaded.context - len(prompts[index])) for index in batch]
    )
    steps = int(limit.max())
    uniforms = np.stack([_uniforms(settings.seed, index, steps) for index in batch])
    new = np.full((len(batch), steps), -1, dtype=np.int64)
    stopped = np.zeros(len(batch), dtype=bool)
    rows = np.arange(len(batch))
    alive = np.ones(len(batch), dtype=bool)
    for step in range(steps):
        tokens = _draw(running.next_logits(), uniforms[rows, step], settings)
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
        (index, Generation(ids[ids >= 0].tolist(), "stop" if ended else "length"))
        for index, ids, ended in zip(batch, new, stopped, strict=True)
    ]


def _uniforms(seed: int, index: int, steps: int) -> np.ndarray:
    return np.random.Generator(np.random.Philox(key=[seed, index])).random(steps)


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
