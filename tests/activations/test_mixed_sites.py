"""A plan whose sites are of different widths, from the first row to the exported file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from safetensors.torch import load_file

from augury.activations import extract as extract_module
from augury.activations import writing
from augury.activations.estimate import estimate
from augury.activations.export import export_store
from augury.activations.extract import extract
from augury.activations.inventory import describe
from augury.activations.plan import ReadingPlan
from augury.activations.reading import Reading
from augury.activations.store import Store
from augury.errors import ConfigError
from augury.models.attention import attention_settings, attention_weights
from augury.models.load import LoadedModel
from augury.models.reference import distance, reference_of
from augury.traces.tokens import TokenisedTrace

WIDTHS = {"query.1": 32, "key.1": 16, "resid.1": 32, "logits": 64}
PLAN = ReadingPlan(sites=tuple(WIDTHS), batch_tokens=50)


@pytest.fixture(autouse=True)
def _small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extract_module, "SHARD_BYTES", 12_000)


@pytest.mark.parametrize("batching", ["packed", "padded"])
def test_every_row_is_right_and_as_wide_as_its_site(
    batching: str, loaded: LoadedModel, traces: list[TokenisedTrace], tmp_path: Path
) -> None:
    plan = PLAN.model_copy(update={"batching": batching, "rows": "all"})
    store = extract(loaded, traces, plan, tmp_path)
    store.verify()
    assert {site: store[site].hidden for site in store.sites} == WIDTHS
    settings = attention_settings(loaded.blocks, 1)
    for number, trace in enumerate(traces):
        reference, rows = reference_of(loaded, trace.ids), store.rows_of(number)
        for site in WIDTHS:
            assert distance(store[site].torch(rows), reference.site(site)) < 2e-6
        ours = attention_weights(store["query.1"].torch(rows), store["key.1"].torch(rows), settings)
        torch.testing.assert_close(ours, reference.attention(1), rtol=0, atol=1e-5)


def test_an_interrupted_extraction_ends_with_the_same_bytes(
    loaded: LoadedModel,
    traces: list[TokenisedTrace],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = extract(loaded, traces, PLAN, tmp_path / "whole")
    sound, done = writing.write_bytes, []

    def interrupted(path: Path, content: bytes) -> None:
        if done:
            raise KeyboardInterrupt
        done.append(path)
        sound(path, content)

    with monkeypatch.context() as patch:
        patch.setattr(writing, "write_bytes", interrupted)
        with pytest.raises(KeyboardInterrupt):
            extract(loaded, traces, PLAN, tmp_path / "cut")
    assert describe(tmp_path / "cut").state.startswith("1 of ")
    again = extract(loaded, traces, PLAN, tmp_path / "cut")
    again.verify()
    shards = sorted((whole.path / "shards").iterdir())
    assert len(shards) > 2
    for shard in shards:
        assert (again.path / "shards" / shard.name).read_bytes() == shard.read_bytes()


def test_shards_are_closed_by_their_real_size_and_the_estimate_counts_it(
    loaded: LoadedModel, traces: list[TokenisedTrace], tmp_path: Path
) -> None:
    told = estimate(loaded, Reading.of(traces, PLAN))
    store = extract(loaded, traces, PLAN, tmp_path)
    assert told.bytes == store.n_rows * (sum(WIDTHS.values()) * 4 + 8)
    files = [file.stat().st_size for file in (tmp_path / "shards").iterdir()]
    # A shard is closed by the batch that fills it; one of 50 tokens is of at most 29 kB here.
    assert max(files) < 12_000 + 50 * (sum(WIDTHS.values()) * 4 + 8) + 1000
    assert abs(sum(files) - told.bytes) < 1000 * len(files)
    blocks_alone = estimate(
        loaded, Reading.of(traces, PLAN.model_copy(update={"sites": ("resid.1",)}))
    )
    assert told.flops - blocks_alone.flops == 2 * 64 * 32 * store.n_rows


@pytest.mark.parametrize("kind", ["npy", "safetensors", "parquet"])
def test_every_format_takes_sites_of_different_widths(
    kind: str, loaded: LoadedModel, traces: list[TokenisedTrace], tmp_path: Path
) -> None:
    store = extract(loaded, traces, PLAN, tmp_path / "store")
    out = tmp_path / "out"
    export_store(store, out, kind)  # type: ignore[arg-type]
    for site, width in WIDTHS.items():
        if kind == "npy":
            states = np.load(out / f"{site}.npy")
        elif kind == "safetensors":
            states = load_file(out / f"{site}.safetensors")[site].numpy()
        else:
            states = np.stack(pl.read_parquet(out / "*.parquet")[site].to_list())
        assert states.shape == (store.n_rows, width)
        np.testing.assert_array_equal(states, store[site].numpy())


def test_a_plan_with_logits_needs_the_head_and_says_so_before_writing(
    loaded: LoadedModel, traces: list[TokenisedTrace], tmp_path: Path
) -> None:
    headless = replace(loaded, blocks=replace(loaded.blocks, head=None))
    with pytest.raises(ConfigError, match="without its head"):
        extract(headless, traces, PLAN, tmp_path / "store")
    deeper = replace(loaded, depth=3)
    with pytest.raises(ConfigError, match=r"site 'logits'.*2 of its 3 blocks"):
        extract(deeper, traces, ReadingPlan(sites=("logits",)), tmp_path / "store")
    assert not (tmp_path / "store").exists()


def test_a_store_of_other_sites_is_refused(
    loaded: LoadedModel, traces: list[TokenisedTrace], tmp_path: Path
) -> None:
    extract(loaded, traces, PLAN, tmp_path)
    other = PLAN.model_copy(update={"sites": ("query.0", "key.0", "resid.1", "logits")})
    with pytest.raises(ConfigError, match=r"plan\.sites: stored .*query\.1.* / now .*query\.0"):
        extract(loaded, traces, other, tmp_path)
    assert Store.open(tmp_path).sites == tuple(WIDTHS)
