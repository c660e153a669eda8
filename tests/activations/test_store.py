"""The store: any slice equals the slice of the whole, and damage is never given out."""

from __future__ import annotations

from collections.abc import Callable
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


@given(st.data())
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_range_of_tokens_of_any_trace_is_that_range(store: Store, data: st.DataObject) -> None:
    states = store["resid.1"]
    trace = data.draw(st.sampled_from(np.unique(store.index["trace"]).tolist()))
    kept = np.flatnonzero(store.index["trace"] == trace)
    tokens = store.index["token"][kept]
    place = st.integers(int(tokens[0]), int(tokens[-1]) + 1)
    start, stop = sorted(data.draw(st.tuples(place, place)))
    wanted = states.torch(kept[(tokens >= start) & (tokens < stop)])
    end = int(tokens[-1]) + 1
    assert torch.equal(states.of(trace, slice(start, stop)), wanted)
    if start < end:
        by_id = states.of(store.traces[trace], slice(start - end, stop))
        assert torch.equal(by_id, wanted)
    assert torch.equal(states.of(trace), states.torch(kept))


def test_rows_are_had_by_number_range_list_mask_and_as_an_array(store: Store) -> None:
    states, whole = store["embed"], store["embed"].torch()
    assert torch.equal(states[3:50], whole[3:50]) and torch.equal(
        states[50:3:-2], whole[range(50, 3, -2)]
    )
    assert torch.equal(states[7], whole[7]) and torch.equal(states[-1], whole[-1])
    assert torch.equal(states[[5, 3, 5]], whole[[5, 3, 5]])
    assert torch.equal(states[store.index["token"] == 6], whole[store.index["token"] == 6])
    assert np.array_equal(np.asarray(states), whole.numpy())
    assert torch.equal(torch.stack(list(states)), whole)
    assert states[4:4].shape == (0, 32)


def test_consecutive_rows_of_a_shard_are_a_view_of_the_file_that_cannot_harm_it(
    store: Store,
) -> None:
    sizes = np.bincount(store.index["trace"], minlength=len(store.traces))
    members = next(one for one in store._header.shards if (sizes[one] > 0).sum() > 1)
    trace = max(members, key=lambda one: sizes[one])
    view = store["embed"].of(trace)
    # What is held is the mapping of all rows of the shard: so nothing was copied.
    assert view.untyped_storage().nbytes() == sizes[members].sum() * 32 * 4 > view.nbytes
    before = view.clone()
    view.zero_()
    assert torch.equal(store["embed"].of(trace), before)
    store.verify()


def test_a_slice_reads_no_shard_but_its_own(store: Store) -> None:
    first, *others = sorted((store.path / "shards").iterdir())
    trace = next(t for t in store._header.shards[0] if len(store["embed"].of(t)))
    rows = store.rows_of(trace)
    for other in others:
        other.write_bytes(b"!" * other.stat().st_size)
    opened = Store.open(store.path)
    assert len(opened["embed"].of(trace)) == rows.stop - rows.start
    with pytest.raises(StorageError, match=others[0].name):
        opened["embed"].torch()
    first.write_bytes(b"!" * first.stat().st_size)
    with pytest.raises(StorageError, match=first.name):
        Store.open(store.path)["embed"].of(trace)


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
    with pytest.raises(UsageError, match="indices from 0"):
        store["embed"][store.n_rows]
    with pytest.raises(UsageError, match=r"trace -1: no such position; expected 0 to 9"):
        store.rows_of(-1)
    with pytest.raises(UsageError, match="no such id"):
        store.rows_of("t10")
    header = store._header
    firsts = [end - kept for end, kept in zip(header.lengths, header.counts, strict=True)]
    trace = next(n for n, first in enumerate(firsts) if first > 1)
    first, end = firsts[trace], header.lengths[trace]
    for tokens in (slice(first - 1, None), slice(None, end + 1), slice(None, None, 2)):
        with pytest.raises(UsageError, match=rf"{trace}: tokens: .*kept tokens {first}:{end}"):
            store.rows_of(trace, tokens)
    with pytest.raises(MissingInput, match="run the extraction"):
        Store.open(tmp_path / "absent")


def test_windows_of_one_text_are_told_apart_by_their_position(
    loaded: LoadedModel, trace_of: Callable[..., TokenisedTrace], tmp_path: Path
) -> None:
    parts = [trace_of("long", [3, 4, 5, 6], 1), trace_of("long", [5, 6, 7], 2, part=1)]
    states = extract(loaded, parts, PLAN, tmp_path / "windows")["embed"]
    assert len(states.of(0)) == 3 and len(states.of(1, slice(2, 3))) == 1
    with pytest.raises(UsageError, match=r"windows at positions \[0, 1\]"):
        states.of("long")
