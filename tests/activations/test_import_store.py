"""Imported states are those of the files, and what is wrong with the files is said in one line."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from augury.activations import extract as extract_module
from augury.activations import import_store as import_module
from augury.activations.capture import read_capture
from augury.activations.export import export_store
from augury.activations.extract import extract
from augury.activations.import_store import import_store
from augury.activations.plan import ReadingPlan
from augury.activations.store import Store
from augury.errors import ConfigError, DataError
from augury.models.load import LoadedModel
from augury.traces.tokens import TokenisedTrace

SITES = ("embed", "resid.1")


@pytest.fixture(autouse=True)
def _small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extract_module, "SHARD_BYTES", 3000)
    monkeypatch.setattr(import_module, "SHARD_BYTES", 3000)


@pytest.fixture(params=["completion", "all"])
def rule(request: pytest.FixtureRequest) -> Any:
    return request.param


def _store(loaded: LoadedModel, traces: list[TokenisedTrace], path: Path, **options: Any) -> Store:
    return extract(loaded, traces, ReadingPlan(sites=SITES, batch_tokens=50, **options), path)


def _exported(store: Store, folder: Path) -> Path:
    export_store(store, folder, "safetensors")
    return folder


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_export_and_import_is_a_round_trip_bit_for_bit(
    loaded: LoadedModel, traces: list[TokenisedTrace], tmp_path: Path, dtype: str, rule: Any
) -> None:
    store = _store(loaded, traces, tmp_path / "store", dtype=dtype, rows=rule)
    out = _exported(store, tmp_path / "out")
    again = import_store(read_capture([out]), traces, tmp_path / "again")
    again.verify()
    assert again.dtype == store.dtype == getattr(torch, dtype)
    assert (again.sites, again.plan.rows, again.content) == (SITES, rule, store.content)
    for name in ("trace", "token"):
        assert np.array_equal(again.index[name], store.index[name])
    raw = torch.int32 if dtype == "float32" else torch.int16
    for site in SITES:
        assert torch.equal(again[site].torch().view(raw), store[site].torch().view(raw))
    told = dict(again.identity)
    assert told.pop("imported").startswith("2 files, ") and told == store.identity
    assert len(list((again.path / "shards").iterdir())) > 2
    twice = _exported(again, tmp_path / "twice")
    for site in SITES:
        name = f"{site}.safetensors"
        assert (twice / name).read_bytes() == (out / name).read_bytes()


def test_rows_may_stand_in_any_file_and_any_order(
    loaded: LoadedModel,
    traces: list[TokenisedTrace],
    tmp_path: Path,
    describe_capture: Callable[..., None],
) -> None:
    store = _store(loaded, traces, tmp_path / "store")
    random = np.random.default_rng(1)
    folder = tmp_path / "capture"
    folder.mkdir()
    for site in SITES:
        for number, rows in enumerate(np.array_split(random.permutation(store.n_rows), 4)):
            index = {name: torch.from_numpy(store.index[name][rows]) for name in store.index}
            tensors = {site: store[site].torch(rows), **index}
            save_file(tensors, folder / f"{site}-{number}.safetensors")
    describe_capture(folder, traces=[part.trace_id for part in traces])
    again = import_store(read_capture([folder]), traces, tmp_path / "again")
    for site in SITES:
        assert torch.equal(again[site].torch(), store[site].torch())
    assert again.identity["model"] == "some/model" and again.identity["dtype"] == "float32"
    one = sorted(folder.glob("resid*"))
    only = import_store(read_capture(one), traces, tmp_path / "only")
    assert only.sites == ("resid.1",) and only.identity["imported"].startswith("4 files")


def test_an_interrupted_import_continues_and_a_changed_capture_is_another_store(
    loaded: LoadedModel,
    traces: list[TokenisedTrace],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out = _exported(_store(loaded, traces, tmp_path / "store"), tmp_path / "out")
    whole = import_store(read_capture([out]), traces, tmp_path / "whole")
    sound, calls = import_module.write_shard, []

    def dies(*args: Any) -> None:
        calls.append(args[2])
        if len(calls) == 3:
            raise KeyboardInterrupt
        sound(*args)

    with monkeypatch.context() as patch:
        patch.setattr(import_module, "write_shard", dies)
        with pytest.raises(KeyboardInterrupt):
            import_store(read_capture([out]), traces, tmp_path / "again")
        with pytest.raises(DataError, match="2 of"):
            Store.open(tmp_path / "again")
        calls[:] = [None] * 3
        again = import_store(read_capture([out]), traces, tmp_path / "again")
        assert calls[3:] == list(range(2, len(list((whole.path / "shards").iterdir()))))
    for file in (*(whole.path / "shards").iterdir(), whole.path / "store.json"):
        assert (again.path / file.relative_to(whole.path)).read_bytes() == file.read_bytes()
    changed = load_file(out / "embed.safetensors")
    changed["embed"][0, 0] += 1
    save_file(changed, out / "embed.safetensors")
    with pytest.raises(ConfigError, match=r"identity\.imported: stored"):
        import_store(read_capture([out]), traces, tmp_path / "again")


MEMORY = """
    import sys, threading, time
    from pathlib import Path
    import numpy as np, torch
    from augury.activations import import_store as module
    from augury.activations.capture import read_capture
    from augury.traces.tokens import TokenisedTrace

    def resident():
        lines = Path("/proc/self/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("RssAnon")).split()[1]) / 1024

    module.SHARD_BYTES = 2 * 2**20
    zeros = np.zeros(1000, np.int32)
    parts = [
        TokenisedTrace(f"t{k}", "g", zeros, zeros, zeros, zeros > 0, zeros.astype(np.uint8), 0)
        for k in range(64)
    ]
    folder, peak, running = Path(sys.argv[1]), 0.0, True
    capture = read_capture([folder])
    before = resident()
    def watch():
        global peak
        while running:
            peak = max(peak, resident())
            time.sleep(0.001)
    watcher = threading.Thread(target=watch)
    watcher.start()
    store = module.import_store(capture, parts, folder / "store")
    running = False
    watcher.join()
    print(peak - before, len(list((folder / "store" / "shards").iterdir())))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_is_bounded_by_a_shard_and_not_by_the_capture(
    tmp_path: Path, describe_capture: Callable[..., None]
) -> None:
    rows = 64_000
    tensors = {
        "resid.1": torch.ones((rows, 512), dtype=torch.float32),
        "trace": torch.arange(rows, dtype=torch.int32) // 1000,
        "token": torch.arange(rows, dtype=torch.int32) % 1000,
    }
    save_file(tensors, tmp_path / "all.safetensors")
    describe_capture(tmp_path, traces=[f"t{k}" for k in range(64)])
    code = textwrap.dedent(MEMORY)
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True
    )
    grown, shards = done.stdout.split()
    # 125 MB of states in shards of 4 MB, of which some copies and the writer itself are in memory.
    assert int(shards) == 32 and float(grown) < 70
