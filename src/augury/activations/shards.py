"""Read one planned shard of a store: what every engine computes, and nothing else."""

from __future__ import annotations

import gc
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch

from augury.activations.anchors import Anchors, read_tokens
from augury.activations.arriving import Arriving
from augury.activations.batches import plan_batches
from augury.activations.plan import ReadingPlan
from augury.activations.pool import pool
from augury.activations.vertical import read_vertical
from augury.errors import CheckFailed, ConfigError
from augury.models.load import LoadedModel
from augury.models.read import read_rows
from augury.models.sites import is_vertical
from augury.traces.tokens import TokenisedTrace

__all__ = ["ReadShard", "read_batch", "read_shard", "stored_dtype"]


class ReadShard(NamedTuple):
    """A shard that was read and is not yet written."""

    states: Mapping[str, torch.Tensor]
    """Per site [row, hidden] on the CPU, ordered by (trace, token, first)."""

    rows: Mapping[int, Anchors]
    """Of each of its traces, traces ascending."""

    batch_tokens: int
    """The budget that it was read with at last; smaller than asked where memory ran out."""


def read_shard(
    loaded: LoadedModel,
    texts: Mapping[int, TokenisedTrace],
    rows: Mapping[int, Anchors],
    plan: ReadingPlan,
    packed: bool,
    batch_tokens: int,
) -> ReadShard:
    """Run the model over the traces of one shard; the same arguments give the same bytes.

    Args:
        loaded: Must hold every block that the plan needs.
        texts: The traces by position in the store, in the order in which the header lists them.
        rows: What to keep of each, traces ascending.
        plan: At which sites, and how spans become rows.
        packed: Whether batches are packed.
        batch_tokens: Most tokens of one forward pass; halved, as often as needed, where the device
            runs out of memory.

    Raises:
        CheckFailed: A state is not finite, or a site was not read exactly once.
        ConfigError: float16 overflows; the device cannot hold a single trace.
    """
    reading = _ShardReading(loaded, texts, rows, plan, packed)
    while True:
        try:
            return ReadShard(reading.states(batch_tokens), rows, batch_tokens)
        except torch.OutOfMemoryError as error:
            batch_tokens = _halved(
                batch_tokens, max(len(text.ids) for text in texts.values()), error
            )


def read_batch(
    loaded: LoadedModel,
    ids: Sequence[np.ndarray],
    rows: Sequence[Anchors],
    plan: ReadingPlan,
    packed: bool,
) -> dict[str, torch.Tensor]:
    """Rows of a few texts [row, hidden] per planned site, on the device; see `read_rows`."""
    attended = [site for site in plan.sites if is_vertical(site)]
    sites = [site for site in plan.sites if site not in attended]
    found: dict[str, torch.Tensor] = {}
    if sites:
        tokens, sizes = zip(*(read_tokens(of, plan) for of in rows), strict=True)
        found = read_rows(loaded, ids, tokens, sites, packed=packed)
        if plan.pooling == "mean" or plan.pooling == "max":
            offsets = torch.from_numpy(np.cumsum(np.concatenate([[0], *sizes]))).to(loaded.device)
            found = {site: pool(value, offsets, plan.pooling) for site, value in found.items()}
    if attended:
        of_texts = [
            read_vertical(loaded, one, of, attended, proximity=plan.proximity)
            for one, of in zip(ids, rows, strict=True)
        ]
        found |= {site: torch.cat([each[site] for each in of_texts]) for site in attended}
    return found


def stored_dtype(loaded: LoadedModel, plan: ReadingPlan) -> torch.dtype:
    """Number type of the rows on disk."""
    if plan.dtype == "as-computed":
        return torch.float32 if plan.pooling == "mean" else loaded.dtype
    found: torch.dtype = getattr(torch, plan.dtype)
    return found


@dataclass(frozen=True, slots=True)
class _ShardReading:
    """What stays the same while the batch budget shrinks."""

    loaded: LoadedModel
    texts: Mapping[int, TokenisedTrace]
    rows: Mapping[int, Anchors]
    plan: ReadingPlan
    packed: bool

    def states(self, batch_tokens: int) -> dict[str, torch.Tensor]:
        # A trace without rows needs no forward pass, but its batch mates must not notice.
        members = list(self.texts)
        lengths = [len(self.texts[name].ids) for name in members]
        counts = {name: len(of.token) for name, of in self.rows.items()}
        arriving = Arriving(counts, stored_dtype(self.loaded, self.plan))
        for batch in plan_batches(lengths, batch_tokens, packed=self.packed):
            names = [members[index] for index in batch]
            arriving.send(names, self._read(names))
        for site, largest in arriving.wait().items():
            self._check(site, largest, arriving)
        return {site: arriving.states[site] for site in self.plan.sites}

    def _read(self, names: list[int]) -> dict[str, torch.Tensor]:
        """Rows of a batch [row, hidden] per site, on the device."""
        ids = [self.texts[name].ids for name in names]
        rows = [self.rows[name] for name in names]
        return read_batch(self.loaded, ids, rows, self.plan, self.packed)

    def _check(self, site: str, largest: float, arriving: Arriving) -> None:
        """Every state of the site is finite, as computed and as stored."""
        for name, states in arriving.of_traces(site):
            bad = (~torch.isfinite(states).all(dim=1)).nonzero()[:, 0].numpy()
            if len(bad):
                of = self.rows[name]
                span = f"tokens [{of.first[bad[0]]}, {of.token[bad[-1]] + 1}), {len(bad)} rows"
                self._refuse(f"site {site}, trace {self.texts[name].trace_id!r}, {span}", largest)

    def _refuse(self, where: str, largest: float) -> None:
        if not np.isfinite(largest):
            raise CheckFailed(
                where,
                found="states that are not finite",
                fix="run the model in float32 or bfloat16, and check its weights",
            )
        bound = torch.finfo(getattr(torch, self.plan.dtype)).max
        raise ConfigError(
            f"reading.dtype: {where}",
            found=f"a state of size {largest:.4g}",
            expected=f"at most {bound:.0f}, the largest {self.plan.dtype}",
            fix="set the plan's dtype to bfloat16 or float32",
        )


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
