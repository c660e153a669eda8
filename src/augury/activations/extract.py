"""Read the planned states of many traces into a store, resumably and bit for bit the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import numpy as np

from augury.activations.anchors import anchors_hash
from augury.activations.batches import plan_batches, plan_shards
from augury.activations.engine import Engine, Work, local_engine
from augury.activations.layout import (
    FORMAT,
    Header,
    finished_shards,
    journal_path,
    read_header,
    refuse_other,
    traces_field,
)
from augury.activations.machine import machine_of
from augury.activations.plan import ReadingPlan
from augury.activations.reading import Reading
from augury.activations.shards import ReadShard, read_shard, stored_dtype
from augury.activations.store import Store
from augury.activations.writing import SHARD_BYTES, missing_shards, shard_file, write_shard
from augury.errors import ConfigError, DataError
from augury.models.load import LoadedModel
from augury.models.packed import supports_packing
from augury.models.read import site_widths
from augury.models.sites import parse_site, sites_in_order
from augury.plain import plain
from augury.runs.journal import Journal, read_journal
from augury.runs.progress import say, track
from augury.traces.tokens import TokenisedTrace

__all__ = ["SHARD_BYTES", "extract", "fill_store", "is_filled", "packs", "plan_store"]


def extract(
    loaded: LoadedModel,
    traces: Sequence[TokenisedTrace],
    plan: ReadingPlan,
    path: Path,
    *,
    spans: Sequence[np.ndarray] | None = None,
    facts: Mapping[str, object] | None = None,
) -> Store:
    """Run the model over every trace and keep what the plan names.

    An interrupted extraction continues when called again with the same arguments, and ends with
    the same files as one that was never interrupted, unless the device ran out of memory on the
    way: then the batch budget is halved for what remains, which is said and recorded.

    Args:
        loaded: Must hold every block that the plan needs; the head only for `logits`.
        traces: None longer than the model's context. Their order numbers the store's traces.
        plan: What to keep.
        path: Folder of the store; created, continued, or reused if finished.
        spans: For `rows: spans`, of each trace int [span, 2]: tokens `[first, stop)`; see
            `planned_anchors`.
        facts: What else must be equal for the store to be reused, e.g. the template's hash.

    Raises:
        ConfigError: A store with other settings is there; a site is not loaded; float16 overflows.
        DataError: No rows to read, or a trace longer than the context.
        CheckFailed: A state is not finite, or a site was not read exactly once.
        Busy: Another process is writing this store.
        StorageError: The disk is full or failed. Finished shards are kept.
    """
    job = Reading.of(traces, plan, spans)
    header = plan_store(loaded, job, facts, read_header(path))
    return fill_store(path, header, job, local_engine(lambda: loaded))


def fill_store(path: Path, header: Header, job: Reading, engine: Engine) -> Store:
    """Read what the header plans and the store does not hold yet, by any engine; see `extract`.

    Args:
        path: Folder of the store.
        header: From `plan_store`, for the same job.
        job: What to read.
        engine: Who reads. This process alone writes, so engines share no disk.
    """
    with missing_shards(path, header) as todo:
        packed = header.fields["batching"] == "packed"
        writing = _Writing(path, Journal(journal_path(path)), job.plan.batch_tokens)

        def arguments(shard: int) -> tuple[object, ...]:
            members = header.shards[shard]
            texts = {trace: job.traces[trace] for trace in members}
            rows = {trace: job.rows[trace] for trace in sorted(members)}
            return texts, rows, job.plan, packed, writing.batch_tokens

        results = engine(Work(read_shard, arguments, todo, unit="shard"))
        with closing(writing):
            for shard, read in track(
                results, what="reading hidden states", total=len(todo), unit="shard"
            ):
                writing.write(shard, read)
    return Store.open(path)


def is_filled(path: Path, header: Header) -> bool:
    """Whether the store of this header is there and finished.

    Raises:
        ConfigError: A store with other settings is there.
        StorageError: It is damaged.
    """
    stored = read_header(path)
    if stored is None:
        return False
    refuse_other(path, stored, header)
    return len(finished_shards(path, stored)) == len(stored.shards)


def plan_store(
    loaded: LoadedModel,
    job: Reading,
    facts: Mapping[str, object] | None = None,
    begun: Header | None = None,
) -> Header:
    """What the store of such a reading holds, and what determines it; see `extract`.

    Args:
        loaded: Who will read.
        job: What.
        facts: What else must be equal for the store to be reused.
        begun: The header that is there already: it keeps its kind of batches and its shards, and no
            forward pass is needed.

    Raises:
        ConfigError: A site is not loaded; the plan insists on packing and the model forbids it.
        DataError: No rows to read, or a trace longer than the context.
    """
    traces, plan = job.traces, job.plan
    _check_readable(loaded, traces, plan)
    counts = [len(of.token) for of in job.rows]
    if not sum(counts):
        raise DataError(
            "traces",
            found=f"{len(traces)} traces without a row to read",
            expected="at least one token of a completion, or one span",
        )
    dtype = stored_dtype(loaded, plan)
    lengths = [len(trace.ids) for trace in traces]
    if begun is not None and plan.batching == "auto":
        packed = begun.fields["batching"] == "packed"
    else:
        packed = packs(loaded, plan)
    if begun is not None:
        shards = [list(members) for members in begun.shards]
    else:
        width = sum(site_widths(loaded, plan.sites).values()) * dtype.itemsize
        batches = plan_batches(lengths, plan.batch_tokens, packed=packed)
        planned = plan_shards(batches, [count * width for count in counts], SHARD_BYTES)
        shards = [list(members) for members in planned]
    fields = {
        "format": FORMAT,
        "identity": loaded.identity,
        "module_names": loaded.config.module_names,
        "machine": machine_of(loaded.device),
        "plan": plan.determining(),
        "batching": "packed" if packed else "padded",
        "traces": traces_field(traces),
        "facts": dict(facts or {}),
    }
    if plan.rows == "spans":
        fields["anchors"] = anchors_hash(job.rows)
    return Header(
        fields=plain(fields),  # type: ignore[arg-type]
        dtype=str(dtype).removeprefix("torch."),
        traces=[trace.trace_id for trace in traces],
        counts=counts,
        lengths=lengths,
        shards=shards,
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
    behind = [site for site in plan.sites if site != "embed" and parse_site(site).block is None]
    sites_in_order([site for site in plan.sites if site not in behind], depth=have)
    if behind and have < loaded.depth:
        raise ConfigError(
            f"site {behind[0]!r}",
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


class _Writing:
    """One store under way: a shard is written by a thread while the next one is read.

    Never more than one, so shards become durable in order, and memory holds two at most.
    """

    def __init__(self, path: Path, journal: Journal, batch_tokens: int) -> None:
        self._path, self._journal = path, journal
        halved = [r["batch_tokens"] for r in read_journal(journal.path) if "batch_tokens" in r]
        self.batch_tokens = min([batch_tokens, *halved])
        self._disk = ThreadPoolExecutor(max_workers=1)
        self._last: Future[None] | None = None

    def write(self, shard: int, read: ReadShard) -> None:
        """Begin to make one shard durable; raises what went wrong with the one before."""
        self._wait()
        if read.batch_tokens < self.batch_tokens:
            self.batch_tokens = read.batch_tokens
            say(f"out of memory: reading goes on with {self.batch_tokens} tokens at a time")
            self._journal.append({"batch_tokens": self.batch_tokens, "why": "out of memory"})
        self._last = self._disk.submit(self._make_durable, shard, read)

    def _make_durable(self, shard: int, read: ReadShard) -> None:
        file = shard_file(read.states, read.rows)
        write_shard(self._path, self._journal, shard, file)

    def close(self) -> None:
        """Wait until the last shard is durable, or raise why it is not."""
        try:
            self._wait()
        finally:
            self._disk.shutdown()

    def _wait(self) -> None:
        last, self._last = self._last, None
        if last is not None:
            last.result()
