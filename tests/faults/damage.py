"""Every flipped bit and every cut of what an extraction leaves: python -m tests.faults.damage

Each bit of each file of a small store, of its traces and of its tokens is flipped, and each file is
cut to each length. Every time all that can be read is read: it must be refused, or be what it was.
Prints per file how often it looked, and stops at the first wrong value.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from tests.faults.job import run_job, texts, tiny

from augury.activations.store import Store
from augury.errors import AuguryError
from augury.traces.table import read_traces, write_traces
from augury.traces.tokens import TokenisedTrace, read_tokenised, write_tokenised
from augury.traces.trace import Span, Trace

__all__ = ["damages", "files_of_a_job", "versions"]

Read = Callable[[], object]
"""Reads all that a damaged file could change; equal results are equal values."""


def files_of_a_job(folder: Path) -> dict[Path, Read]:
    """Make a small job; each of its files with what reads it."""
    run_job(tiny(), folder / "store")
    write_tokenised(folder / "tokens.parquet", texts())
    spans = (Span(0, 4, "slip", "ä"),)
    traces = [Trace(f"t{k}", "g", "Q: ", "Wait, no", spans, {"n": k / 3}) for k in range(2)]
    write_traces(folder / "traces.parquet", traces)
    store = [file for file in sorted((folder / "store").rglob("*")) if file.name != "lock"]
    return {
        **{file: lambda: _values(folder / "store") for file in store if file.is_file()},
        folder / "tokens.parquet": lambda: _tokens(folder / "tokens.parquet"),
        folder / "traces.parquet": lambda: read_traces(folder / "traces.parquet"),
    }


def damages(file: Path, read: Read, every: int = 1) -> tuple[int, int]:
    """Flip each bit, or one of `every`, and cut each length; how often, and how often refused.

    What is not refused must not matter: what is read is as before.
    """
    sound = read()
    looked = refused = 0
    for what in versions(file, every):
        looked += 1
        try:
            found = read()
        except AuguryError:
            refused += 1
            continue
        assert found == sound, f"{file.name}, {what}: damage was given out as a value"
    assert read() == sound
    return looked, refused


def versions(file: Path, every: int = 1) -> Iterator[str]:
    """Damage a file in every way, one after the other; it is whole again in the end."""
    data = file.read_bytes()
    # In place: a file system may flush a file each time that it is emptied and written anew.
    with file.open("r+b", buffering=0) as handle:
        for bit in range(0, 8 * len(data), every):
            for value in (data[bit // 8] ^ 1 << bit % 8, data[bit // 8]):
                handle.seek(bit // 8)
                handle.write(bytes([value]))
                if value != data[bit // 8]:
                    yield f"bit {bit}"
        for length in range(len(data) - 1, -1, -every):
            handle.truncate(length)
            yield f"cut to {length}"
        handle.seek(0)
        handle.write(data)


def _values(path: Path) -> list[bytes]:
    store = Store.open(path)
    columns = [store.index[name].tobytes() for name in ("trace", "token")]
    facts = repr((store.traces, store.identity, store.plan, store.dtype)).encode()
    # Both ways of reading: a view of one shard, and rows collected from all.
    views = [store[site].of(0).view(torch.uint8).numpy().tobytes() for site in store.sites]
    return [facts, *columns, *views, *(store[site].numpy().tobytes() for site in store.sites)]


def _tokens(path: Path) -> list[object]:
    return [
        [getattr(one, name) for name in ("trace_id", "group", "first_row", "part", "bos")]
        + [getattr(one, name).tolist() for name in ("ids", "starts", "ends", "special", "role")]
        for one in read_tokenised(path)
        if isinstance(one, TokenisedTrace)
    ]


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        for file, read in files_of_a_job(Path(name)).items():
            size = file.stat().st_size
            looked, refused = damages(file, read)
            print(
                f"{file.relative_to(name)}: {8 * size} bits flipped and {size} cuts, "
                f"{refused} refused, {looked - refused} without effect"
            )


if __name__ == "__main__":
    main()
