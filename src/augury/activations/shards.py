"""Read one planned shard of a store: what every engine computes, and nothing else."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
import torch

from augury.activations.batches import plan_batches
from augury.activations.plan import ReadingPlan, planned_rows
from augury.activations.writing import ShardFile, shard_file
from augury.errors import CheckFailed, ConfigError
from augury.models.load import LoadedModel
from augury.models.read import read_rows
from augury.traces.tokens import TokenisedTrace

__all__ = ["ReadShard", "read_shard"]


class ReadShard(NamedTuple):
    """A shard that was read and is not yet written."""

    file: ShardFile

    batch_tokens: int
    """The budget that it was read with at last; smaller than asked where memory ran out."""


def read_shard(
    loaded: LoadedModel,
    texts: Mapping[int, TokenisedTrace],
    plan: ReadingPlan,
    packed: bool,
    batch_tokens: int,
) -> ReadShard:
    """Run the model over the traces of one shard; the same arguments give the same bytes.

    Args:
        loaded: Must hold every block that the plan needs.
        texts: The traces by position in the store, in the order in which the header lists them.
        plan: What to keep.
        packed: Whether batches are packed.
        batch_tokens: Most tokens of one forward pass; halved, as often as needed, where the device
            runs out of memory.

    Raises:
        CheckFailed: A state is not finite, or a site was not read exactly once.
        ConfigError: float16 overflows; the device cannot hold a single trace.
    """
    rows = {name: planned_rows(text, plan.rows) for name, text in texts.items()}
    reading = _ShardReading(loaded, texts, rows, plan, packed)
    while True:
        try:
            parts = dict(reading.parts(batch_tokens))
            break
        except torch.OutOfMemoryError as error:
            batch_tokens = _halved(
                batch_tokens, max(len(text.ids) for text in texts.values()), error
            )
    ordered = sorted(texts)
    states = {site: torch.cat([parts[name][site] for name in ordered]) for site in plan.sites}
    return ReadShard(shard_file(states, {name: rows[name] for name in ordered}), batch_tokens)


class _ShardReading(NamedTuple):
    """What stays the same while the batch budget shrinks."""

    loaded: LoadedModel
    texts: Mapping[int, TokenisedTrace]
    rows: Mapping[int, np.ndarray]
    plan: ReadingPlan
    packed: bool

    def parts(self, batch_tokens: int) -> Iterator[tuple[int, dict[str, torch.Tensor]]]:
        # A trace without rows needs no forward pass, but its batch mates must not notice.
        members = list(self.texts)
        lengths = [len(self.texts[name].ids) for name in members]
        for batch in plan_batches(lengths, batch_tokens, packed=self.packed):
            names = [members[index] for index in batch]
            kept = [self.rows[name] for name in names]
            ids = [self.texts[name].ids for name in names]
            read = read_rows(self.loaded, ids, kept, self.plan.sites, packed=self.packed)
            states = {site: self._stored(site, value, names) for site, value in read.items()}
            sizes = [len(one) for one in kept]
            split = {site: value.split(sizes) for site, value in states.items()}
            for position, name in enumerate(names):
                yield name, {site: pieces[position] for site, pieces in split.items()}

    def _stored(self, site: str, value: torch.Tensor, names: list[int]) -> torch.Tensor:
        """On the CPU, in the stored number type, and finite in it."""
        if not bool(torch.isfinite(value).all()):
            raise CheckFailed(
                f"site {site}, {self._place(value, names)}",
                found="states that are not finite",
                fix="run the model in float32 or bfloat16, and check its weights",
            )
        if self.plan.dtype == "as-computed":
            return value.cpu()
        target: torch.dtype = getattr(torch, self.plan.dtype)
        cast = value.to(target)
        if not bool(torch.isfinite(cast).all()):
            raise ConfigError(
                f"reading.dtype: site {site}, {self._place(cast, names)}",
                found=f"a state of size {float(value.abs().max()):.4g}",
                expected=f"at most {torch.finfo(target).max:.0f}, the largest {self.plan.dtype}",
                fix="set the plan's dtype to bfloat16 or float32",
            )
        return cast.cpu()

    def _place(self, value: torch.Tensor, names: list[int]) -> str:
        kept = [self.rows[name] for name in names]
        bad = np.flatnonzero(~torch.isfinite(value).all(dim=1).cpu().numpy())
        which = np.repeat(np.arange(len(names)), [len(one) for one in kept])
        first = which[bad[0]]
        tokens = np.concatenate(kept)[bad[which[bad] == first]]
        trace = self.texts[names[first]].trace_id
        return f"trace {trace!r}, tokens [{tokens[0]}, {tokens[-1] + 1}), {len(bad)} rows"


def _halved(batch_tokens: int, longest: int, error: BaseException) -> int:
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    if batch_tokens <= longest:
        raise ConfigError(
            "reading.batch_tokens",
            found=f"out of memory with one trace of up to {longest} tokens at a time",
            expected="a device that holds the model and one trace",
            fix="cut or window long traces, read fewer sites, or use another device",
        ) from error
    return max(longest, batch_tokens // 2)
