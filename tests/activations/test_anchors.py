"""Spans that become rows: each is what numpy makes of the states of its tokens."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from augury.activations import extract as extract_module
from augury.activations.anchors import planned_anchors, read_tokens
from augury.activations.estimate import estimate
from augury.activations.extract import extract
from augury.activations.plan import Pooling, ReadingPlan
from augury.activations.reading import Reading
from augury.activations.store import Store
from augury.errors import ConfigError, DataError, StorageError, UsageError
from augury.models.load import LoadedModel
from augury.traces.tokens import TokenisedTrace

SITES = ("embed", "attn.1", "resid.0")
WHOLE = ReadingPlan(sites=SITES, rows="all", batch_tokens=50)
POOLINGS: dict[Pooling, Callable[[np.ndarray], np.ndarray]] = {
    "first": lambda states: states[0],
    "last": lambda states: states[-1],
    "mean": lambda states: states.mean(axis=0, dtype=np.float64),
    "max": lambda states: states.max(axis=0),
}


@pytest.fixture(autouse=True)
def _small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extract_module, "SHARD_BYTES", 3_000)


def plan_of(pooling: str, **more: object) -> ReadingPlan:
    return WHOLE.model_copy(update={"rows": "spans", "pooling": pooling, **more})


@pytest.fixture
def spans(traces: list[TokenisedTrace]) -> list[np.ndarray]:
    """Spans that overlap, nest, repeat and come in any order; one trace has none."""
    rng = np.random.default_rng(0)
    found = []
    for number, trace in enumerate(traces):
        ends = np.sort(rng.integers(0, len(trace) + 1, size=(6 if number != 4 else 0, 2)), axis=1)
        ranges = ends[ends[:, 0] < ends[:, 1]]
        found.append(np.concatenate([ranges, ranges[:1]]))
    return found


def pairs_of(spans: np.ndarray) -> list[tuple[int, int]]:
    return sorted({(stop - 1, first) for first, stop in spans.tolist()})


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("batching", ["packed", "padded"])
def test_a_row_is_its_tokens_states_reduced(
    loaded: LoadedModel,
    traces: list[TokenisedTrace],
    spans: list[np.ndarray],
    tmp_path: Path,
    pooling: Pooling,
    batching: str,
) -> None:
    whole = extract(loaded, traces, WHOLE, tmp_path / "whole")
    plan = plan_of(pooling, batching=batching)
    store = extract(loaded, traces, plan, tmp_path / "spans", spans=spans)
    expected = [(n, last, first) for n, of in enumerate(spans) for last, first in pairs_of(of)]
    columns = (store.index[name].tolist() for name in ("trace", "token", "first"))
    assert list(zip(*columns, strict=True)) == expected
    for site in SITES:
        rows = store[site].numpy()
        for row, (trace, last, first) in zip(rows, expected, strict=True):
            states = whole[site].of(trace, slice(first, last + 1)).numpy()
            np.testing.assert_allclose(row, POOLINGS[pooling](states), rtol=1e-5, atol=1e-5)


def test_every_token_of_a_span_is_kept_once(
    loaded: LoadedModel, traces: list[TokenisedTrace], spans: list[np.ndarray], tmp_path: Path
) -> None:
    store = extract(loaded, traces, plan_of("tokens"), tmp_path / "spans", spans=spans)
    whole = extract(loaded, traces, WHOLE, tmp_path / "whole")
    assert set(store.index) == {"trace", "token"}
    for number, of in enumerate(spans):
        inside = sorted({token for first, stop in of.tolist() for token in range(first, stop)})
        assert store.index["token"][store.rows_of(number)].tolist() == inside
        assert torch.equal(store["resid.0"].of(number), whole["resid.0"].of(number)[inside])


def test_rows_of_a_token_range_are_those_that_end_in_it(
    loaded: LoadedModel, traces: list[TokenisedTrace], spans: list[np.ndarray], tmp_path: Path
) -> None:
    store = extract(loaded, traces, plan_of("mean"), tmp_path, spans=spans)
    for number, trace in enumerate(traces):
        ends = [last for last, _ in pairs_of(spans[number])]
        for start in range(len(trace)):
            rows = store.rows_of(number, slice(start, None))
            assert rows.stop - rows.start == sum(last >= start for last in ends)
    with pytest.raises(UsageError, match="kept tokens 0:"):
        store.rows_of(0, slice(0, 99))


def test_a_mean_of_short_numbers_keeps_its_digits(
    loaded: LoadedModel, traces: list[TokenisedTrace], spans: list[np.ndarray], tmp_path: Path
) -> None:
    half = LoadedModel(
        **{
            name: getattr(loaded, name)
            for name in LoadedModel.__dataclass_fields__
            if name != "dtype"
        },
        dtype=torch.bfloat16,
    )
    for pooling, dtype in (("mean", torch.float32), ("max", torch.bfloat16)):
        store = extract(half, traces, plan_of(pooling), tmp_path / pooling, spans=spans)
        assert store.dtype == dtype == store["embed"].torch().dtype


def test_other_spans_are_another_store(
    loaded: LoadedModel, traces: list[TokenisedTrace], spans: list[np.ndarray], tmp_path: Path
) -> None:
    plan = plan_of("mean")
    extract(loaded, traces, plan, tmp_path, spans=spans)
    extract(loaded, traces, plan, tmp_path, spans=[of[::-1] for of in spans])
    moved = [of.copy() for of in spans]
    moved[0][0] = (0, 1) if moved[0][0].tolist() != [0, 1] else (0, 2)
    with pytest.raises(ConfigError, match="anchors: stored"):
        extract(loaded, traces, plan, tmp_path, spans=moved)


def test_rows_of_other_spans_are_not_taken_for_these(
    loaded: LoadedModel, traces: list[TokenisedTrace], tmp_path: Path
) -> None:
    for name, first in (("one", 0), ("other", 1)):
        spans = [np.array([[first, len(t)]] if len(t) > 2 else []).reshape(-1, 2) for t in traces]
        extract(loaded, traces, plan_of("mean"), tmp_path / name, spans=spans).verify()
    for name in ("shards", "journal.jsonl"):
        source, target = tmp_path / "other" / name, tmp_path / "one" / name
        if source.is_dir():
            shutil.rmtree(target)
            shutil.copytree(source, target)
        else:
            shutil.copy(source, target)
    with pytest.raises(StorageError, match=r"not those that store\.json tells of"):
        Store.open(tmp_path / "one").verify()


def test_an_interrupted_reading_of_spans_ends_with_the_same_bytes(
    loaded: LoadedModel,
    traces: list[TokenisedTrace],
    spans: list[np.ndarray],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    extract(loaded, traces, plan_of("max"), tmp_path / "whole", spans=spans)
    done = 0
    sound = extract_module.write_shard

    def stops(*arguments: object) -> None:
        nonlocal done
        done += 1
        if done == 2:
            raise KeyboardInterrupt
        sound(*arguments)  # type: ignore[arg-type]

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(extract_module, "write_shard", stops)
        extract(loaded, traces, plan_of("max"), tmp_path / "resumed", spans=spans)
    extract(loaded, traces, plan_of("max"), tmp_path / "resumed", spans=spans)
    files = {p.name: p.read_bytes() for p in (tmp_path / "whole").rglob("*") if p.is_file()}
    assert files == {
        p.name: p.read_bytes() for p in (tmp_path / "resumed").rglob("*") if p.is_file()
    }


def test_an_estimate_counts_spans(
    loaded: LoadedModel, traces: list[TokenisedTrace], spans: list[np.ndarray], tmp_path: Path
) -> None:
    plan = plan_of("mean")
    told = estimate(loaded, Reading.of(traces, plan, spans))
    store = extract(loaded, traces, plan, tmp_path, spans=spans)
    size = sum(file.stat().st_size for file in (tmp_path / "shards").iterdir())
    headers = 500 * len(list((tmp_path / "shards").iterdir()))
    assert told.rows == store.n_rows
    assert told.bytes <= size <= told.bytes + headers


def test_what_cannot_be_read_is_refused(traces: list[TokenisedTrace]) -> None:
    with pytest.raises(UsageError, match="none for a plan of rows: spans"):
        planned_anchors(traces, plan_of("mean"))
    with pytest.raises(UsageError, match="some for a plan of rows: all"):
        planned_anchors(traces, WHOLE, [np.array([[0, 1]])] * len(traces))
    for bad in ([-1, 1], [2, 2], [0, 99]):
        with pytest.raises(DataError, match=rf"span 1: tokens \[{bad[0]}, {bad[1]}\)"):
            planned_anchors(traces[:1], plan_of("mean"), [np.array([[0, 1], bad])])
    with pytest.raises(ValueError, match="logits belong to one token"):
        ReadingPlan(sites=("logits",), rows="spans", pooling="mean")
    with pytest.raises(ValueError, match="for rows: spans"):
        ReadingPlan(sites=("embed",), pooling="mean")


def test_only_the_tokens_that_a_row_needs_are_taken(traces: list[TokenisedTrace]) -> None:
    spans = [np.array([[1, 4], [2, 3]])]
    for pooling, tokens in {
        "first": [2, 1],
        "last": [2, 3],
        "mean": [2, 1, 2, 3],
        "tokens": [1, 2, 3],
    }.items():
        plan = plan_of(pooling)
        (anchors,) = planned_anchors(traces[:1], plan, spans)
        assert read_tokens(anchors, plan)[0].tolist() == tokens
