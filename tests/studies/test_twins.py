"""A job that reads an adapter and the model below it: two stores, one set of weights."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from augury.activations.layout import read_header
from augury.activations.paired import paired
from augury.activations.plan import ReadingPlan
from augury.activations.store import Store
from augury.config import load_config
from augury.errors import CheckFailed, ConfigError
from augury.models.load import ModelConfig
from augury.models.reference import distance
from augury.models.source import find_model
from augury.studies import reading
from augury.studies.reading import ReadingJob, estimate_job, run_job
from augury.studies.texts import TraceConfig

peft = pytest.importorskip("peft")

PLAN = ReadingPlan(sites=("embed", "attn.1", "resid.2"), batch_tokens=512)


def _adapted() -> object:
    from transformers import AutoModelForCausalLM

    torch.manual_seed(3)
    config = peft.LoraConfig(
        r=4, target_modules=["q_proj", "v_proj", "up_proj"], task_type="CAUSAL_LM"
    )
    base = AutoModelForCausalLM.from_pretrained(find_model("organism", None), dtype=torch.float32)
    model = peft.get_peft_model(base, config)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                weight.normal_(std=0.05)
    return model


@pytest.fixture(scope="module")
def adapter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("adapters") / "lora"
    _adapted().save_pretrained(folder)  # type: ignore[attr-defined]
    assert {f.name for f in folder.iterdir()} >= {
        "adapter_config.json",
        "adapter_model.safetensors",
    }
    return folder


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The base model, read by itself; its texts are read by the twins too."""
    folder = tmp_path_factory.mktemp("jobs") / "alone"
    run_job(ReadingJob(traces=TraceConfig(limit=6), reading=PLAN), folder)
    return folder


@pytest.fixture(scope="module")
def job(adapter: Path, alone: Path) -> ReadingJob:
    return ReadingJob(
        model=ModelConfig(name="organism", adapter=str(adapter)),
        traces=TraceConfig(source="traces", path=str(alone / "traces.parquet")),
        reading=PLAN,
        twins=True,
    )


@pytest.fixture(scope="module")
def twins(job: ReadingJob, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("jobs") / "twins"
    lines = run_job(job, folder)
    assert [line.rpartition("/")[2] for line in lines] == ["store", "base"]
    return folder


def _files(store: Path) -> dict[str, bytes]:
    files = (file for file in store.rglob("*") if file.is_file() and file.name != "lock")
    return {str(file.relative_to(store)): file.read_bytes() for file in files}


def test_the_base_store_is_byte_for_byte_that_of_the_base_model_read_alone(
    twins: Path, alone: Path, tmp_path: Path
) -> None:
    assert _files(twins / "base") == _files(alone / "store")
    shutil.copytree(twins / "base", tmp_path / "store")
    trusted = _files(tmp_path / "store")
    source = TraceConfig(source="traces", path=str(alone / "traces.parquet"))
    run_job(ReadingJob(traces=source, reading=PLAN), tmp_path)
    assert _files(tmp_path / "store") == trusted


@pytest.mark.parametrize("batching", ["packed", "padded"])
def test_rows_pair_and_states_are_those_of_each_model(
    job: ReadingJob, twins: Path, tmp_path: Path, batching: str
) -> None:
    plan = PLAN.model_copy(update={"batching": batching})
    run_job(job.model_copy(update={"reading": plan}), tmp_path / "job")
    store, base = (Store.open(tmp_path / "job" / name) for name in ("store", "base"))
    assert paired(store, base) == PLAN.sites
    for column in ("trace", "token"):
        assert np.array_equal(store.index[column], base.index[column])
    merged = _adapted().merge_and_unload()  # type: ignore[attr-defined]
    shutil.copytree(find_model("organism", None), tmp_path / "merged")
    merged.save_pretrained(tmp_path / "merged")
    model = ModelConfig(name=str(tmp_path / "merged"), dtype="float32")
    run_job(ReadingJob(model=model, traces=job.traces, reading=plan), tmp_path / "one")
    same = Store.open(tmp_path / "one" / "store")
    for site in PLAN.sites:
        assert distance(store[site].torch(), same[site].torch()) < 5e-6
        moved = distance(store[site].torch(), base[site].torch())
        assert moved == 0 if site == "embed" else moved > 0.02
    header = read_header(tmp_path / "job" / "base")
    assert header is not None and header.fields["batching"] == batching


@pytest.mark.parametrize(("sites", "loads"), [(("resid.2",), 2), (("resid.2", "final"), 1)])
def test_twins_load_no_more_weights_than_the_adapter_alone(
    job: ReadingJob,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    sites: tuple[str, ...],
    loads: int,
) -> None:
    # A truncated reader needs the whole model beside it for the doctor, with or without twins.
    sound, counted = reading.load_model, []
    monkeypatch.setattr(reading, "load_model", lambda *a, **k: counted.append(a) or sound(*a, **k))
    plan = ReadingPlan(sites=sites)
    for twins in (False, True):
        counted.clear()
        run_job(job.model_copy(update={"reading": plan, "twins": twins}), tmp_path / str(twins))
        assert len(counted) == loads


def test_the_doctor_examines_both(job: ReadingJob, twins: Path) -> None:
    ours, base = (
        {check["name"]: check["passed"] for check in json.loads((twins / name).read_text())}
        for name in ("doctor.json", "doctor-base.json")
    )
    assert set(ours) - set(base) == {"adapter moves states"}
    assert len(base) >= 8 and all(ours.values()) and all(base.values())


def test_a_base_that_is_not_the_base_stops_the_job(
    job: ReadingJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from contextlib import contextmanager

    sound = reading.base_of

    @contextmanager
    def leaking(loaded):  # type: ignore[no-untyped-def]
        with sound(loaded) as base:
            if len(loaded.blocks.layers) < loaded.depth:
                loaded.model.base_model.enable_adapter_layers()
            yield base

    monkeypatch.setattr(reading, "base_of", leaking)
    with pytest.raises(CheckFailed, match="batched equals single"):
        run_job(job, tmp_path)
    assert not (tmp_path / "store").exists()


def test_an_adapter_without_effect_stops_the_job(job: ReadingJob, tmp_path: Path) -> None:
    embed = job.model_copy(update={"reading": ReadingPlan(sites=("embed",))})
    with pytest.raises(CheckFailed, match="adapter moves states: not at any site"):
        run_job(embed, tmp_path)


def test_stores_that_do_not_pair_are_refused_with_a_table(
    job: ReadingJob, twins: Path, alone: Path, tmp_path: Path
) -> None:
    store, base = (Store.open(twins / name) for name in ("store", "base"))
    assert paired(store, Store.open(alone / "store")) == PLAN.sites
    for one, other in ((base, store), (store, store), (base, base)):
        with pytest.raises(ConfigError, match=r"identity\.adapter"):
            paired(one, other)
    source = job.traces.model_copy(update={"limit": 5})
    other_job = ReadingJob(traces=source, reading=PLAN.model_copy(update={"rows": "all"}))
    run_job(other_job, tmp_path / "other")
    with pytest.raises(ConfigError, match=r"traces\.count: store 6 / base 5\n") as raised:
        paired(store, Store.open(tmp_path / "other" / "store"))
    for row in ("traces.content: store", "rows: store", "trace and token of each row: store"):
        assert row in str(raised.value)
    half = ReadingJob(
        model=ModelConfig(name="organism", dtype="bfloat16"), traces=job.traces, reading=PLAN
    )
    run_job(half, tmp_path / "half")
    with pytest.raises(ConfigError, match=r"identity\.dtype: store 'float32' / base 'bfloat16'"):
        paired(store, Store.open(tmp_path / "half" / "store"))
    final = ReadingJob(traces=job.traces, reading=ReadingPlan(sites=("final",)))
    run_job(final, tmp_path / "final")
    with pytest.raises(ConfigError, match="at least one that both hold"):
        paired(store, Store.open(tmp_path / "final" / "store"))


def test_an_estimate_counts_both_stores(job: ReadingJob, twins: Path) -> None:
    told = estimate_job(job)
    stores = [Store.open(twins / name) for name in ("store", "base")]
    size = sum(f.stat().st_size for s in stores for f in (s.path / "shards").iterdir())
    assert told.rows == sum(store.n_rows for store in stores)
    assert abs(told.bytes - size) < 0.05 * size


def test_twins_without_an_adapter_are_refused(tmp_path: Path) -> None:
    config = tmp_path / "job.yaml"
    config.write_text("reading: {sites: [embed]}\ntwins: true\n")
    with pytest.raises(ConfigError, match=r"set model\.adapter"):
        load_config(ReadingJob, config)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_workers_of_a_cluster_read_the_same_twins(
    job: ReadingJob, twins: Path, tmp_path: Path
) -> None:
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'augury[ray]'")
    run_job(job, tmp_path / "ray", engine="ray", workers=1)
    for name in ("store", "base"):
        ours, theirs = (Store.open(folder / name) for folder in (tmp_path / "ray", twins))
        for site in ours.sites:
            assert distance(ours[site].torch(), theirs[site].torch()) < 1e-6
        assert ours.identity == theirs.identity
    assert paired(Store.open(tmp_path / "ray" / "store"), Store.open(tmp_path / "ray" / "base"))
