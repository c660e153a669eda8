"""The fault sweep: python -m tests.faults.sweep [--random N]

Kills a small extraction at every file operation and at random instants, fails every operation with
a full disk and with an I/O error. Prints how often it looked, and stops at the first thing that
should not be.
"""

from __future__ import annotations

import argparse
import errno
import os
import random
import shutil
import signal
import tempfile
import time
from pathlib import Path

from tests.faults.job import (
    KILLED,
    REFUSED,
    UNHURT,
    Fault,
    finished_is_whole,
    in_child,
    start_child,
    tiny,
    tree,
    wait_for,
)

from augury.models.load import LoadedModel

__all__ = ["fails_everywhere", "kills_at_every_operation", "kills_at_random", "prepare"]


def prepare(folder: Path) -> tuple[LoadedModel, dict[str, bytes], int]:
    """The model, the files of an uninterrupted job, and how many file operations it makes."""
    loaded = tiny()
    folder.mkdir(exist_ok=True)
    assert in_child(loaded, folder / "whole", Fault(0), folder / "count") == UNHURT
    return loaded, tree(folder / "whole"), int((folder / "count").read_text())


def kills_at_every_operation(folder: Path, every: int = 1) -> int:
    """SIGKILL before each file operation; what was acknowledged is whole, and the job resumes.

    The job that resumes is killed too, at the same operation of its own, so that what a killed job
    left behind is met by a job that dies while it clears up.
    """
    loaded, whole, operations = prepare(folder)
    before = 0
    for at in range(1, operations + 1, every):
        path = folder / f"kill-{at}"
        assert in_child(loaded, path, Fault(at)) == KILLED, f"operation {at} never came"
        done = finished_is_whole(path, whole)
        assert done >= before, f"operation {at}: fewer shards are done than after an earlier kill"
        before = done
        in_child(loaded, path, Fault(at))
        assert finished_is_whole(path, whole) >= done, f"operation {at}: a finished shard is gone"
        _resumes(loaded, path, whole)
    assert before > 1, "no kill came after a finished shard"
    return len(range(1, operations + 1, every))


def kills_at_random(folder: Path, count: int, seed: int = 0) -> tuple[int, int]:
    """SIGKILL after a random delay; how many kills, and how many hit the job while it ran."""
    loaded, whole, _ = prepare(folder)
    started = time.perf_counter()
    in_child(loaded, folder / "timed", Fault(0))
    usual = time.perf_counter() - started
    rng, hits = random.Random(seed), 0
    for number in range(count):
        path = folder / f"random-{number}"
        child = start_child(loaded, path, Fault(0))
        time.sleep(rng.uniform(0, usual))
        os.kill(child, signal.SIGKILL)
        hits += wait_for(child) == KILLED
        _resumes(loaded, path, whole)
    return count, hits


def fails_everywhere(folder: Path, every: int = 1) -> int:
    """ENOSPC and EIO at each operation, once and from then on: refused, and then resumed."""
    loaded, whole, operations = prepare(folder)
    looked = 0
    for error in (errno.ENOSPC, errno.EIO):
        for lasting in (False, True):
            for at in range(1, operations + 1, every):
                path = folder / f"fail-{error}-{lasting}-{at}"
                code = in_child(loaded, path, Fault(at, error, lasting))
                where = f"errno {error} at operation {at}, lasting {lasting}"
                # Closing and syncing a folder may be refused by a file system: not a loss.
                assert code in (UNHURT, REFUSED), f"{where}: exit {code}, not an error of augury's"
                if code == UNHURT:
                    assert tree(path) == whole, f"{where}: went on with other files"
                _resumes(loaded, path, whole)
                looked += 1
    return looked


def _resumes(loaded: LoadedModel, path: Path, whole: dict[str, bytes]) -> None:
    finished_is_whole(path, whole)
    assert in_child(loaded, path, Fault(0)) == UNHURT, f"{path.name}: does not resume"
    found = tree(path)
    other = sorted(k for k in {*found, *whole} if found.get(k) != whole.get(k))
    assert not other, f"{path.name}: other bytes in {other}"
    shutil.rmtree(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--random", type=int, default=500, help="kills at random instants")
    count = parser.parse_args().random
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        print(f"killed at every file operation: {kills_at_every_operation(folder / 'a')}")
        kills, hits = kills_at_random(folder / "b", count)
        print(f"killed at random: {kills}, of which {hits} while the job ran")
        print(
            f"ENOSPC and EIO at every operation, once and lasting: {fails_everywhere(folder / 'c')}"
        )


if __name__ == "__main__":
    main()
