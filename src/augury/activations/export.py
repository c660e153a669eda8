"""Write a store's rows in formats that other tools read.

npy and Parquet are written a slice at a time, safetensors a site at a time.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import polars as pl
import torch
from safetensors.torch import save

from augury.activations.store import Store
from augury.errors import AuguryError, CannotCreate, UsageError
from augury.runs.atomic import storage_error
from augury.runs.progress import track

__all__ = ["FORMATS", "Format", "export_store"]

Format = Literal["npy", "safetensors", "parquet"]
FORMATS: tuple[str, ...] = get_args(Format)

_ROWS = 16_384
"""Rows in memory at a time, and in one Parquet file."""


def export_store(
    store: Store, folder: Path, kind: Format, *, sites: tuple[str, ...] = ()
) -> list[Path]:
    """Write the rows of a store, ordered by (trace, token), into a new folder.

    | format      | files                                                                     |
    |-------------|---------------------------------------------------------------------------|
    | npy         | `<site>.npy` float32 [row, hidden]; `index.npy` int32 [row, (trace, token)] |
    | safetensors | `<site>.safetensors`: `<site>` as stored, `trace`, `token`                |
    | parquet     | `rows-00000.parquet` ...: `trace`, `token`, one float32 array column a site |

    Where a row is made of several tokens, a third column says which is its `first`.
    `export.json` says where the rows came from; with it, safetensors can be imported again.

    Args:
        store: A finished store.
        folder: Must not exist; it appears when everything is written.
        kind: The format.
        sites: Sites to write; all where empty.

    Returns:
        The files written.

    Raises:
        UsageError: No such format or site.
        CannotCreate: The folder exists.
        StorageError: The store is damaged, or the disk is full.
    """
    if kind not in FORMATS:
        raise UsageError(f"format {kind!r}", found="no such format", expected=", ".join(FORMATS))
    wanted = sites or store.sites
    for site in wanted:
        store[site]
    if folder.exists():
        raise CannotCreate(str(folder), found="exists already", fix="name another folder")
    growing = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(growing, ignore_errors=True)
    try:
        growing.mkdir(parents=True)
        write = {"npy": _npy, "safetensors": _safetensors, "parquet": _parquet}[kind]
        write(store, growing, wanted)
        origin = {
            "store": str(store.path),
            "rows": store.n_rows,
            "dtype": str(store.dtype).removeprefix("torch."),
            "content": store.content["content"],
            "sites": list(wanted),
            "identity": store.identity,
        }
        (growing / "export.json").write_text(json.dumps(origin, indent=1), encoding="utf-8")
        growing.rename(folder)
    except AuguryError:
        raise
    except OSError as error:
        raise storage_error(folder, error) from error
    finally:
        shutil.rmtree(growing, ignore_errors=True)
    return sorted(folder.iterdir())


def _slices(store: Store) -> Iterator[slice]:
    starts = range(0, store.n_rows, _ROWS)
    for start in track(list(starts), what="exporting", unit="slices"):
        yield slice(start, min(start + _ROWS, store.n_rows))


def _npy(store: Store, folder: Path, sites: tuple[str, ...]) -> None:
    with ExitStack() as stack:
        files = {}
        for site in sites:
            files[site] = stack.enter_context((folder / f"{site}.npy").open("wb"))
            shape = {"shape": (store.n_rows, store[site].hidden), "fortran_order": False}
            np.lib.format.write_array_header_1_0(files[site], {"descr": "<f4", **shape})
        for rows in _slices(store):
            for site, file in files.items():
                file.write(np.ascontiguousarray(store[site].numpy(rows), "<f4").data)
    np.save(folder / "index.npy", np.stack(list(store.index.values()), axis=1))


def _safetensors(store: Store, folder: Path, sites: tuple[str, ...]) -> None:
    index = {name: torch.from_numpy(column) for name, column in store.index.items()}
    for site in sites:
        states = save({site: store[site].torch(), **index})
        (folder / f"{site}.safetensors").write_bytes(states)


def _parquet(store: Store, folder: Path, sites: tuple[str, ...]) -> None:
    for number, rows in enumerate(_slices(store)):
        columns = {name: pl.Series(name, column[rows]) for name, column in store.index.items()}
        for site in sites:
            kind = pl.Array(pl.Float32, store[site].hidden)
            columns[site] = pl.Series(site, store[site].numpy(rows), dtype=kind)
        pl.DataFrame(columns).write_parquet(folder / f"rows-{number:05d}.parquet")
