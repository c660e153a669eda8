from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from tests.sweeps.toy import register, works_of, write_sweep

from augury.activations.engine import Engine, Work, local_engine
from augury.activations.ray_engine import ray_engine
from augury.sweeps.configs import Resolver
from augury.sweeps.execute import Orders, execute
from augury.sweeps.folder import SweepFolder
from augury.sweeps.spec import read_spec
from augury.sweeps.work import Host, Outcome, Task, here
from augury.sweeps.write_up import write_tables

pytest.importorskip("ray", reason="Ray is not installed: pip install 'augury[ray]'")
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::ResourceWarning")]

GRID = """
axes:
  label: [wait, but, so]
  strength: [0.5, 1.0]
  percentile: [85, 90]
set: {pause: 0.2, ground: one}
"""


def _tables(path: Path, engine: Engine) -> dict[str, bytes]:
    folder = SweepFolder(path.parent / "out")
    write_tables(execute(folder, Resolver(read_spec(path), path.parent), engine, Orders()))
    names = ("leaderboard.csv", "deltas.csv", "stability.csv", "manifest.jsonl")
    return {name: (folder.path / name).read_bytes() for name in names}


def _killing_once(
    function: Callable[[Host, Task], Outcome], marker: Path
) -> Callable[[Host, Task], Outcome]:
    def run(host: Host, task: Task) -> Outcome:
        register()
        with (marker.parent / "processes").open("a") as file:
            file.write(f"{os.getpid()}\n")
        outcome = function(host, task)
        if '"strength": 1.0' in task.config and not marker.exists():
            marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return outcome

    return run


def test_two_workers_one_of_them_killed_find_what_one_process_finds(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_sweep(tmp_path, GRID)
    alone = _tables(path, local_engine(here))
    (tmp_path / "out").rename(tmp_path / "alone")
    (tmp_path / "log.txt").rename(tmp_path / "alone.txt")
    (tmp_path / "ground-one.txt").unlink()

    def killing(work: Work) -> Work:
        return replace(work, function=_killing_once(work.function, tmp_path / "killed"))

    with ray_engine(here, workers=2, use_gpus=False) as engine:
        found = _tables(path, lambda work: engine(killing(work)))
    assert (tmp_path / "killed").exists() and found == alone
    processes = set((tmp_path / "processes").read_text().split())
    assert len(processes) >= 2 and str(os.getpid()) not in processes
    # the killed one had finished its stages, so nothing was worked on twice
    works = works_of(tmp_path / "log.txt")
    assert works[0] == "ground:one" and works.count("ground:one") == 1
    assert sorted(works) == sorted(works_of(tmp_path / "alone.txt"))
