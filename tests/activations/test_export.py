"""What leaves a store is what is in it, in every format, and only whole."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from safetensors.torch import load_file
from typer.testing import CliRunner

from augury.activations import export as export_module
from augury.activations import extract as extract_module
from augury.activations.export import export_store
from augury.activations.extract import extract
from augury.activations.inventory import describe, find_stores
from augury.activations.plan import ReadingPlan
from augury.activations.store import Store
from augury.cli.app import app
from augury.errors import CannotCreate, MissingInput, StorageError, UsageError
from augury.models.load import LoadedModel
from augury.traces.tokens import TokenisedTrace

PLAN = ReadingPlan(sites=("embed", "resid.1"), dtype="bfloat16", batch_tokens=50)


@pytest.fixture
def store(
    loaded: LoadedModel,
    traces: list[TokenisedTrace],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Store:
    monkeypatch.setattr(extract_module, "SHARD_BYTES", 3000)
    monkeypatch.setattr(export_module, "_ROWS", 17)
    return extract(loaded, traces, PLAN, tmp_path / "stores" / "one")


def test_npy(store: Store, tmp_path: Path) -> None:
    export_store(store, tmp_path / "out", "npy")
    index = np.load(tmp_path / "out" / "index.npy")
    for site in PLAN.sites:
        states = np.load(tmp_path / "out" / f"{site}.npy", mmap_mode="r")
        assert states.dtype == np.float32
        np.testing.assert_array_equal(states, store[site].numpy())
    np.testing.assert_array_equal(index[:, 0], store.index["trace"])
    np.testing.assert_array_equal(index[:, 1], store.index["token"])


def test_safetensors_keeps_the_number_type(store: Store, tmp_path: Path) -> None:
    files = export_store(store, tmp_path / "out", "safetensors", sites=("resid.1",))
    assert [file.name for file in files] == ["export.json", "resid.1.safetensors"]
    tensors = load_file(tmp_path / "out" / "resid.1.safetensors")
    assert tensors["resid.1"].dtype == torch.bfloat16
    assert torch.equal(tensors["resid.1"], store["resid.1"].torch())
    assert tensors["token"].tolist() == store.index["token"].tolist()


def test_parquet(store: Store, tmp_path: Path) -> None:
    export_store(store, tmp_path / "out", "parquet")
    table = pl.read_parquet(tmp_path / "out" / "*.parquet")
    np.testing.assert_array_equal(np.stack(table["embed"].to_list()), store["embed"].numpy())
    assert table["trace"].to_list() == store.index["trace"].tolist()


def test_nothing_half_written_is_left_and_nothing_is_overwritten(
    store: Store, tmp_path: Path
) -> None:
    shard = next((store.path / "shards").iterdir())
    shard.write_bytes(shard.read_bytes()[:-1] + b"!")
    with pytest.raises(StorageError, match="its checksum is wrong"):
        export_store(Store.open(store.path), tmp_path / "out", "npy")
    assert [p.name for p in tmp_path.iterdir()] == ["stores"]
    (tmp_path / "out").mkdir()
    with pytest.raises(CannotCreate, match="exists already"):
        export_store(store, tmp_path / "out", "npy")
    with pytest.raises(UsageError, match="not stored"):
        export_store(store, tmp_path / "other", "npy", sites=("resid.0",))


def test_stores_are_found_and_described_without_reading_a_state(
    store: Store, tmp_path: Path
) -> None:
    assert find_stores(tmp_path) == [store.path]
    found = describe(store.path)
    assert found.rows == store.n_rows and found.state == "finished"
    assert found.bytes == sum(f.stat().st_size for f in (store.path / "shards").iterdir())
    last = sorted((store.path / "shards").iterdir())[-1]
    last.unlink()
    assert describe(store.path).state == f"{found.shards - 1} of {found.shards} shards"
    with pytest.raises(MissingInput):
        describe(tmp_path)
    with pytest.raises(MissingInput):
        find_stores(tmp_path / "nowhere")


def test_the_commands(store: Store, tmp_path: Path) -> None:
    run = CliRunner().invoke
    told = run(app, ["store", "ls", str(tmp_path)]).stdout
    assert f"{store.n_rows} rows x 2 sites, bfloat16" in told and "finished" in told
    assert "identity.weights: 00" in run(app, ["store", "show", str(store.path)]).stdout
    assert "every checksum is right" in run(app, ["store", "verify", str(store.path)]).stdout
    out = tmp_path / "out"
    told = run(app, ["store", "export", str(store.path), str(out), "--site", "embed"]).stdout
    assert str(out / "embed.npy") in told and not (out / "resid.1.npy").exists()
