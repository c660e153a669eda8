"""One writer and many readers, in processes of their own."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from tests.faults.job import run_job, tiny, wait_for

from augury.activations import shards as shards_module
from augury.activations.store import Store
from augury.errors import AuguryError, Busy
from augury.models.load import LoadedModel

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the test forks")


@pytest.fixture
def loaded() -> LoadedModel:
    return tiny()


def _child(work: Callable[[], object]) -> int:
    """Fork a process that works and ends with 0, or with the code of an error of augury's."""
    child = os.fork()
    if child == 0:
        code = 70
        try:
            work()
            code = 0
        except AuguryError as error:
            code = error.code
        finally:
            os._exit(code)
    return child


def _writer_that_stops_inside(loaded: LoadedModel, path: Path) -> tuple[int, int]:
    """A process that extracts and waits in its first forward pass; and the pipe that ends that."""
    started, go = os.pipe(), os.pipe()
    sound = shards_module.read_rows

    def waiting(*args: object, **kwargs: object) -> object:
        os.write(started[1], b"!")
        os.read(go[0], 1)
        shards_module.read_rows = sound
        return sound(*args, **kwargs)  # type: ignore[arg-type]

    def work() -> None:
        os.close(go[1])
        shards_module.read_rows = waiting  # type: ignore[assignment]
        run_job(loaded, path)

    child = _child(work)
    os.read(started[0], 1)
    return child, go[1]


def test_a_second_writer_is_refused_in_under_a_second_with_the_holder_and_may_write_when_it_ends(
    loaded: LoadedModel, tmp_path: Path
) -> None:
    writer, go = _writer_that_stops_inside(loaded, tmp_path / "store")
    started = time.monotonic()
    with pytest.raises(Busy, match=f"in use by process {writer} since 20") as caught:
        run_job(loaded, tmp_path / "store")
    assert time.monotonic() - started < 1
    assert caught.value.code == 75
    second = _child(lambda: run_job(loaded, tmp_path / "store"))
    assert wait_for(second) == 75
    os.write(go, b"!")
    assert wait_for(writer) == 0
    run_job(loaded, tmp_path / "store")
    Store.open(tmp_path / "store").verify()


def test_readers_go_on_while_a_writer_holds_the_lock(loaded: LoadedModel, tmp_path: Path) -> None:
    for name in ("same", "beside"):
        run_job(loaded, tmp_path / name)
    wanted = {site: Store.open(tmp_path / "same")[site].torch().clone() for site in ("embed",)}
    held = Store.open(tmp_path / "same")
    # A shard that is lost makes a writer of the next job, also for a store that was finished.
    lost = sorted((tmp_path / "same" / "shards").iterdir())[-1]
    content = lost.read_bytes()
    lost.unlink()
    writer, go = _writer_that_stops_inside(loaded, tmp_path / "same")
    lost.write_bytes(content)

    def read() -> None:
        for path in (tmp_path / "same", tmp_path / "beside"):
            store = Store.open(path)
            for rows in (slice(0, 9), slice(3, 40), store.rows_of(1)):
                assert torch.equal(store["embed"][rows], wanted["embed"][rows])
            store.verify()

    readers = [_child(read) for _ in range(3)]
    assert [wait_for(reader) for reader in readers] == [0, 0, 0]
    assert torch.equal(held["embed"].torch(), wanted["embed"])
    view = held["embed"].of(1)
    before = view.clone()
    os.write(go, b"!")
    assert wait_for(writer) == 0
    # The writer has replaced a shard under the readers' hands: what they hold stays what it was.
    assert torch.equal(view, before)
    read()
