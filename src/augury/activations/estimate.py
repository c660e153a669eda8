"""What a reading will cost, before it starts."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace

import numpy as np
import torch

from augury.activations.batches import plan_batches
from augury.activations.extract import packs
from augury.activations.reading import Reading
from augury.activations.shards import read_batch, stored_dtype
from augury.models.cost import operations
from augury.models.load import NO_WEIGHTS, LoadedModel
from augury.models.read import site_widths

__all__ = ["Estimate", "estimate", "in_minutes", "stored_bytes"]

_TRIAL_SECONDS = 3.0
"""Batches are read until this much time has passed; the first one warms up and does not count."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """Rows, bytes, operations and time of a reading."""

    rows: int
    """Rows per site."""

    sites: int

    tokens: int
    """Tokens that the model reads, prompts included, padding not."""

    bytes: int
    """On disk, without the header: states and two or three int32 columns."""

    memory: int
    """Bytes of weights; on a GPU, the most that the trial held with them."""

    flops: float
    """Products and sums for the tokens alone (`models.cost.operations`); of the head, for
    the rows at `logits`."""

    seconds: float
    """Of reading into memory, from a trial on this machine; the disk is not in it. NaN without
    weights."""

    tried: int
    """Tokens that the trial read."""

    device: str = "cpu"
    """Whose memory, and on what the time was measured; `NO_WEIGHTS` where nothing was."""

    def twice(self) -> Estimate:
        """Of two such readings, one after the other."""
        return replace(
            self,
            rows=2 * self.rows,
            tokens=2 * self.tokens,
            bytes=2 * self.bytes,
            flops=2 * self.flops,
            seconds=2 * self.seconds,
        )

    def lines(self) -> list[str]:
        """The estimate in words."""
        whose, how = (
            f"of {self.device}",
            f" on this machine (from a trial of {self.tried:,} tokens)",
        )
        if self.device == NO_WEIGHTS:
            whose, how = "for weights, without a batch", ""
        return [
            f"rows     {self.rows:,} at each of {self.sites} sites, from {self.tokens:,} tokens",
            f"disk     {self.bytes / 1e9:.3f} GB",
            f"memory   {self.memory / 1e9:.3f} GB {whose}",
            f"compute  {self.flops / 1e12:.3f} TFLOP",
            f"time     {in_minutes(self.seconds)}{how}",
        ]


def in_minutes(seconds: float) -> str:
    """Of an estimate, in words; NaN is a time that nobody can know."""
    return "not known without the weights" if math.isnan(seconds) else f"{seconds / 60:.1f} min"


def estimate(loaded: LoadedModel, job: Reading) -> Estimate:
    """Count rows and bytes, reckon operations, and measure the speed on some of the batches.

    Args:
        loaded: The model that will read, truncated as it will be; without weights nothing is
            measured, and the rest is the same.
        job: What will be read.
    """
    plan = job.plan
    lengths = np.array([len(trace.ids) for trace in job.traces])
    rows, tokens = sum(len(of.token) for of in job.rows), int(lengths.sum())
    seconds, tried = (math.nan, 0) if loaded.device.type == NO_WEIGHTS else _trial(loaded, job)
    return Estimate(
        rows=rows,
        sites=len(plan.sites),
        tokens=tokens,
        bytes=stored_bytes(loaded, job),
        memory=_memory(loaded),
        flops=operations(loaded.blocks, lengths)
        + _head_flops(loaded, rows if "logits" in plan.sites else 0),
        seconds=seconds * tokens / max(tried, 1),
        tried=tried,
        device=loaded.device.type,
    )


def stored_bytes(loaded: LoadedModel, job: Reading) -> int:
    """What a reading takes on disk, without the header: states and two or three int32 columns."""
    plan = job.plan
    row_bytes = sum(site_widths(loaded, plan.sites).values()) * stored_dtype(loaded, plan).itemsize
    index_bytes = 8 if plan.pooling == "tokens" else 12
    return sum(len(of.token) for of in job.rows) * (row_bytes + index_bytes)


def _head_flops(loaded: LoadedModel, rows: int) -> float:
    head = loaded.blocks.head
    return 0.0 if head is None else 2.0 * rows * sum(p.numel() for p in head.parameters())


def _memory(loaded: LoadedModel) -> int:
    if loaded.device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(loaded.device))
    return sum(p.numel() * p.element_size() for p in loaded.model.parameters())


def _trial(loaded: LoadedModel, job: Reading) -> tuple[float, int]:
    """Seconds, and tokens read in them, on batches spread over all lengths."""
    plan, packed = job.plan, packs(loaded, job.plan)
    lengths = [len(trace.ids) for trace in job.traces]
    batches = plan_batches(lengths, plan.batch_tokens, packed=packed)
    order = np.random.default_rng(0).permutation(len(batches)).tolist()
    spent, tried = 0.0, 0
    for turn, number in enumerate([order[0], *order]):
        batch = batches[number]
        started = time.perf_counter()
        ids = [job.traces[i].ids for i in batch]
        states = read_batch(loaded, ids, [job.rows[i] for i in batch], plan, packed)
        _ = [state.cpu() for state in states.values()]
        if turn:
            spent += time.perf_counter() - started
            tried += sum(map(len, ids))
        if spent > _TRIAL_SECONDS:
            break
    return spent, tried
