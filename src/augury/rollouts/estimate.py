"""What a set of rollouts will cost, before it starts."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from augury.rollouts.author import Author, draw_key
from augury.rollouts.base import BaseSolution
from augury.rollouts.config import RolloutsConfig

__all__ = ["RolloutEstimate", "estimate_rollouts"]

_TRIAL = 64
"""Continuations that are written to measure the speed."""

_ROW_BYTES = 400
"""Names and numbers of a stored rollout, beside its texts."""


@dataclass(frozen=True, slots=True)
class RolloutEstimate:
    """Counts, tokens, bytes and time."""

    problems: int
    sentences: int
    rollouts: int
    """Forced ones included."""

    read: int
    """Tokens of prefixes; each is read once for all rollouts of its sentence."""

    written: int
    """Tokens that the model will write, if a rollout is as long as what it replaces."""

    bytes: int
    seconds: float

    def lines(self) -> list[str]:
        """The estimate in words."""
        return [
            f"rollouts {self.rollouts:,} of {self.sentences:,} sentences, {self.problems} problems",
            f"tokens   {self.written:,} to write, {self.read:,} to read",
            f"disk     {self.bytes / 1e6:.1f} MB",
            f"time     {self.seconds / 60:.1f} min on this machine (from a trial)",
        ]


def estimate_rollouts(
    bases: Sequence[BaseSolution], config: RolloutsConfig, author: Author, *, of: int
) -> RolloutEstimate:
    """Count tokens, and measure the speed on the rollouts of some sentences.

    Args:
        bases: Solutions that are known.
        config: Of the rollouts.
        author: Who will write them.
        of: Problems in all; what is not known is taken to be like what is.
    """
    scale = of / len(bases)
    cuts = [(base, each) for base in bases for each in base.sentences]
    read = sum(each.token for _, each in cuts)
    rest = sum(len(base.ids) - each.token for base, each in cuts)
    letters = sum(len(base.prompt) + len(base.solution) for base, _ in cuts) * 2
    forced = config.forced.count
    count = len(cuts) * (config.rollouts + forced)
    seconds, tokens = _trial(cuts, config, author)
    written = rest * config.rollouts + len(cuts) * forced * min(4, config.forced.max_new_tokens)
    return RolloutEstimate(
        problems=of,
        sentences=round(len(cuts) * scale),
        rollouts=round(count * scale),
        read=round(read * scale * (2 if forced else 1)),
        written=round(written * scale),
        bytes=round((letters * (config.rollouts + forced) + _ROW_BYTES * count) * scale),
        seconds=written * scale * seconds / max(tokens, 1),
    )


def _trial(
    cuts: Sequence[tuple[BaseSolution, object]], config: RolloutsConfig, author: Author
) -> tuple[float, int]:
    """Seconds, and tokens written in them, with batches as the job will have them."""
    size = max(1, min(_TRIAL, config.chunk) // config.rollouts) or 1
    picked = np.random.default_rng(0).permutation(len(cuts))[: max(2, size)]
    prompts, keys = [], []
    for n in picked:
        base, sentence = cuts[n]
        for draw in range(min(config.rollouts, _TRIAL // len(picked))):
            prompts.append(base.prefix(sentence))  # type: ignore[arg-type]
            keys.append(draw_key("trial", int(n), draw))
    started = time.perf_counter()
    written = author.write(prompts, keys, config.sampling)
    return time.perf_counter() - started, sum(len(generation.ids) for generation in written)
