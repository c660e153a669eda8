"""Make a store of hidden states that another program captured, one shard in memory at a time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open

from augury.activations.anchors import planned_anchors
from augury.activations.batches import plan_shards
from augury.activations.capture import Capture
from augury.activations.captured_rows import CapturedRows, captured_rows
from augury.activations.layout import FORMAT, Header, journal_path, traces_field
from augury.activations.plan import ReadingPlan
from augury.activations.store import Store
from augury.activations.writing import SHARD_BYTES, missing_shards, shard_file, write_shard
from augury.errors import DataError
from augury.runs.journal import Journal
from augury.runs.progress import track
from augury.traces.tokens import TokenisedTrace

__all__ = ["import_store"]


def import_store(capture: Capture, parts: Sequence[TokenisedTrace], path: Path) -> Store:
    """Check a capture against the tokens that it is of, and copy its states into a store.

    An interrupted import continues when called again. The states are as they were, bit for bit.

    Args:
        capture: From `read_capture`.
        parts: Tokens of trace 0, 1, ..., as its columns number them.
        path: Folder of the store; created, continued, or reused if finished.

    Raises:
        DataError: Capture and tokens do not belong together; rows are missing or stand twice; a
            state is not finite.
        ConfigError: Another store is there.
        Busy: Another process is writing this store.
        StorageError: The disk is full or failed.
    """
    _check_traces(capture, parts)
    rows = captured_rows(capture, parts)
    plan = ReadingPlan(sites=capture.sites, rows=rows.rule)
    kept = planned_anchors(parts, plan)
    header = _header(capture, parts, rows, plan)
    with missing_shards(path, header) as todo:
        journal = Journal(journal_path(path))
        for shard in track(todo, what="importing hidden states", unit="shard"):
            members = sorted(header.shards[shard])
            states = {
                site: _states(capture, site, rows, members[0], members[-1] + 1, parts)
                for site in capture.sites
            }
            anchors = {trace: kept[trace] for trace in members}
            write_shard(path, journal, shard, shard_file(states, anchors))
    return Store.open(path)


def _check_traces(capture: Capture, parts: Sequence[TokenisedTrace]) -> None:
    about, where = capture.about, capture.folder / "export.json"
    ids = tuple(part.trace_id for part in parts)
    if about.traces is not None and about.traces != ids:
        if len(about.traces) != len(ids):
            found, expected = f"{len(about.traces)} ids", f"{len(ids)}, as in the table of tokens"
        else:
            odd = next(k for k in range(len(ids)) if about.traces[k] != ids[k])
            found = f"{about.traces[odd]!r} as trace {odd}"
            expected = f"{ids[odd]!r}, as in the table of tokens"
        raise DataError(f"{where}: traces", found=found, expected=expected)
    now = traces_field(parts)["content"]
    if about.content is not None and about.content != now:
        raise DataError(
            f"{where}: content",
            found=about.content,
            expected=f"{now}, the hash of the tokens",
            fix="name the tokens.parquet that the exported store was read from (--tokens)",
        )


def _header(
    capture: Capture, parts: Sequence[TokenisedTrace], rows: CapturedRows, plan: ReadingPlan
) -> Header:
    width = sum(capture.widths.values()) * capture.dtype.itemsize
    counts = np.diff(rows.offsets)
    # One batch per trace: a shard is then a run of traces.
    shards = plan_shards([(k,) for k in range(len(parts))], (counts * width).tolist(), SHARD_BYTES)
    declared = {"dtype": capture.about.dtype, **capture.about.identity}
    fields = {
        "format": FORMAT,
        "identity": {**declared, "imported": f"{len(capture.pieces)} files, {capture.content}"},
        "plan": plan.determining(),
        "batching": "elsewhere",
        "traces": traces_field(parts),
        "facts": {},
    }
    return Header(
        fields=fields,
        dtype=capture.about.dtype,
        traces=[part.trace_id for part in parts],
        counts=counts.tolist(),
        lengths=[len(part.ids) for part in parts],
        shards=[list(members) for members in shards],
    )


def _states(
    capture: Capture,
    site: str,
    rows: CapturedRows,
    first: int,
    stop: int,
    parts: Sequence[TokenisedTrace],
) -> torch.Tensor:
    """States of the traces from `first` to before `stop` [row, hidden], all finite."""
    start = int(rows.offsets[first])
    count = int(rows.offsets[stop]) - start
    states = torch.empty((count, capture.widths[site]), dtype=capture.dtype)
    for piece in capture.pieces:
        here = slice(*np.searchsorted(piece.trace, [first, stop]).tolist())
        if site in piece.widths and here.start < here.stop:
            places = rows.numbers(piece, here) - start
            _copy(piece.path, site, piece.order[here], states, places)
    bad = (~torch.isfinite(states).all(dim=1)).nonzero()
    if len(bad):
        raise DataError(
            f"{capture.folder}: site {site}, {rows.place(start + int(bad[0]), parts)}",
            found="a state that is not finite",
            fix="capture in bfloat16 or float32, delete the store and import again",
        )
    return states


def _copy(
    path: Path, site: str, rows: np.ndarray, states: torch.Tensor, places: np.ndarray
) -> None:
    """Rows of a file to their places, a run of neighbouring rows at a time."""
    in_file = np.argsort(rows)
    rows, places = rows[in_file], places[in_file]
    borders = np.flatnonzero(np.diff(rows) != 1) + 1
    with safe_open(path, framework="pt") as file:
        stored = file.get_slice(site)
        for run, to in zip(np.split(rows, borders), np.split(places, borders), strict=True):
            states[torch.from_numpy(to)] = stored[int(run[0]) : int(run[-1]) + 1]
