from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from augury.errors import Busy, CannotCreate
from augury.runs.lock import exclusive

HOLD = """
import sys, time
from pathlib import Path
from augury.runs.lock import exclusive
with exclusive(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def _holder(path: Path) -> subprocess.Popen[str]:
    source = Path(__file__).parents[2] / "src"
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(source)},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_a_second_holder_is_told_the_first_ones_process_in_under_a_second_until_it_is_killed(
    tmp_path: Path,
) -> None:
    path = tmp_path / "lock"
    process = _holder(path)
    try:
        start = time.monotonic()
        with pytest.raises(Busy, match=f"process {process.pid} since 20") as caught:
            with exclusive(path):
                pass
        assert time.monotonic() - start < 1
        assert caught.value.code == 75
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    with exclusive(path):
        assert str(os.getpid()) in path.read_text()


def test_the_lock_is_free_after_the_block_and_after_an_error_in_it(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "lock"
    with pytest.raises(KeyError), exclusive(path):
        raise KeyError
    with exclusive(path):
        pass
    assert path.read_text() == ""


def test_an_outer_block_of_the_same_process_counts_as_a_holder(tmp_path: Path) -> None:
    with (
        exclusive(tmp_path / "lock"),
        pytest.raises(Busy, match=f"process {os.getpid()} "),
        exclusive(tmp_path / "lock"),
    ):
        pytest.fail("held twice")


def test_the_name_of_a_dead_holder_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text('{"pid": 999999999, "since": "long ago"}')
    with exclusive(tmp_path / "lock"):
        pass


def test_many_processes_that_race_are_never_inside_together(tmp_path: Path) -> None:
    path, inside = tmp_path / "lock", tmp_path / "inside"

    def work() -> int:
        entered = 0
        for _ in range(40):
            try:
                with exclusive(path, patience=5):
                    descriptor = os.open(inside, os.O_CREAT | os.O_EXCL)
                    os.close(descriptor)
                    entered += 1
                    inside.unlink()
            except FileExistsError:
                return 255
        return entered

    children = []
    for _ in range(4):
        child = os.fork()
        if child == 0:
            os._exit(work())
        children.append(child)
    statuses = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    assert statuses == [40] * 4


def test_a_lock_file_that_cannot_be_created_is_cannot_create(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(CannotCreate), exclusive(tmp_path / "folder"):
        pass
