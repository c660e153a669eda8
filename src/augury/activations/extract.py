"""Read the planned states of many traces into a store, resumably and bit for bit the same."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import xxhash
from safetensors.torch import save

from augury.activations.batches import plan_batches, plan_shards
from augury.activations.layout import (
    FORMAT,
    Header,
    ShardRecord,
    file_checksum,
    finished_shards,
    journal_path,
    lock_path,
    read_header,
    refuse_other,
    shard_path,
    write_header,
)
from augury.activations.machine import machine_of
from augury.activations.plan import ReadingPlan, planned_rows
from augury.activations.store import Store
from augury.errors import CheckFailed, ConfigError, DataError
from augury.models.load import LoadedModel
from augury.models.packed import supports_packing
from augury.models.read import read_rows
from augury.models.sites import sites_in_order
from augury.plain import plain
from augury.runs.atomic import remove_temporaries, write_bytes
from augury.runs.journal import Journal, read_journal
from augury.runs.lock import exclusive
from augury.runs.progress import say, track
from augury.traces.tokens import TokenisedTrace

__all__ = ["SHARD_BYTES", "extract", "is_read", "packs"]

SHARD_BYTES = 64 * 2**20
"""A shard is closed once it holds this much: the most work that a kill can lose."""


def extract(
    loaded: LoadedModel,
    traces: Sequence[TokenisedTrace],
    plan: ReadingPlan,
    path: Path,
    *,
    facts: Mapping[str, object] | None = None,
) -> Store:
    """Run the model over every trace and keep what the plan names.

    An interrupted extraction continues when called again with the same arguments, and ends with
    the same files as one that was never interrupted, unless the device ran out of memory on the
    way: then the batch budget is halved for what remains, which is said and recorded.

    Args:
        loaded: Must hold every block that the plan needs; needs no head.
        traces: None longer than the model's context. Their order numbers the store's traces.
        plan: What to keep.
        path: Folder of the store; created, continued, or reused if finished.
        facts: What else must be equal for the store to be reused, e.g. the template's hash.

    Raises:
        ConfigError: A store with other settings is there; a site is not loaded; float16 overflows.
        DataError: No rows to read, or a trace longer than the context.
        CheckFailed: A state is not finite, or a site was not read exactly once.
        Busy: Another process is writing this store.
        StorageError: The disk is full or failed. Finished shards are kept.
    """
    header = _header(loaded, traces, plan, facts or {}, read_header(path))
    with exclusive(lock_path(path)):
        for folder in (path, path / "shards"):
            remove_temporaries(folder)
        stored = read_header(path)
        if stored is None:
            write_header(path, header)
        else:
            refuse_other(path, stored, header)
            header = stored
        done = finished_shards(path, header)
        todo = [shard for shard in range(len(header.shards)) if shard not in done]
        packed = header.fields["batching"] == "packed"
        reading = _Reading(loaded, traces, plan, path, Journal(journal_path(path)), packed)
        for shard in track(todo, what="reading hidden states", unit="shard"):
            reading.write(shard, header.shards[shard])
    return Store.open(path)


def is_read(
    loaded: LoadedModel, traces: Sequence[TokenisedTrace], plan: ReadingPlan, path: Path
) -> bool:
    """Whether `extract` would give a finished store, without one forward pass.

    Raises:
        ConfigError: A store with other settings is there.
        StorageError: It is damaged.
    """
    stored = read_header(path)
    if stored is None:
        return False
    refuse_other(path, stored, _header(loaded, traces, plan, {}, stored))
    return len(finished_shards(path, stored)) == len(stored.shards)


def _header(
    loaded: LoadedModel,
    traces: Sequence[TokenisedTrace],
    plan: ReadingPlan,
    facts: Mapping[str, object],
    begun: Header | None,
) -> Header:
    """What a store of these arguments says; one that is begun keeps its kind of batches."""
    _check_readable(loaded, traces, plan)
    rows = [len(planned_rows(trace, plan.rows)) for trace in traces]
    if not sum(rows):
        raise DataError(
            "traces",
            found=f"{len(traces)} traces without a row to read",
            expected="at least one token of a completion",
        )
    dtype = loaded.dtype if plan.dtype == "as-computed" else getattr(torch, plan.dtype)
    width = int(loaded.blocks.config.hidden_size) * dtype.itemsize * len(plan.sites)
    lengths = [len(trace.ids) for trace in traces]
    if begun is not None and plan.batching == "auto":
        packed = begun.fields["batching"] == "packed"
    else:
        packed = packs(loaded, plan)
    batches = plan_batches(lengths, plan.batch_tokens, packed=packed)
    shards = plan_shards(batches, [kept * width for kept in rows], SHARD_BYTES)
    fields = {
        "format": FORMAT,
        "identity": loaded.identity,
        "module_names": loaded.config.module_names,
        "machine": machine_of(loaded.device),
        "plan": plan.model_dump(mode="json", exclude={"batching"}),
        "batching": "packed" if packed else "padded",
        "traces": {"count": len(traces), "content": _content(traces)},
        "facts": dict(facts),
    }
    return Header(
        fields=plain(fields),  # type: ignore[arg-type]
        dtype=str(dtype).removeprefix("torch."),
        traces=[trace.trace_id for trace in traces],
        firsts=[len(trace.ids) - kept for trace, kept in zip(traces, rows, strict=True)],
        lengths=lengths,
        shards=[list(members) for members in shards],
    )


def packs(loaded: LoadedModel, plan: ReadingPlan) -> bool:
    """Whether the plan's batches of this model are packed.

    Raises:
        ConfigError: The plan insists on it, and the model's attention does not allow it.
    """
    if plan.batching == "padded":
        return False
    possible = supports_packing(loaded.blocks)
    if plan.batching == "packed" and not possible:
        raise ConfigError(
            "reading.batching",
            found="packed, which this model's attention does not allow",
            fix="set it to auto or padded",
        )
    return possible


def _check_readable(
    loaded: LoadedModel, traces: Sequence[TokenisedTrace], plan: ReadingPlan
) -> None:
    sites_in_order(plan.sites, depth=loaded.depth)
    have = len(loaded.blocks.layers)
    sites_in_order([site for site in plan.sites if site != "final"], depth=have)
    if "final" in plan.sites and have < loaded.depth:
        raise ConfigError(
            "site 'final'",
            found=f"a model loaded with {have} of its {loaded.depth} blocks",
            fix="load all blocks",
        )
    _check_positions(loaded, traces)
    for trace in traces:
        if len(trace.ids) > loaded.context:
            raise DataError(
                f"trace {trace.trace_id!r}",
                found=f"{len(trace.ids)} tokens",
                expected=f"at most the model's context of {loaded.context}",
                fix="cut it or split it into windows (fit_to_context)",
            )


def _check_positions(loaded: LoadedModel, traces: Sequence[TokenisedTrace]) -> None:
    """Some rotary embeddings change with the longest text of the batch: then mates would matter."""
    config = loaded.blocks.config
    rope = getattr(config, "rope_parameters", None) or getattr(config, "rope_scaling", None) or {}
    kind = rope.get("rope_type", rope.get("type"))
    if kind not in ("dynamic", "longrope"):
        return
    limits = [getattr(config, "original_max_position_embeddings", None), loaded.context]
    limits.append(rope.get("original_max_position_embeddings"))
    limit = min(int(each) for each in limits if each)
    longest = max((len(trace.ids) for trace in traces), default=0)
    if longest > limit:
        raise DataError(
            "traces",
            found=f"a text of {longest} tokens, for a model whose {kind} positions change "
            f"behind token {limit} for the whole batch",
            expected=f"at most {limit} tokens",
            fix=f"set traces.context={limit} and traces.overflow=window",
        )


def _content(traces: Sequence[TokenisedTrace]) -> str:
    total = xxhash.xxh3_128()
    for trace in traces:
        name = trace.trace_id.encode("utf-8", "surrogatepass")
        total.update(b"%d %d %d %d\0" % (len(name), len(trace.ids), trace.first_row, trace.part))
        total.update(name)
        total.update(np.ascontiguousarray(trace.ids, dtype=np.int32).tobytes())
    return total.hexdigest()


@dataclass
class _Reading:
    """One extraction under way."""

    loaded: LoadedModel
    traces: Sequence[TokenisedTrace]
    plan: ReadingPlan
    path: Path
    journal: Journal
    packed: bool
    budget: int = 0

    def __post_init__(self) -> None:
        halved = [
            record["batch_tokens"]
            for record in read_journal(self.journal.path)
            if "batch_tokens" in record
        ]
        self.budget = min([self.plan.batch_tokens, *halved])

    def write(self, shard: int, members: Sequence[int]) -> None:
        """Read one shard and make it durable: first its file, then its journal line."""
        rows = {trace: planned_rows(self.traces[trace], self.plan.rows) for trace in members}
        parts = self._all_parts(members, rows)
        ordered = sorted(members)
        tensors = {
            site: torch.cat([parts[trace][site] for trace in ordered]) for site in self.plan.sites
        }
        counts = [len(rows[trace]) for trace in ordered]
        tensors["trace"] = torch.from_numpy(np.repeat(np.array(ordered, dtype=np.int32), counts))
        tensors["token"] = torch.from_numpy(np.concatenate([rows[trace] for trace in ordered]))
        target = shard_path(self.path, shard)
        write_bytes(target, save(tensors))
        record = ShardRecord(
            shard=shard,
            bytes=target.stat().st_size,
            xxh3=file_checksum(target),
            rows=sum(counts),
            traces=ordered,
        )
        self.journal.append({name: getattr(record, name) for name in ShardRecord.__slots__})

    def _all_parts(
        self, members: Sequence[int], rows: dict[int, np.ndarray]
    ) -> dict[int, dict[str, torch.Tensor]]:
        while True:
            try:
                return dict(self._parts(members, rows))
            except torch.OutOfMemoryError as error:
                self._halve(max(len(self.traces[trace].ids) for trace in members), error)

    def _parts(
        self, members: Sequence[int], rows: dict[int, np.ndarray]
    ) -> Iterator[tuple[int, dict[str, torch.Tensor]]]:
        # A trace without rows needs no forward pass, but its batch mates must not notice.
        lengths = [len(self.traces[trace].ids) for trace in members]
        for batch in plan_batches(lengths, self.budget, packed=self.packed):
            names = [members[index] for index in batch]
            kept = [rows[name] for name in names]
            ids = [self.traces[name].ids for name in names]
            read = read_rows(self.loaded, ids, kept, self.plan.sites, packed=self.packed)
            states = {site: self._stored(site, value, names, kept) for site, value in read.items()}
            sizes = [len(one) for one in kept]
            split = {site: value.split(sizes) for site, value in states.items()}
            for position, name in enumerate(names):
                yield name, {site: pieces[position] for site, pieces in split.items()}

    def _stored(
        self, site: str, value: torch.Tensor, names: list[int], kept: list[np.ndarray]
    ) -> torch.Tensor:
        """On the CPU, in the stored number type, and finite in it."""
        if not bool(torch.isfinite(value).all()):
            raise CheckFailed(
                f"site {site}, {self._place(value, names, kept)}",
                found="states that are not finite",
                fix="run the model in float32 or bfloat16, and check its weights",
            )
        if self.plan.dtype == "as-computed":
            return value.cpu()
        target: torch.dtype = getattr(torch, self.plan.dtype)
        cast = value.to(target)
        if not bool(torch.isfinite(cast).all()):
            raise ConfigError(
                f"reading.dtype: site {site}, {self._place(cast, names, kept)}",
                found=f"a state of size {float(value.abs().max()):.4g}",
                expected=f"at most {torch.finfo(target).max:.0f}, the largest {self.plan.dtype}",
                fix="set the plan's dtype to bfloat16 or float32",
            )
        return cast.cpu()

    def _place(self, value: torch.Tensor, names: list[int], kept: list[np.ndarray]) -> str:
        bad = np.flatnonzero(~torch.isfinite(value).all(dim=1).cpu().numpy())
        which = np.repeat(np.arange(len(names)), [len(one) for one in kept])
        first = which[bad[0]]
        tokens = np.concatenate(kept)[bad[which[bad] == first]]
        trace = self.traces[names[first]].trace_id
        return f"trace {trace!r}, tokens [{tokens[0]}, {tokens[-1] + 1}), {len(bad)} rows"

    def _halve(self, longest: int, error: BaseException) -> None:
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        if self.budget <= longest:
            raise ConfigError(
                "reading.batch_tokens",
                found=f"out of memory with one trace of up to {longest} tokens at a time",
                expected="a device that holds the model and one trace",
                fix="cut or window long traces, read fewer sites, or use another device",
            ) from error
        self.budget = max(longest, self.budget // 2)
        say(f"out of memory: reading goes on with {self.budget} tokens at a time")
        self.journal.append({"batch_tokens": self.budget, "why": "out of memory"})
