"""Hidden states that another program captured: the layout of its files, and what is wrong in them.

export.json        what was run: see `About`
*.safetensors      each: `trace` and `token` int32 [row], and per site a tensor [row, hidden]

The rows of a site may be spread over files and stand in any order; every row stands once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
import xxhash
from pydantic import Field, ValidationError, model_validator
from safetensors import SafetensorError, safe_open

from augury.activations.layout import file_checksum
from augury.config import Config
from augury.errors import ConfigError, DataError, MissingInput, UsageError
from augury.models.sites import parse_site, sites_in_order
from augury.traces.records import read_bytes

__all__ = ["About", "Capture", "Piece", "read_capture"]

_DTYPES = {"F32": "float32", "BF16": "bfloat16", "F16": "float16"}
_INDEX = ("trace", "token")


class About(Config):
    """What `export.json` says."""

    dtype: Literal["float32", "bfloat16", "float16"]
    """Number type of every tensor of states."""

    identity: dict[str, str]
    """What was run: `model` (its name) or `weights` (their hash), and whatever else can change a
    value, e.g. `revision`, `adapter`, `engine`."""

    traces: tuple[str, ...] | None = None
    """Trace ids: number k of a column `trace` is `traces[k]`."""

    content: str | None = None
    """In place of `traces`: hash of the tokenised traces, as an exported store knows it."""

    rows: int | None = Field(default=None, ge=0)
    """Rows of every site, where known."""

    sites: tuple[str, ...] | None = None
    """All sites of the folder, where known."""

    store: str = ""
    """Where an exported store was; for people."""

    @model_validator(mode="after")
    def _says_enough(self) -> About:
        if not (self.identity.get("model") or self.identity.get("weights")):
            raise ValueError("identity must name the model: give it a 'model'")
        if self.traces is None and self.content is None:
            raise ValueError("the ids of the traces are needed: give 'traces'")
        return self


@dataclass(frozen=True, eq=False, slots=True)
class Piece:
    """One file: which rows it holds, in the order of (trace, token)."""

    path: Path
    """The file."""

    widths: dict[str, int]
    """Per site, the length of a row."""

    trace: np.ndarray
    """int32 [row]."""

    token: np.ndarray
    """int32 [row]."""

    order: np.ndarray
    """int64 [row], where each row stands in the file, from 0."""


@dataclass(frozen=True, eq=False, slots=True)
class Capture:
    """Files that belong together; their states are still on disk."""

    folder: Path
    """Where they are."""

    about: About
    """What they are of."""

    pieces: tuple[Piece, ...]
    """In the order of their names."""

    content: str
    """xxh3_128 of names and bytes of all files, 32 hex digits."""

    @property
    def sites(self) -> tuple[str, ...]:
        """Sites in the files, in the order of a forward pass."""
        return sites_in_order({site for piece in self.pieces for site in piece.widths})

    @property
    def widths(self) -> dict[str, int]:
        """Per site, the length of a row."""
        return {site: width for piece in self.pieces for site, width in piece.widths.items()}

    @property
    def dtype(self) -> torch.dtype:
        """Number type of all states."""
        found: torch.dtype = getattr(torch, self.about.dtype)
        return found


def read_capture(sources: Sequence[Path]) -> Capture:
    """Read what the files say of themselves, and their columns `trace` and `token`.

    Args:
        sources: One folder, or some of its `.safetensors` files; `export.json` stands beside them.

    Raises:
        UsageError: Files of several folders.
        MissingInput: A file is not there.
        DataError: A file does not follow the layout.
    """
    folder, files = _files(sources)
    about = _about(folder / "export.json")
    known: dict[bytes, tuple[np.ndarray, np.ndarray, np.ndarray]] = {}
    total = xxhash.xxh3_128()
    pieces = []
    for path in files:
        pieces.append(_piece(path, about.dtype, known))
        total.update(f"{path.name}\0{file_checksum(path)}\0".encode())
    _check_widths(pieces)
    found = {site for piece in pieces for site in piece.widths}
    if folder in sources and (lost := set(about.sites or ()) - found):
        raise DataError(
            f"{folder / 'export.json'}: sites",
            found=f"{', '.join(sorted(lost))}, which no file holds",
            expected="every site that it names",
            fix="copy the missing files, or name the files to import",
        )
    return Capture(folder, about, tuple(pieces), total.hexdigest())


def _files(sources: Sequence[Path]) -> tuple[Path, list[Path]]:
    folders = {source if source.is_dir() else source.parent for source in sources}
    if len(folders) != 1:
        raise UsageError(
            "capture",
            found=f"files of {len(folders)} folders",
            expected="one folder, or files of one folder",
            fix="move them into one folder with one export.json",
        )
    folder = folders.pop()
    files = sorted(folder.glob("*.safetensors") if folder in sources else set(sources))
    for path in files or [folder / "*.safetensors"]:
        if not path.is_file():
            raise MissingInput(str(path), found="no such file", expected="captured states")
    return folder, files


def _about(path: Path) -> About:
    try:
        return About.model_validate_json(read_bytes(path, what="a JSON file"), strict=True)
    except ValidationError as error:
        faults = [
            ": ".join(filter(None, [".".join(map(str, one["loc"])), one["msg"]]))
            for one in error.errors(include_url=False, include_context=False)
        ]
        raise DataError(
            str(path),
            found="; ".join(faults).replace("Value error, ", ""),
            expected="'dtype', 'identity' and 'traces' (docs/import.md)",
        ) from error


def _piece(
    path: Path, dtype: str, known: dict[bytes, tuple[np.ndarray, np.ndarray, np.ndarray]]
) -> Piece:
    try:
        with safe_open(path, framework="pt") as file:
            slices = {name: file.get_slice(name) for name in list(file.keys())}
            shaped = {name: (one.get_dtype(), one.get_shape()) for name, one in slices.items()}
            rows = _check_index(path, shaped)
            widths = {
                site: _check_site(path, site, shaped[site], rows, dtype)
                for site in shaped
                if site not in _INDEX
            }
            trace, token = (file.get_tensor(name).numpy() for name in _INDEX)
    except (SafetensorError, OSError) as error:
        raise DataError(
            str(path), found=f"not readable: {error}", expected="a whole safetensors file"
        ) from error
    if not widths:
        raise DataError(str(path), found="no states", expected="a tensor per site")
    # Files of one site each have the same columns: keep them once.
    key = xxhash.xxh3_128(trace.tobytes() + token.tobytes()).digest()
    if key not in known:
        order = np.lexsort((token, trace))
        known[key] = (trace[order], token[order], order)
    return Piece(path, widths, *known[key])


def _check_index(path: Path, shaped: dict[str, tuple[str, Any]]) -> int:
    if "first" in shaped:
        raise DataError(
            f"{path}: tensor 'first'",
            found="rows that are made of several tokens each",
            expected="a row per token, from the first of a trace or its completion to its last",
        )
    for name in _INDEX:
        dtype, shape = shaped.get(name, ("", []))
        if dtype != "I32" or len(shape) != 1:
            raise DataError(
                f"{path}: tensor {name!r}",
                found=f"{dtype} {list(shape)}" if dtype else "absent",
                expected="int32 [row] (I32)",
            )
    rows = {name: shaped[name][1][0] for name in _INDEX}
    if rows["trace"] != rows["token"]:
        raise DataError(
            f"{path}: tensors 'trace' and 'token'",
            found=f"{rows['trace']} and {rows['token']} rows",
            expected="as many rows in both",
        )
    return int(rows["trace"])


def _check_site(path: Path, site: str, shaped: tuple[str, Any], rows: int, dtype: str) -> int:
    where = f"{path}: tensor {site!r}"
    try:
        parse_site(site)
    except ConfigError as error:
        raise DataError(where, found=error.found, expected=error.expected, fix=error.fix) from error
    kind, shape = shaped
    if len(shape) != 2 or shape[0] != rows or shape[1] < 1:
        raise DataError(where, found=f"shape {list(shape)}", expected=f"[{rows}, hidden]")
    if _DTYPES.get(kind) != dtype:
        expected = f"{dtype}, as export.json says" if kind in _DTYPES else ", ".join(_DTYPES)
        raise DataError(where, found=f"number type {_DTYPES.get(kind, kind)}", expected=expected)
    return int(shape[1])


def _check_widths(pieces: Sequence[Piece]) -> None:
    seen: dict[str, Piece] = {}
    for piece in pieces:
        for site, width in piece.widths.items():
            before = seen.setdefault(site, piece)
            if before.widths[site] != width:
                raise DataError(
                    f"{piece.path}: tensor {site!r}",
                    found=f"rows of {width} numbers",
                    expected=f"{before.widths[site]}, as in {before.path.name}",
                )
