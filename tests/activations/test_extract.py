"""Extraction: the right values, resumable bit for bit, loud where it cannot be right."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from augury.activations import extract as extract_module
from augury.activations import shards as shards_module
from augury.activations.anchors import planned_rows
from augury.activations.extract import extract
from augury.activations.plan import ReadingPlan
from augury.activations.store import Store
from augury.errors import CheckFailed, ConfigError, DataError, StorageError
from augury.models.blocks import locate
from augury.models.load import LoadedModel
from augury.models.reference import distance, reference_of
from augury.traces.tokens import TokenisedTrace

PLAN = ReadingPlan(sites=("embed", "attn.1", "resid.0", "final"), batch_tokens=50)


@pytest.fixture(autouse=True)
def _small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extract_module, "SHARD_BYTES", 12_000)


def _tree(path: Path) -> dict[str, str]:
    return {
        str(file.relative_to(path)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(path.rglob("*"))
        if file.is_file()
    }


def _after(calls: int, error: BaseException) -> Callable[..., Any]:
    """`read_rows` that fails once, at the given call."""
    count = 0
    sound = shards_module.read_rows

    def read(*args: Any, **kwargs: Any) -> Any:
        nonlocal count
        count += 1
        if count == calls + 1:
            raise error
        return sound(*args, **kwargs)

    return read


def test_every_stored_row_is_what_transformers_computes_for_the_trace_alone(
    loaded: LoadedModel, traces: list[TokenisedTrace], tmp_path: Path
) -> None:
    store = extract(loaded, traces, PLAN, tmp_path)
    for number, trace in enumerate(traces):
        rows, kept = store.rows_of(number), planned_rows(trace, whole=False)
        assert store.index["token"][rows].tolist() == kept.tolist()
        assert (store.index["trace"][rows] == number).all()
        reference = reference_of(loaded, trace.ids)
        for site in PLAN.sites if len(kept) else ():
            ours = torch.from_numpy(store[site].numpy(rows))
            assert distance(ours, reference.site(site)[kept.tolist()]) < 2e-6


def test_rows_are_ordered_by_trace_and_token(
    loaded: LoadedModel, traces: list[TokenisedTrace], tmp_path: Path
) -> None:
    plan = PLAN.model_copy(update={"rows": "all"})
    store = extract(loaded, traces, plan, tmp_path)
    pairs = list(zip(store.index["trace"].tolist(), store.index["token"].tolist(), strict=True))
    assert pairs == [(k, t) for k, trace in enumerate(traces) for t in range(len(trace.ids))]


@pytest.mark.parametrize("batching", ["packed", "padded"])
@pytest.mark.parametrize("calls", [0, 1, 2])
def test_an_interrupted_extraction_ends_with_the_same_bytes(
    calls: int,
    batching: str,
    loaded: LoadedModel,
    traces: list[TokenisedTrace],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plan = PLAN.model_copy(update={"batching": batching})
    extract(loaded, traces, plan, tmp_path / "whole")
    with monkeypatch.context() as patch:
        patch.setattr(shards_module, "read_rows", _after(calls, KeyboardInterrupt()))
        with pytest.raises(KeyboardInterrupt):
            extract(loaded, traces, plan, tmp_path / "cut")
    with pytest.raises(DataError, match="it continues where it stopped"):
        Store.open(tmp_path / "cut")
    extract(loaded, traces, plan, tmp_path / "cut")
    assert _tree(tmp_path / "cut") == _tree(tmp_path / "whole")


def test_a_shard_without_its_journal_line_is_read_again(
    loaded: LoadedModel, traces: list[TokenisedTrace], tmp_path: Path
) -> None:
    extract(loaded, traces, PLAN, tmp_path)
    whole = _tree(tmp_path)
    journal = tmp_path / "journal.jsonl"
    journal.write_bytes(journal.read_bytes()[:-10])
    (tmp_path / "shards" / "00000.safetensors.stray").write_bytes(b"half")
    extract(loaded, traces, PLAN, tmp_path)
    (tmp_path / "shards" / "00000.safetensors.stray").unlink()
    assert _tree(tmp_path) == whole


def test_a_finished_store_is_reused_without_a_forward_pass(
    loaded: LoadedModel,
    traces: list[TokenisedTrace],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    extract(loaded, traces, PLAN, tmp_path)
    monkeypatch.setattr(shards_module, "read_rows", _after(0, AssertionError("read again")))
    extract(loaded, traces, PLAN, tmp_path)


def test_out_of_memory_halves_the_budget_and_records_it(
    loaded: LoadedModel,
    traces: list[TokenisedTrace],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    whole = extract(loaded, traces, PLAN, tmp_path / "whole")
    plan = PLAN.model_copy(update={"batch_tokens": 120})
    error = torch.OutOfMemoryError("device is full")
    monkeypatch.setattr(shards_module, "read_rows", _after(1, error))
    store = extract(loaded, traces, plan, tmp_path / "small")
    assert "60 tokens at a time" in capsys.readouterr().err
    assert '"batch_tokens":60' in (tmp_path / "small" / "journal.jsonl").read_text()
    for site in PLAN.sites:
        np.testing.assert_allclose(store[site].numpy(), whole[site].numpy(), rtol=0, atol=2e-5)


def test_out_of_memory_with_a_single_trace_says_what_to_do(
    loaded: LoadedModel,
    traces: list[TokenisedTrace],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def never(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError

    monkeypatch.setattr(shards_module, "read_rows", never)
    with pytest.raises(ConfigError, match="cut or window long traces"):
        extract(loaded, traces, PLAN, tmp_path)


def _with_embedding(loaded: LoadedModel, token: int, value: float) -> LoadedModel:
    model = copy.deepcopy(loaded.model)
    model.model.embed_tokens.weight[token, 0] = value
    return replace(loaded, model=model, blocks=locate(model))


def test_a_state_that_is_not_finite_names_trace_site_and_tokens(
    loaded: LoadedModel, trace_of: Callable[..., TokenisedTrace], tmp_path: Path
) -> None:
    broken = _with_embedding(loaded, 9, float("nan"))
    traces = [trace_of("good", [3, 4, 5], 0), trace_of("bad", [3, 4, 9, 5], 1)]
    plan = ReadingPlan(sites=("embed",))
    with pytest.raises(CheckFailed, match=r"site embed, trace 'bad', tokens \[2, 3\), 1 rows"):
        extract(broken, traces, plan, tmp_path)


@pytest.mark.parametrize(
    ("value", "fits"), [(65504.0, True), (65519.0, True), (65520.0, False), (8e5, False)]
)
def test_float16_is_refused_where_a_state_does_not_fit(
    value: float,
    fits: bool,
    loaded: LoadedModel,
    trace_of: Callable[..., TokenisedTrace],
    tmp_path: Path,
) -> None:
    large = _with_embedding(loaded, 9, value)
    traces = [trace_of("t", [3, 9], 0)]
    plan = ReadingPlan(sites=("embed",), dtype="float16")
    if fits:
        assert extract(large, traces, plan, tmp_path)["embed"].numpy()[1, 0] == 65504
        return
    with pytest.raises(ConfigError, match="bfloat16 or float32"):
        extract(large, traces, plan, tmp_path)
    assert not list(tmp_path.glob("shards/*.safetensors"))


@pytest.mark.parametrize("dtype", ["as-computed", "float32", "bfloat16", "float16"])
def test_number_types_on_disk_are_what_the_plan_says(
    dtype: str, loaded: LoadedModel, traces: list[TokenisedTrace], tmp_path: Path
) -> None:
    plan = PLAN.model_copy(update={"dtype": dtype})
    store = extract(loaded, traces, plan, tmp_path / "typed")
    expected = torch.float32 if dtype == "as-computed" else getattr(torch, dtype)
    exact = extract(loaded, traces, PLAN, tmp_path / "exact")["resid.0"].torch()
    assert store["resid.0"].torch().dtype == expected == store.dtype
    assert torch.equal(store["resid.0"].torch(), exact.to(expected))
    assert store["resid.0"].numpy().dtype == np.float32


def test_a_text_longer_than_the_context_is_refused_before_anything_is_written(
    loaded: LoadedModel, trace_of: Callable[..., TokenisedTrace], tmp_path: Path
) -> None:
    extract(loaded, [trace_of("fits", [3] * 40, 0)], PLAN, tmp_path / "a")
    with pytest.raises(DataError, match=r"trace 'long': 41 tokens.*context of 40"):
        extract(loaded, [trace_of("long", [3] * 41, 0)], PLAN, tmp_path / "b")
    assert not (tmp_path / "b").exists()


def test_nothing_to_read_is_an_error(
    loaded: LoadedModel, trace_of: Callable[..., TokenisedTrace], tmp_path: Path
) -> None:
    for nothing in ([], [trace_of("prompt only", [3, 4], 2)]):
        with pytest.raises(DataError, match="without a row to read"):
            extract(loaded, nothing, PLAN, tmp_path)


@pytest.mark.parametrize("site", ["resid.2", "final"])
def test_a_site_that_is_not_loaded_is_refused(
    site: str, loaded: LoadedModel, traces: list[TokenisedTrace], tmp_path: Path
) -> None:
    deeper = replace(loaded, depth=3)
    with pytest.raises(ConfigError, match=site):
        extract(deeper, traces, ReadingPlan(sites=(site,)), tmp_path)


def test_a_damaged_header_is_not_believed(
    loaded: LoadedModel, traces: list[TokenisedTrace], tmp_path: Path
) -> None:
    extract(loaded, traces, PLAN, tmp_path)
    header = tmp_path / "store.json"
    header.write_text(header.read_text().replace('"counts":[', '"counts":[0, ', 1))
    with pytest.raises(StorageError, match=r"store\.json: damaged"):
        extract(loaded, traces, PLAN, tmp_path)
