"""Two real Ray workers: the same bytes as one process, whoever dies on the way."""

from __future__ import annotations

import copy
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.faults.job import PLAN as SMALL_PLAN
from tests.faults.job import finished_is_whole, texts, tiny, tree

from augury.activations import extract as extract_module
from augury.activations.engine import Engine, Work, local_engine
from augury.activations.extract import fill_store, plan_store
from augury.activations.layout import Header
from augury.activations.ray_engine import ATTEMPTS, ray_engine
from augury.activations.reading import Reading
from augury.activations.shards import read_shard
from augury.errors import CheckFailed, ConfigError, MissingInput, PartialFailure
from augury.models.blocks import locate
from augury.models.load import LoadedModel

pytest.importorskip("ray", reason="Ray is not installed: pip install 'augury[ray]'")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]
ROOT = Path(__file__).parents[2]
PLAN = SMALL_PLAN.model_copy(update={"batch_tokens": 12})


def test_workers_that_hold_different_models_are_refused(tmp_path: Path) -> None:
    marker = tmp_path / "first"

    def unequal() -> LoadedModel:
        loaded = tiny()
        try:
            marker.touch(exist_ok=False)
        except FileExistsError:
            return replace(loaded, identity={"weights": "01"})
        return loaded

    # Far longer than a worker takes to start: both must be asked before the work is over.
    work = Work(_slowly, lambda _: (), keys=range(6000), unit="nap")
    with (
        pytest.raises(ConfigError, match=r"weights: stored '?0[01]'? / now '?0[01]'?"),
        ray_engine(unequal, workers=2) as engine,
    ):
        list(engine(work))


def _slowly(_: LoadedModel) -> None:
    time.sleep(0.1)


def test_an_address_where_nobody_listens_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))
        monkeypatch.setenv("RAY_ADDRESS", f"127.0.0.1:{unheard.getsockname()[1]}")
        started = time.monotonic()
        with pytest.raises(MissingInput, match="RAY_ADDRESS=127"), ray_engine(tiny):
            pass
    assert time.monotonic() - started < 60


@pytest.fixture(scope="module")
def two_workers() -> Iterator[Engine]:
    with ray_engine(tiny, workers=2) as engine:
        yield engine


@pytest.fixture
def header(monkeypatch: pytest.MonkeyPatch) -> Header:
    """Of a shard per batch."""
    monkeypatch.setattr(extract_module, "SHARD_BYTES", 1)
    planned = plan_store(tiny(), Reading.of(texts(), PLAN))
    assert len(planned.shards) >= 5
    return planned


@pytest.fixture
def whole(header: Header, tmp_path: Path) -> dict[str, bytes]:
    fill_store(tmp_path / "whole", header, Reading.of(texts(), PLAN), local_engine(tiny))
    return _unordered(tmp_path / "whole")


def _unordered(path: Path) -> dict[str, bytes]:
    """Every file; the journal's lines in an order of their own."""
    files = tree(path)
    files["journal.jsonl"] = b"\n".join(sorted(files["journal.jsonl"].splitlines()))
    return files


def _reading_by(engine: Engine, read: Callable[..., Any]) -> Engine:
    return lambda work: engine(replace(work, function=read))


def _killed_at(shard: int, header: Header, once: Path | None) -> Callable[..., Any]:
    """`read_shard` in a worker that kills itself with a chosen shard: once, or always."""
    fatal = header.shards[shard][0]

    def read(loaded: LoadedModel, traces: Any, *rest: Any) -> Any:
        if fatal in traces and not (once and once.exists()):
            if once:
                once.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return read_shard(loaded, traces, *rest)

    return read


def test_two_workers_write_what_one_process_writes(
    two_workers: Engine, header: Header, whole: dict[str, bytes], tmp_path: Path
) -> None:
    pids = set()

    def spied(work: Work) -> Iterator[tuple[int, Any]]:
        for key, (process, result) in _reading_by(two_workers, _with_process(tmp_path))(work):
            pids.add(process)
            yield key, result

    fill_store(tmp_path / "ray", header, Reading.of(texts(), PLAN), spied).verify()
    assert _unordered(tmp_path / "ray") == whole
    assert os.getpid() not in pids and len(pids) == 2


def _with_process(folder: Path) -> Callable[..., Any]:
    """`read_shard` that tells its process, and waits with its first shard for a second process."""

    def read(loaded: LoadedModel, *arguments: Any) -> tuple[int, Any]:
        (folder / f"{os.getpid()}.here").touch()
        until = time.monotonic() + 120
        while len(list(folder.glob("*.here"))) < 2 and time.monotonic() < until:
            time.sleep(0.05)
        return os.getpid(), read_shard(loaded, *arguments)

    return read


def test_a_killed_worker_is_replaced_and_its_shard_read_again(
    two_workers: Engine,
    header: Header,
    whole: dict[str, bytes],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    read = _killed_at(2, header, once=tmp_path / "killed")
    fill_store(
        tmp_path / "ray", header, Reading.of(texts(), PLAN), _reading_by(two_workers, read)
    ).verify()
    assert _unordered(tmp_path / "ray") == whole
    assert (tmp_path / "killed").exists()
    assert f"a worker died with shard 2, time 1 of at most {ATTEMPTS}" in capsys.readouterr().err


def test_a_shard_that_kills_every_worker_is_given_up_and_the_others_are_kept(
    two_workers: Engine, header: Header, whole: dict[str, bytes], tmp_path: Path
) -> None:
    deadly = _reading_by(two_workers, _killed_at(1, header, once=None))
    with pytest.raises(PartialFailure, match=f"shard 1: {ATTEMPTS} workers died with it"):
        fill_store(tmp_path / "ray", header, Reading.of(texts(), PLAN), deadly)
    assert finished_is_whole(tmp_path / "ray", whole) == len(header.shards) - 1
    fill_store(tmp_path / "ray", header, Reading.of(texts(), PLAN), local_engine(tiny))
    assert _unordered(tmp_path / "ray") == whole


def test_a_bad_state_is_reported_once_and_the_other_shards_are_kept(
    two_workers: Engine, header: Header, whole: dict[str, bytes], tmp_path: Path
) -> None:
    bad, tries = header.shards[1][0], tmp_path / "tries"

    def read(loaded: LoadedModel, traces: Any, *rest: Any) -> Any:
        if bad in traces:
            with tries.open("a") as file:
                file.write("x")
            model = copy.deepcopy(loaded.model)
            model.model.embed_tokens.weight[:] = float("nan")
            loaded = replace(loaded, model=model, blocks=locate(model))
        return read_shard(loaded, traces, *rest)

    with pytest.raises(CheckFailed, match=r"trace 't\d+'.*states that are not finite"):
        fill_store(
            tmp_path / "ray", header, Reading.of(texts(), PLAN), _reading_by(two_workers, read)
        )
    assert tries.read_text() == "x"
    assert finished_is_whole(tmp_path / "ray", whole) == len(header.shards) - 1


def test_two_workers_finish_what_one_process_began(
    two_workers: Engine, header: Header, whole: dict[str, bytes], tmp_path: Path
) -> None:
    def stops(loaded: LoadedModel, traces: Any, *rest: Any) -> Any:
        if header.shards[3][0] in traces:
            raise KeyboardInterrupt
        return read_shard(loaded, traces, *rest)

    with pytest.raises(KeyboardInterrupt):
        fill_store(
            tmp_path / "ray",
            header,
            Reading.of(texts(), PLAN),
            _reading_by(local_engine(tiny), stops),
        )
    assert finished_is_whole(tmp_path / "ray", whole) == 3
    fill_store(tmp_path / "ray", header, Reading.of(texts(), PLAN), two_workers)
    assert _unordered(tmp_path / "ray") == whole


DRIVER = """
import sys, time
from pathlib import Path
from tests.faults.job import PLAN, texts, tiny
from augury.activations import extract as extract_module
from augury.activations.extract import fill_store, plan_store
from augury.activations.ray_engine import ray_engine
from augury.activations.reading import Reading
from augury.activations.shards import read_shard
from dataclasses import replace

def slow(loaded, *arguments):
    time.sleep(0.5)
    return read_shard(loaded, *arguments)

if __name__ == "__main__":
    extract_module.SHARD_BYTES = 1
    plan = PLAN.model_copy(update={"batch_tokens": 12})
    header = plan_store(tiny(), Reading.of(texts(), plan))
    with ray_engine(tiny, workers=2) as engine:
        run = lambda work: engine(replace(work, function=slow))
        fill_store(Path(sys.argv[1]), header, Reading.of(texts(), plan), run)
"""


CLUSTER = """
import sys
from augury.activations.cluster import connected

with connected() as ray:
    print(ray.get_runtime_context().gcs_address, flush=True)
    sys.stdin.read()
"""


def _start(script: str, *arguments: object, **environment: str) -> subprocess.Popen[str]:
    paths = os.pathsep.join([str(ROOT), str(ROOT / "src"), *filter(None, sys.path)])
    return subprocess.Popen(
        [sys.executable, "-c", script, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": paths, **environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def test_a_cluster_is_joined_by_its_address_and_left_running(
    header: Header, whole: dict[str, bytes], tmp_path: Path
) -> None:
    guarded = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "0" * 32}
    cluster = _start(CLUSTER, **guarded)
    address = cluster.stdout.readline().strip()  # type: ignore[union-attr]
    try:
        for name in ("one", "two"):
            driver = _start(DRIVER, tmp_path / name, RAY_ADDRESS=address, **guarded)
            said = driver.communicate(timeout=300)[1]
            assert driver.returncode == 0, said
            assert _unordered(tmp_path / name) == whole
    finally:
        cluster.communicate(input="", timeout=60)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_an_ended_driver_leaves_a_store_that_resumes_and_no_worker(
    number: signal.Signals, header: Header, whole: dict[str, bytes], tmp_path: Path
) -> None:
    path = tmp_path / "ray"
    driver = _start(DRIVER, path)
    _wait_until(lambda: path.exists() and finished_is_whole(path, whole) >= 1, driver)
    # As a terminal does it: to the driver and to everything that it started in its group.
    os.killpg(driver.pid, number) if number == signal.SIGINT else driver.kill()
    said = driver.communicate(timeout=60)[1]
    assert driver.returncode == -number
    assert finished_is_whole(path, whole) < len(header.shards)
    workers = [int(process) for process in re.findall(r"^worker ready .*process (\d+)", said, re.M)]
    assert workers
    _wait_until(lambda: not any(map(_is_alive, workers)))
    fill_store(path, header, Reading.of(texts(), PLAN), local_engine(tiny))
    assert _unordered(path) == whole


def _is_alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")")[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def _wait_until(condition: Callable[[], bool], driver: subprocess.Popen[str] | None = None) -> None:
    end = time.monotonic() + 180
    while not condition():
        assert time.monotonic() < end, "it never came"
        if driver is not None and driver.poll() is not None:
            pytest.fail(driver.communicate()[1])
        time.sleep(0.05)
