"""Faults on demand: calls of the operating system that fail, and processes that die."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

Crash = Callable[[Callable[[], object], int], bool]


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """A killed process loses nothing that it wrote, so these tests need no real sync."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: os.fstat(descriptor) and None)


@pytest.fixture
def die_at(monkeypatch: pytest.MonkeyPatch) -> Crash:
    """Run a job in a child process that dies, as by kill -9, just before its k-th write or sync.

    Returns whether it died (False: the job ended before its k-th call).
    """

    def run(job: Callable[[], object], k: int) -> bool:
        child = os.fork()
        if child == 0:
            _die_before_call(monkeypatch, k)
            try:
                job()
            except BaseException:
                os._exit(1)
            os._exit(0)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        assert status in {0, 9}, f"the job failed by itself, with status {status}"
        return status == 9

    return run


def _die_before_call(monkeypatch: pytest.MonkeyPatch, k: int) -> None:
    calls = iter(range(1, 10_000))
    for name in ("write", "fsync", "replace", "rename", "ftruncate", "open"):
        real = getattr(os, name)

        def call(*args: object, _real: Callable[..., object] = real, **kwargs: object) -> object:
            if next(calls) == k:
                os._exit(9)
            return _real(*args, **kwargs)

        monkeypatch.setattr(os, name, call)
