"""Reading by itself: the job, its checks, and what it was said to cost."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from augury.activations.plan import ReadingPlan
from augury.activations.store import Store
from augury.config import load_config
from augury.errors import CheckFailed, ConfigError
from augury.studies import reading
from augury.studies.reading import ReadingJob, estimate_job, load_reader, run_job
from augury.studies.texts import TraceConfig
from augury.traces.table import read_traces
from augury.traces.tokens import read_tokenised

JOB = ReadingJob(
    traces=TraceConfig(limit=6),
    reading=ReadingPlan(sites=("embed", "query.1", "key.1", "attn.1", "resid.2"), batch_tokens=512),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("job") / "job"
    run_job(JOB, made)
    return made


def test_a_job_leaves_texts_tokens_and_a_store_that_belong_together(folder: Path) -> None:
    store, parts = Store.open(folder / "store"), read_tokenised(folder / "tokens.parquet")
    assert [t.id for t in read_traces(folder / "traces.parquet")] == [p.trace_id for p in parts]
    assert store.n_rows == sum(len(p.ids) - p.first_row for p in parts)
    again = run_job(JOB, folder)
    assert again == [f"{store.n_rows} rows of 5 sites in {folder / 'store'}"]


def test_packed_and_padded_readings_agree(folder: Path, tmp_path: Path) -> None:
    padded = JOB.reading.model_copy(update={"batching": "padded"})
    run_job(JOB.model_copy(update={"reading": padded}), tmp_path)
    for site in JOB.reading.sites:
        ours, other = (Store.open(p / "store")[site].torch() for p in (folder, tmp_path))
        assert torch.linalg.vector_norm(ours - other) < 2e-6 * torch.linalg.vector_norm(ours)


def test_only_the_blocks_that_are_needed_are_loaded() -> None:
    reader = load_reader(JOB.named_model, JOB.reading.sites)
    assert len(reader.blocks.layers) == 3 and reader.blocks.head is None
    attention = load_reader(JOB.named_model, ("query.1", "key.0"))
    assert len(attention.blocks.layers) == 2 and attention.blocks.head is None
    whole = load_reader(JOB.named_model, ("resid.0", "logits"))
    assert len(whole.blocks.layers) == whole.depth and whole.blocks.head is not None


def test_an_estimate_is_what_comes(folder: Path) -> None:
    told = estimate_job(JOB)
    store = Store.open(folder / "store")
    size = sum(f.stat().st_size for f in (folder / "store" / "shards").iterdir())
    assert told.rows == store.n_rows and told.sites == 5
    assert abs(told.bytes - size) < 0.05 * size
    assert told.tokens == sum(len(p.ids) for p in read_tokenised(folder / "tokens.parquet"))
    assert told.seconds > 0 and told.tried == told.tokens
    # 128 wide, 384 inside: 4 d^2 + 3 d m weights in each of three blocks.
    weights = 3 * (4 * 128**2 + 3 * 128 * 384)
    assert 2 * weights * told.tokens < told.flops < 2.6 * weights * told.tokens


def test_a_reader_that_reads_something_else_stops_the_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sound = reading.load_reader

    def swapped(*args: object) -> object:
        loaded = sound(*args)  # type: ignore[arg-type]
        layers = loaded.model.layers
        layers[0], layers[1] = layers[1], layers[0]
        return loaded

    monkeypatch.setattr(reading, "load_reader", swapped)
    with pytest.raises(CheckFailed, match="batched equals single"):
        run_job(JOB, tmp_path)
    assert not (tmp_path / "store").exists()


def test_a_source_without_its_file_and_a_file_without_its_source_are_refused(
    tmp_path: Path,
) -> None:
    config = tmp_path / "job.yaml"
    config.write_text("reading: {sites: [embed]}\ntraces: {source: traces}\n")
    with pytest.raises(ConfigError, match="a path belongs to sources other than 'organism'"):
        load_config(ReadingJob, config)
