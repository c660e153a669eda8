"""Sample continuations. What a prompt gets depends on the seed and its key, not on its batch.

Every draw is the inverse of the cumulative distribution at a uniform number that a counter-based
generator (Philox) yields for (seed, key of the prompt, step). Batches may be cut, sorted and
compacted freely. What remains is floating-point noise: matrix products of another batch shape
differ in their last bits, which moves about one draw in 10^5 to 10^6 over a boundary. The same call
on the same machine repeats exactly.
"""

from __future__ import annotations

from collections import deque
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
from augury.runs.progress import track

__all__ = ["Generation", "Sampling", "logits_along", "sample", "stop_ids"]

_MOST_SEQUENCES = 256
_DROP_BELOW = 0.85
_JOIN_FROM = 0.25
"""New rows join when this part of the batch is free: reading prompts for one row is a waste."""

_JOINS_ON = frozenset({"cuda"})
"""Where a pass over few rows takes as long as one over many. On a CPU time goes with rows, and the
padding that joining needs costs more than the passes it saves (`benchmarks/generation.py`)."""


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
    what: str | None = None,
) -> list[Generation]:
    """Continue every prompt. A prompt that stands several times in a batch is read once.

    Args:
        loaded: A model with its head.
        prompts: Token ids, BOS included where the model wants one. Never text.
        settings: How to draw, and for how long.
        keys: What tells the draws of one prompt from those of another, each from 0 to 2**64 - 1;
            its place in `prompts` where none is given. Equal keys draw at equal numbers, so the
            same key under another edit of the model is a paired sample.
        what: What the progress is called; None shows none.

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
    sampler = _Sampler(loaded, prompts, keys, settings)
    if what is None:
        return sampler.run(sampler.finishing())
    return sampler.run(track(sampler.finishing(), what=what, total=len(prompts), unit="texts"))


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


class _Sampler:
    """Continues prompts in one batch: finished rows leave it, and waiting prompts take their place.

    Prompts are taken longest first, so that padding is small and running out of memory shows at
    once. New rows are read by themselves and join the batch when a fair part of it is free. On a
    CPU, and where a layer keeps a window of its own, the batch runs empty first.
    """

    def __init__(
        self,
        loaded: LoadedModel,
        prompts: Sequence[Sequence[int]],
        keys: Sequence[int],
        settings: Sampling,
    ) -> None:
        self.loaded, self.prompts, self.keys, self.settings = loaded, prompts, keys, settings
        self.stops = np.array(sorted(stop_ids(loaded)), dtype=np.int64)
        lengths = np.array([len(prompt) for prompt in prompts], dtype=np.int64)
        self.limit = np.minimum(settings.max_new_tokens, loaded.context - lengths)
        order = sorted(range(len(prompts)), key=lambda index: (-len(prompts[index]), index))
        self.waiting = deque(order)
        self.new: list[list[int]] = [[] for _ in prompts]
        self.stopped = np.zeros(len(prompts), dtype=bool)
        self.uniforms: dict[int, np.ndarray] = {}
        self.rows = np.zeros(0, dtype=np.int64)
        self.alive = np.zeros(0, dtype=bool)
        self.running: Running | None = None
        self.joins = loaded.device.type in _JOINS_ON

    def finishing(self) -> Iterator[None]:
        """Write everything, and say of each continuation when it is finished."""
        told = 0
        while self.waiting or self.running is not None:
            fresh = self._taken()
            if fresh:
                self._admit(fresh)
            if self.running is not None:
                logits = self.running.next_logits()
                self.alive, _ = self._step(self.running, logits, self.rows, self.alive)
                self._drop()
            going = len(self.waiting) + (int(self.alive.sum()) if self.running is not None else 0)
            finished = len(self.prompts) - going
            yield from (None for _ in range(finished - told))
            told = finished

    def run(self, finishing: Iterable[None]) -> list[Generation]:
        """Every continuation, in the order of the prompts."""
        for _ in finishing:
            pass
        return [
            Generation(ids, "stop" if ended else "length")
            for ids, ended in zip(self.new, self.stopped, strict=True)
        ]

    def _taken(self) -> list[int]:
        """Prompts that are read next; none while there is hardly room."""
        used = width = rest = 0
        if self.running is not None:
            used, width = len(self.rows), int(self.running.mask.shape[1])
            if not (self.waiting and self.joins and self.running.joinable):
                return []
            rest = max(int(self.limit[r]) - len(self.new[r]) for r in self.rows.tolist())
        most = self._fits(width, rest)
        if used and most - used < _JOIN_FROM * most:
            return []
        taken: list[int] = []
        while self.waiting and used + len(taken) < most:
            taken.append(self.waiting.popleft())
        return taken

    def _fits(self, width: int, rest: int) -> int:
        """Sequences that may run at once if the next prompt joins; at least one."""
        longest = len(self.prompts[self.waiting[0]])
        each = max(width, longest) + max(rest, self.settings.max_new_tokens)
        return max(1, min(_MOST_SEQUENCES, self.settings.batch_tokens // each))

    def _admit(self, taken: Sequence[int]) -> None:
        rows = np.array(taken, dtype=np.int64)
        for row in taken:
            self.uniforms[row] = _uniforms(self.settings.seed, self.keys[row], int(self.limit[row]))
        places: dict[tuple[int, ...], int] = {}
        copies = [places.setdefault(tuple(self.prompts[row]), len(places)) for row in taken]
        fresh = Running(self.loaded, list(places))
        logits = fresh.next_logits()
        if len(places) < len(taken):
            fresh.keep(np.array(copies))
            logits = logits[copies]
        alive, going = self._step(fresh, logits, rows, np.ones(len(rows), dtype=bool))
        if not going:
            return
        if self.running is None:
            self.running, self.rows, self.alive = fresh, rows, alive
        else:
            self.running.join(fresh)
            self.rows = np.concatenate([self.rows, rows])
            self.alive = np.concatenate([self.alive, alive])

    def _step(
        self, running: Running, logits: torch.Tensor, rows: np.ndarray, alive: np.ndarray
    ) -> tuple[np.ndarray, bool]:
        """Draw one token for every row; which are still alive, and whether any is."""
        at = [min(len(self.new[row]), int(self.limit[row]) - 1) for row in rows.tolist()]
        uniforms = np.array([self.uniforms[r][k] for r, k in zip(rows.tolist(), at, strict=True)])
        tokens = _draw(logits, uniforms, self.settings)
        ended = alive & np.isin(tokens, self.stops)
        self.stopped[rows[ended]] = True
        left = alive & ~ended
        for place in np.flatnonzero(left).tolist():
            row = int(rows[place])
            self.new[row].append(int(tokens[place]))
            left[place] = len(self.new[row]) < self.limit[row]
        running.append(tokens)
        return left, bool(left.any())

    def _drop(self) -> None:
        """Let finished rows go, where enough of them are finished."""
        assert self.running is not None
        if not self.alive.any():
            self.running, self.rows = None, self.rows[:0]
            self.uniforms.clear()
        elif self.alive.mean() < _DROP_BELOW:
            self.running.keep(np.flatnonzero(self.alive))
            for row in self.rows[~self.alive].tolist():
                del self.uniforms[row]
            self.rows = self.rows[self.alive]
            self.alive = np.ones(len(self.rows), dtype=bool)


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
