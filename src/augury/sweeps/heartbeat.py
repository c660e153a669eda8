"""A sign of life: a file that is renewed every few seconds while a sweep is worked on."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from augury.errors import AuguryError, Busy
from augury.runs.atomic import write_json
from augury.runs.lock import exclusive

__all__ = ["SECONDS", "beating", "is_alive"]

SECONDS = 5.0
"""Between two signs."""


@contextmanager
def beating(path: Path, now: Callable[[], Mapping[str, object]]) -> Iterator[None]:
    """Write `now()` with process id and time to `path`, at once and then every few seconds."""
    end = threading.Event()

    def beat() -> None:
        while True:
            # A full disk is told by whoever writes results.
            with suppress(AuguryError):
                write_json(path, {**now(), "pid": os.getpid(), "time": int(time.time())})
            if end.wait(SECONDS):
                return

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        end.set()
        thread.join()


def is_alive(lock: Path) -> bool:
    """Whether a process holds the lock; what a killed one left in a file says nothing."""
    if not lock.is_file():
        return False
    try:
        with exclusive(lock):
            return False
    except Busy:
        return True
