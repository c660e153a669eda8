"""Signatures of what a stage left on disk, so that a later change is seen."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import xxhash

from augury.runs.atomic import is_temporary, storage_error

__all__ = ["Signature", "difference", "signature", "sync_tree"]

Signature = dict[str, int | str]
"""`bytes`, of folders `files`, too; `xxh3` where there are at most 64 MiB."""

_HASHED_BYTES = 64 << 20


def signature(path: Path) -> Signature | None:
    """What identifies the content of `path`; None where it does not exist.

    Up to 64 MiB length and xxh3, of a folder over names and contents; beyond, the length and the
    number of files (stores carry checksums of their own).

    Raises:
        StorageError: Reading failed.
    """
    try:
        if path.is_dir():
            files = list(_files(path))
            size = sum(file.stat().st_size for file in files)
            found: Signature = {"files": len(files), "bytes": size}
            return found if size > _HASHED_BYTES else {**found, "xxh3": _of_all(path, files)}
        size = path.stat().st_size
        if size > _HASHED_BYTES:
            return {"bytes": size}
        return {"bytes": size, "xxh3": xxhash.xxh3_128_hexdigest(path.read_bytes())}
    except FileNotFoundError:
        return None
    except OSError as error:
        raise storage_error(path, error) from error


def difference(stored: Mapping[str, object], now: Mapping[str, object] | None) -> str:
    """How an output changed: `is missing`, `changed since (bytes: ...)`; empty when intact."""
    if now is None:
        return "is missing"
    for key in ("files", "bytes"):
        if stored.get(key) != now.get(key):
            return f"changed since ({key}: stored {stored.get(key)} / now {now.get(key)})"
    # Ledgers from before folders had checksums hold none of them.
    same = stored.get("xxh3", now.get("xxh3")) == now.get("xxh3")
    return "" if same else "changed since (checksum)"


def _of_all(folder: Path, files: Sequence[Path]) -> str:
    total = xxhash.xxh3_128()
    for file in files:
        content = file.read_bytes()
        total.update(os.fsencode(file.relative_to(folder).as_posix()) + b" %d " % len(content))
        total.update(content)
    return total.hexdigest()


def sync_tree(path: Path) -> None:
    """Make all files at or below `path` durable, whoever wrote them.

    Raises:
        StorageError: The disk failed.
    """
    for file in _files(path) if path.is_dir() else [path]:
        try:
            descriptor = os.open(file, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise storage_error(file, error) from error


def _files(folder: Path) -> Iterator[Path]:
    # Locks come and go with readers; they are no content.
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not is_temporary(path) and not path.name.endswith(".lock"):
            yield path
