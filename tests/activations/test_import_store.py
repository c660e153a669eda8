"""Imported states are those of the files, and what is wrong with the files is said in one line."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from collections.abc import Callable
from dataclasses import replace
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
from augury.activations.layout import read_header
from augury.activations.plan import ReadingPlan, planned_rows
from augury.activations.store import Store
from augury.errors import AuguryError, ConfigError, DataError, MissingInput, UsageError
from augury.models.load import LoadedModel
from augury.traces.tokens import TokenisedTrace

SITES = ("embed", "resid.1")


@pytest.fixture(autouse=True)
def _small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extract_module, "SHARD_BYTES", 3000)
    monkeypatch.setattr(import_module, "SHARD_BYTES", 3000)


@pytest.fixture
def traces(traces: list[TokenisedTrace]) -> list[TokenisedTrace]:
    """As elsewhere, but the first (7 tokens) has a prompt of five."""
    return [replace(traces[0], first_row=5), *traces[1:]]


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
    assert (again.sites, again.plan.rows, again.traces) == (SITES, rule, store.traces)
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
    loaded: LoadedModel, traces: list[TokenisedTrace], tmp_path: Path
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
    _about(folder, traces=[part.trace_id for part in traces])
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
def test_memory_is_bounded_by_a_shard_and_not_by_the_capture(tmp_path: Path) -> None:
    rows = 64_000
    tensors = {
        "resid.1": torch.ones((rows, 512), dtype=torch.float32),
        "trace": torch.arange(rows, dtype=torch.int32) // 1000,
        "token": torch.arange(rows, dtype=torch.int32) % 1000,
    }
    save_file(tensors, tmp_path / "all.safetensors")
    _about(tmp_path, traces=[f"t{k}" for k in range(64)])
    code = textwrap.dedent(MEMORY)
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True
    )
    grown, shards = done.stdout.split()
    # 125 MB of states in shards of 4 MB, of which some copies and the writer itself are in memory.
    assert int(shards) == 32 and float(grown) < 70


def _about(folder: Path, **changes: Any) -> None:
    about = {"identity": {"model": "some/model"}, "dtype": "float32", **changes}
    (folder / "export.json").write_text(json.dumps(about))


@pytest.fixture
def capture(traces: list[TokenisedTrace], tmp_path: Path) -> Path:
    """A sound capture: one file, two sites, completions only."""
    folder = tmp_path / "capture"
    folder.mkdir()
    kept = [planned_rows(part, "completion") for part in traces]
    trace = np.repeat(np.arange(len(kept), dtype=np.int32), [len(one) for one in kept])
    generator = torch.Generator().manual_seed(0)
    tensors = {site: torch.randn((len(trace), 8), generator=generator) for site in SITES}
    tensors["trace"] = torch.from_numpy(trace)
    tensors["token"] = torch.from_numpy(np.concatenate(kept))
    save_file(tensors, folder / "a.safetensors")
    _about(folder, traces=[part.trace_id for part in traces])
    return folder


Tensors = dict[str, torch.Tensor]


def _drop(*names: str) -> Callable[[Tensors], Tensors]:
    return lambda one: {name: value for name, value in one.items() if name not in names}


def _put(name: str, change: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[Tensors], Tensors]:
    return lambda one: {**one, name: change(one[name]).contiguous()}


def _with(column: str, row: int, value: float) -> Callable[[Tensors], Tensors]:
    def change(states: torch.Tensor) -> torch.Tensor:
        states = states.clone()
        states[row] = value
        return states

    return _put(column, change)


def _without_row(row: int) -> Callable[[Tensors], Tensors]:
    return lambda one: {
        name: torch.cat([value[:row], value[row + 1 :]]) for name, value in one.items()
    }


# Rows 0 and 1 are tokens 5 and 6 of trace 0, which are its completion.
FAULTS: dict[str, tuple[Callable[[Tensors], Tensors], str]] = {
    "no column": (
        _drop("trace"),
        r"a\.safetensors: tensor 'trace': absent; expected int32 \[row\]",
    ),
    "long column": (_put("token", torch.Tensor.long), r"tensor 'token': I64 .*expected int32"),
    "wide column": (_put("token", lambda x: x[:, None]), r"tensor 'token': I32 \[\d+, 1\]"),
    "short column": (_put("token", lambda x: x[:-1]), r"'trace' and 'token': \d+ and \d+ rows"),
    "short states": (
        _put("embed", lambda x: x[:-1]),
        r"tensor 'embed': shape \[\d+, 8\]; expected",
    ),
    "flat states": (_put("embed", lambda x: x[:, 0]), r"tensor 'embed': shape \[\d+\]; expected"),
    "no states": (_drop(*SITES), r"a\.safetensors: no states; expected a tensor per site"),
    "site": (
        lambda one: {**one, "layer.1": one["embed"].clone()},
        r"tensor 'layer\.1': no such site; .*did you mean 'resid\.1'",
    ),
    "unsupported type": (
        _put("embed", torch.Tensor.double),
        r"'embed': number type F64; expected F32, BF16, F16",
    ),
    "other type": (
        _put("embed", torch.Tensor.bfloat16),
        r"'embed': number type bfloat16; expected float32, as export\.json says",
    ),
    "trace number": (_with("trace", 3, 10), r"row 3: trace 10; expected a trace from 0 to 9"),
    "negative trace": (_with("trace", 0, -1), r"row 0: trace -1; expected"),
    "token number": (
        _with("token", 1, 7),
        r"row 1: token 7; expected one of the 7 tokens of trace 0 \('t0'\)",
    ),
    "twice": (
        _with("token", 1, 5),
        r"a\.safetensors: site embed, trace 0 \('t0'\), token 5: a row that a\.safetensors holds",
    ),
    "last row": (
        _without_row(1),
        r"capture: site embed, trace 0 \('t0'\), token 6: not captured; expected every token",
    ),
    "first row": (
        _without_row(0),
        r"trace 0 \('t0'\): rows from token 6 on; expected rows from token 5 \(its completion\)",
    ),
    "not finite": (
        _with("resid.1", 1, float("nan")),
        r"site resid\.1, trace 0 \('t0'\), token 6: a state that is not finite",
    ),
    "infinite": (_with("embed", 0, float("inf")), r"site embed, trace 0 .* not finite"),
}


@pytest.mark.parametrize("name", sorted(FAULTS))
def test_each_fault_of_a_file_is_one_line(
    capture: Path, traces: list[TokenisedTrace], tmp_path: Path, name: str
) -> None:
    import_store(read_capture([capture]), traces, tmp_path / "sound")
    assert traces[0].first_row == 5 and len(traces[0].ids) == 7
    change, message = FAULTS[name]
    save_file(change(load_file(capture / "a.safetensors")), capture / "a.safetensors")
    with pytest.raises(DataError, match=message) as raised:
        import_store(read_capture([capture]), traces, tmp_path / "store")
    assert "\n" not in str(raised.value)
    with pytest.raises(AuguryError):
        Store.open(tmp_path / "store")
    if "finite" not in message:
        assert not (tmp_path / "store").exists()


ABOUT: dict[str, tuple[dict[str, Any], str]] = {
    "no type": ({"dtype": None}, r"export\.json: dtype: "),
    "type": ({"dtype": "float64"}, r"dtype: Input should be 'float32', 'bfloat16' or 'float16'"),
    "no model": ({"identity": {"engine": "x"}}, r"export\.json: identity must name the model"),
    "unknown key": ({"layers": 3}, r"layers: Extra inputs are not permitted"),
    "no ids": ({"traces": None}, r"the ids of the traces are needed"),
    "few ids": ({"traces": ["t0"]}, r"traces: 1 ids; expected 10, as in the table of tokens"),
    "other id": (
        {"traces": ["t0", "t2", "t1", *(f"t{k}" for k in range(3, 10))]},
        r"traces: 't2' as trace 1; expected 't1', as in the table of tokens",
    ),
    "hash": (
        {"content": "00", "traces": None},
        r"export\.json: content: 00; expected [0-9a-f]{32}",
    ),
    "rows": ({"rows": 3}, r"export\.json: rows: 3; expected \d+, as in the files"),
    "sites": ({"sites": ["embed", "final"]}, r"export\.json: sites: final, which no file holds"),
}


@pytest.mark.parametrize("name", sorted(ABOUT))
def test_each_fault_of_export_json_is_one_line(
    capture: Path, traces: list[TokenisedTrace], tmp_path: Path, name: str
) -> None:
    changes, message = ABOUT[name]
    _about(capture, **{"traces": [part.trace_id for part in traces], **changes})
    with pytest.raises(DataError, match=message) as raised:
        import_store(read_capture([capture]), traces, tmp_path / "store")
    assert "\n" not in str(raised.value) and not (tmp_path / "store").exists()


def test_a_row_in_two_files_and_files_that_disagree_are_named(
    capture: Path, traces: list[TokenisedTrace], tmp_path: Path
) -> None:
    tensors = load_file(capture / "a.safetensors")
    part = {name: value[2:4].clone() for name, value in tensors.items() if name != "embed"}
    save_file(part, capture / "b.safetensors")
    with pytest.raises(DataError, match=r"b\.safetensors: site resid\.1.*a\.safetensors holds"):
        import_store(read_capture([capture]), traces, tmp_path / "store")
    part["resid.1"] = part["resid.1"][:, :5].contiguous()
    save_file(part, capture / "b.safetensors")
    with pytest.raises(DataError, match=r"b\.safetensors.*rows of 5 numbers; expected 8, as in a"):
        read_capture([capture])
    one_site = _drop("embed")(_without_row(4)(tensors)), _drop("resid.1")(tensors)
    for name, content in zip("ab", one_site, strict=True):
        save_file(content, capture / f"{name}.safetensors")
    with pytest.raises(DataError, match=r"site resid\.1, trace 1 .*: not captured"):
        import_store(read_capture([capture]), traces, tmp_path / "store")


def test_a_trace_without_rows_and_mixed_rules_are_named(
    capture: Path, traces: list[TokenisedTrace], tmp_path: Path
) -> None:
    tensors = load_file(capture / "a.safetensors")
    other = tensors["trace"] != 3
    save_file({k: v[other] for k, v in tensors.items()}, capture / "a.safetensors")
    with pytest.raises(DataError, match=r"trace 3 \('t3'\): no rows; expected rows from token"):
        import_store(read_capture([capture]), traces, tmp_path / "store")
    nothing = {k: v[:0] for k, v in tensors.items()}
    save_file(nothing, capture / "a.safetensors")
    with pytest.raises(DataError, match="no row"):
        import_store(read_capture([capture]), traces, tmp_path / "store")


def test_files_that_are_damaged_or_not_there_are_named(capture: Path, tmp_path: Path) -> None:
    with pytest.raises(MissingInput, match=r"\*\.safetensors: no such file"):
        (tmp_path / "empty").mkdir()
        read_capture([tmp_path / "empty"])
    with pytest.raises(MissingInput, match=r"c\.safetensors: no such file"):
        read_capture([capture / "c.safetensors"])
    with pytest.raises(UsageError, match="files of 2 folders"):
        read_capture([capture, tmp_path / "x.safetensors"])
    whole = (capture / "a.safetensors").read_bytes()
    for bad in (whole[:-5], whole[:20], b"", b"{}" * 40):
        (capture / "a.safetensors").write_bytes(bad)
        with pytest.raises(DataError, match=r"a\.safetensors: not readable") as raised:
            read_capture([capture])
        assert "\n" not in str(raised.value)
    (capture / "a.safetensors").write_bytes(whole)
    (capture / "export.json").write_text("{")
    with pytest.raises(DataError, match=r"export\.json: Invalid JSON"):
        read_capture([capture])
    (capture / "export.json").unlink()
    with pytest.raises(MissingInput, match=r"export\.json: no such file"):
        read_capture([capture])


def test_the_header_says_that_it_was_imported_and_from_what(
    capture: Path, traces: list[TokenisedTrace], tmp_path: Path
) -> None:
    import_store(read_capture([capture]), traces, tmp_path / "store")
    header = read_header(tmp_path / "store")
    assert header is not None and header.fields["batching"] == "elsewhere"
    first = header.fields["identity"]["imported"]
    (capture / "a.safetensors").rename(capture / "b.safetensors")
    assert read_capture([capture]).content not in first
