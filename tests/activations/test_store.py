"""The store: any slice equals the slice of the whole, and damage is never given out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from augury.activations import extract as extract_module
from augury.activations.extract import extract
from augury.activations.plan import ReadingPlan
from augury.activations.store import Store
from augury.errors import MissingInput, StorageError, UsageError
from augury.models.load import LoadedModel
from augury.traces.tokens import TokenisedTrace

PLAN = ReadingPlan(sites=("embed", "resid.1"), batch_tokens=50)


@pytest.fixture
def store(
    loaded: LoadedModel,
    traces: list[TokenisedTrace],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Store:
    monkeypatch.setattr(extract_module, "SHARD_BYTES", 5000)
    made = extract(loaded, traces, PLAN, tmp_path / "store", facts={"template": "a"})
    assert len(list((tmp_path / "store" / "shards").iterdir())) > 2
    return made


@given(st.data())
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_choice_of_rows_is_that_choice_of_the_whole(store: Store, data: st.DataObject) -> None:
    whole = store["resid.1"].torch()
    rows = np.array(data.draw(st.lists(st.integers(0, store.n_rows - 1), max_size=20)), dtype=int)
    mask = np.isin(np.arange(store.n_rows), rows)
    piece = data.draw(st.slices(store.n_rows))
    assert torch.equal(store["resid.1"].torch(rows), whole[rows])
    assert torch.equal(store["resid.1"].torch(mask), whole[torch.from_numpy(mask)])
    chosen = np.arange(store.n_rows)[piece]
    assert np.array_equal(store["resid.1"].numpy(piece), whole.numpy()[chosen])


def test_a_store_opened_again_is_the_same(store: Store) -> None:
    again = Store.open(store.path)
    again.verify()
    assert (again.plan, again.sites, again.identity) == (PLAN, PLAN.sites, store.identity)
    assert again.facts == {"template": "a"}
    assert len(again["embed"]) == again.n_rows
    assert again["embed"].hidden == 32
    for site in PLAN.sites:
        assert torch.equal(again[site].torch(), store[site].torch())


@pytest.mark.parametrize("place", [3, 60, -1, -700])
def test_one_flipped_bit_anywhere_in_a_shard_is_found_before_a_value_is_used(
    store: Store, place: int
) -> None:
    shard = sorted((store.path / "shards").iterdir())[0]
    content = bytearray(shard.read_bytes())
    content[place] ^= 4
    shard.write_bytes(content)
    opened = Store.open(store.path)
    with pytest.raises(StorageError, match="00000"):
        opened["embed"].numpy()
    with pytest.raises(StorageError, match="00000"):
        opened.verify()


def test_a_damaged_shard_is_repaired_by_reading_it_again(
    store: Store, loaded: LoadedModel, traces: list[TokenisedTrace]
) -> None:
    whole = store["embed"].torch()
    shard = sorted((store.path / "shards").iterdir())[1]
    shard.unlink()
    again = extract(loaded, traces, PLAN, store.path, facts={"template": "a"})
    again.verify()
    assert torch.equal(again["embed"].torch(), whole)


def test_what_is_not_there_is_named(store: Store, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"'resid\.0'.*embed, resid\.1"):
        store["resid.0"]
    with pytest.raises(UsageError, match="indices from 0"):
        store["embed"].numpy(np.array([store.n_rows]))
    with pytest.raises(UsageError, match="indices from 0"):
        store["embed"].numpy(np.array([-1]))
    with pytest.raises(UsageError, match="a mask of"):
        store["embed"].numpy(np.array([True, False]))
    with pytest.raises(MissingInput, match="run the extraction"):
        Store.open(tmp_path / "absent")
