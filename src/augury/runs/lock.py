"""One writer at a time, over processes; freed by the system even when its holder is killed."""

from __future__ import annotations

import datetime
import errno
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from augury.errors import Busy, CannotCreate, Unsafe
from augury.runs.atomic import ensure_folder

try:
    import fcntl
except ImportError:  # Windows outside WSL
    fcntl = None  # type: ignore[assignment]

__all__ = ["exclusive"]

_UNNAMED_SECONDS = 0.4
"""How long to wait for a holder that is just ending, or has not yet written its name."""


@contextmanager
def exclusive(path: Path, *, patience: float = 0.0) -> Iterator[None]:
    """Hold the lock file `path` for the length of the block.

    The file stays behind, empty: removing it would let two holders lock two different files of
    the same name. Processes forked inside the block share the lock until they end.

    Args:
        path: The lock file; created where missing.
        patience: Seconds to wait for a living holder, for blocks that are known to be short.

    Raises:
        Busy: Somebody else (or an outer block of this process) holds it; told, without patience,
            in under a second, with the process id of the holder.
        CannotCreate: The lock file cannot be created.
        Unsafe: The system or the file system offers no locks.
    """
    if fcntl is None:
        raise Unsafe(
            str(path), found="this system has no file locks", fix="use Linux, macOS or WSL"
        )
    ensure_folder(path.parent)
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        found = f"the lock file cannot be created: {error.strerror}"
        raise CannotCreate(str(path), found=found) from error
    try:
        _take(descriptor, path, patience)
        _write_holder(descriptor)
        try:
            yield
        finally:
            with suppress(OSError):
                os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


def _take(descriptor: int, path: Path, patience: float) -> None:
    start = time.monotonic()
    while not _try_lock(descriptor, path):
        holder = _read_holder(descriptor)
        limit = patience if _is_alive(holder.get("pid")) else max(patience, _UNNAMED_SECONDS)
        if time.monotonic() - start >= limit:
            raise Busy(
                str(path),
                found=f"in use by process {holder.get('pid', 'unknown')}"
                f" since {holder.get('since', 'an unknown time')}",
                expected="one writer at a time",
                fix="wait until it ends, or stop it, and try again",
            )
        time.sleep(0.02)


def _try_lock(descriptor: int, path: Path) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in {errno.EWOULDBLOCK, errno.EACCES}:
            return False
        raise Unsafe(
            str(path),
            found=f"this file system cannot lock files: {error.strerror}",
            expected="a file system with locks, so that two writers cannot mix",
            fix="put the folder on a local disk",
        ) from error
    return True


def _write_holder(descriptor: int) -> None:
    since = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    # The name is a courtesy to who waits: on a full disk the lock holds without it.
    with suppress(OSError):
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps({"pid": os.getpid(), "since": since}).encode(), 0)


def _read_holder(descriptor: int) -> dict[str, Any]:
    try:
        holder = json.loads(os.pread(descriptor, 200, 0))
    except ValueError:
        return {}
    return holder if isinstance(holder, dict) else {}


def _is_alive(pid: object) -> bool:
    # A name left by a killed holder must not be blamed while the next one has yet to sign.
    if not isinstance(pid, int) or pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
