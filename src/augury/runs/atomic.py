"""Files that are either the old one or the new one, whole, whatever happens in between.

The order is: temporary file in the same folder, write, flush, fsync, rename, fsync of the folder.
"""

from __future__ import annotations

import errno
import itertools
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from augury.errors import AuguryError, CannotCreate, DataError, StorageError
from augury.plain import json_text

__all__ = [
    "ensure_folder",
    "is_temporary",
    "remove_temporaries",
    "replacing",
    "storage_error",
    "sync_folder",
    "temporary_beside",
    "write_bytes",
    "write_json",
    "write_text",
]

_PREFIX = ".augury-tmp-"
_COUNTER = itertools.count()
_FULL_OR_BROKEN = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}


def write_bytes(path: Path, data: bytes) -> None:
    """Replace `path` by `data`; missing parent folders are created.

    Raises:
        CannotCreate: The file cannot be created there.
        StorageError: The disk is full or failed; the old content of `path` is intact.
    """
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def write_text(path: Path, text: str) -> None:
    """Replace `path` by `text` in UTF-8, newlines untouched; raises as `write_bytes`.

    Raises:
        DataError: The text holds a lone surrogate, which UTF-8 cannot carry.
    """
    try:
        data = text.encode("utf-8")
    except UnicodeEncodeError as error:
        found = f"a lone surrogate at code point {error.start}"
        raise DataError(str(path), found=found, expected="text that UTF-8 can carry") from error
    write_bytes(path, data)


def write_json(path: Path, obj: object) -> None:
    """Replace `path` by `obj` as indented JSON; raises as `write_bytes`.

    Raises:
        DataError: A number is NaN or infinite; its place is named and nothing is written.
    """
    try:
        text = json_text(obj, indent=2)
    except DataError as error:
        where = f"{path}: {error.where}"
        raise DataError(where, found=error.found, expected=error.expected) from error
    write_bytes(path, (text + "\n").encode())


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path to write to; it becomes `path` if the block ends without an error.

    For writers that want a path of their own (safetensors, Parquet). The temporary file exists
    and is empty. After an error it is removed and `path` is as before.

    Raises:
        CannotCreate: The file cannot be created there.
        StorageError: The disk is full or failed.
    """
    ensure_folder(path.parent)
    temporary = temporary_beside(path)
    try:
        _create(temporary, path)
        try:
            yield temporary
            _sync_file(temporary)
        except OSError as error:
            # The block may fail for reasons of its own; only a full or broken disk is ours to name.
            if isinstance(error, AuguryError) or error.errno not in _FULL_OR_BROKEN:
                raise
            raise storage_error(path, error) from error
        try:
            os.replace(temporary, path)
        except OSError as error:
            raise _creation_error(path, error) from error
        sync_folder(path.parent)
    finally:
        with suppress(OSError):
            temporary.unlink()


def ensure_folder(folder: Path) -> Path:
    """Create `folder` and its missing parents durably, and return it.

    Raises:
        CannotCreate: A parent is a file, or writing there is not allowed.
        StorageError: The disk is full or failed.
    """
    if folder.is_dir():
        return folder
    missing = [folder, *itertools.takewhile(lambda parent: not parent.exists(), folder.parents)]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _creation_error(folder, error) from error
    for made in missing:
        sync_folder(made.parent)
    return folder


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` durable.

    Raises:
        StorageError: The disk failed.
    """
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise storage_error(folder, error) from error
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some network file systems cannot sync folders and say so; a real fault is not EINVAL.
        if error.errno not in {errno.EINVAL, errno.ENOTSUP}:
            raise storage_error(folder, error) from error
    finally:
        os.close(descriptor)


def is_temporary(path: Path) -> bool:
    """Whether `path` is the unfinished file of a writer; readers must not look at it."""
    return path.name.startswith(_PREFIX)


def temporary_beside(path: Path) -> Path:
    """A fresh name in the folder of `path` that readers ignore; nothing is created."""
    return path.parent / f"{_PREFIX}{os.getpid()}-{next(_COUNTER)}-{path.name[:60]}"


def remove_temporaries(folder: Path) -> int:
    """Remove what killed writers left directly in `folder`; the caller holds the folder's lock.

    Returns:
        How many files and folders were removed; 0 where the folder is missing.

    Raises:
        StorageError: The disk failed; the file that cannot be removed is named.
    """
    if not folder.is_dir():
        return 0
    path = folder
    try:
        stale = [each for each in folder.iterdir() if is_temporary(each)]
        for path in stale:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
    except OSError as error:
        raise storage_error(path, error) from error
    return len(stale)


def storage_error(path: Path, error: OSError) -> StorageError:
    """The error for a read or write of `path` that failed half-way, with the free space."""
    return StorageError(
        str(path),
        found=f"{error.strerror or error} ({_free_bytes(path)} bytes free)",
        fix="free space or repair the disk, then run the command again; finished work is kept",
    )


def _create(temporary: Path, path: Path) -> None:
    try:
        os.close(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
    except OSError as error:
        raise _creation_error(path, error) from error


def _sync_file(path: Path) -> None:
    descriptor = os.open(path, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _creation_error(path: Path, error: OSError) -> StorageError | CannotCreate:
    if error.errno in _FULL_OR_BROKEN:
        return storage_error(path, error)
    return CannotCreate(
        str(path),
        found=f"cannot be created: {error.strerror or error}",
        expected="a place that can be written to",
        fix="name another folder or change its permissions",
    )


def _free_bytes(path: Path) -> int | str:
    for folder in (path, *path.parents):
        with suppress(OSError):
            return shutil.disk_usage(folder).free
    return "unknown"
