"""Reading by itself: the job, its checks, and what it was said to cost."""

from __future__ import annotations

import math
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.nn.modules.module import register_module_forward_pre_hook
from typer.testing import CliRunner

from augury.activations.plan import ReadingPlan
from augury.activations.store import Store
from augury.cli.app import app
from augury.config import load_config
from augury.errors import CheckFailed, ConfigError, UsageError
from augury.models.named import without_weights
from augury.models.source import ORGANISM, find_model
from augury.studies import reading
from augury.studies.reading import ReadingJob, estimate_job, load_reader, run_job
from augury.studies.shipped import configs_folder
from augury.studies.texts import TraceConfig
from augury.traces.table import read_traces, write_jsonl
from augury.traces.tokens import read_tokenised
from augury.traces.trace import Span

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


def test_a_config_that_only_looks_different_is_a_hit_without_a_forward_pass(
    folder: Path, tmp_path: Path
) -> None:
    texts = tmp_path / "texts.jsonl"
    write_jsonl(texts, read_traces(folder / "traces.parquet"))
    config, out = tmp_path / "job.yaml", tmp_path / "out"
    command = ["extract", str(out), "--config", str(config)]
    config.write_text(
        f"traces:\n  source: traces\n  path: {texts}\n  limit: 3\n"
        "reading:\n  sites: [embed, resid.1]\n  batch_tokens: 512\n"
    )
    passes = []
    hook = register_module_forward_pre_hook(lambda module, _: passes.append(type(module).__name__))
    try:
        assert CliRunner().invoke(app, command).exit_code == 0
        assert "LlamaDecoderLayer" in passes
        passes.clear()
        before = {file: file.read_bytes() for file in out.rglob("*") if file.is_file()}
        config.write_text(
            "# the same job\nreading: {batch_tokens: 512, sites: [resid.1, embed]}  # turned\n"
            f'traces:\n    limit:   3\n    path: "{texts}"\n    source: traces\n'
        )
        assert CliRunner().invoke(app, command).exit_code == 0
        assert passes == []
        assert {file: file.read_bytes() for file in out.rglob("*") if file.is_file()} == before
        config.write_text(config.read_text().replace("512", "511"))
        refused = CliRunner().invoke(app, command)
        assert isinstance(refused.exception, ConfigError) and passes == []
        assert "  plan.batch_tokens: stored 512 / now 511" in str(refused.exception)
    finally:
        hook.remove()


def test_labels_that_changed_under_the_same_texts_are_written_though_nothing_is_read_again(
    folder: Path, tmp_path: Path
) -> None:
    traces = read_traces(folder / "traces.parquet")
    texts = TraceConfig(source="traces", path=str(tmp_path / "texts.jsonl"))
    job = JOB.model_copy(update={"traces": texts})
    for label in ("one", "other"):
        spans = (Span(len(traces[0].prompt), len(traces[0].text), label),)
        write_jsonl(tmp_path / "texts.jsonl", [replace(traces[0], spans=spans)])
        run_job(job, tmp_path / "out")
        assert read_traces(tmp_path / "out" / "traces.parquet")[0].spans == spans


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
    for last in ("logits", "final", "resid.5"):
        whole = load_reader(JOB.named_model, ("resid.0", last))
        assert len(whole.blocks.layers) == whole.depth and whole.blocks.head is not None


@pytest.mark.parametrize(("last", "loads"), [("resid.4", 2), ("resid.5", 1)])
def test_no_second_model_is_loaded_beside_a_whole_one(
    last: str, loads: int, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = []
    sound = reading.load_model
    monkeypatch.setattr(reading, "load_model", lambda *a, **k: counted.append(a) or sound(*a, **k))
    texts = TraceConfig(source="traces", path=str(folder / "traces.parquet"))
    plan = JOB.reading.model_copy(update={"sites": ("resid.0", last)})
    run_job(JOB.model_copy(update={"traces": texts, "reading": plan}), tmp_path)
    assert len(counted) == loads


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


def test_without_weights_everything_but_the_time_is_reckoned(folder: Path, tmp_path: Path) -> None:
    bare_folder = tmp_path / "bare"
    ignored = shutil.ignore_patterns("*.safetensors")
    shutil.copytree(find_model(ORGANISM, None), bare_folder, ignore=ignored)
    texts = TraceConfig(source="traces", path=str(folder / "traces.parquet"))
    model = JOB.model.model_copy(update={"name": str(bare_folder), "dtype": "float32"})
    job = JOB.model_copy(update={"traces": texts})
    bare = estimate_job(without_weights(job.model_copy(update={"model": model})))
    told = estimate_job(job)
    assert math.isnan(bare.seconds) and bare.tried == 0 < told.tried
    for name in ("rows", "sites", "tokens", "bytes", "memory", "flops"):
        assert getattr(bare, name) == getattr(told, name), name
    assert bare.lines()[-1] == "time     not known without the weights"
    with pytest.raises(UsageError, match=r"traces\.source"):
        estimate_job(without_weights(JOB))


@pytest.mark.parametrize("study", ["introspection", "state-transition", "thought-anchors"])
def test_a_study_that_makes_its_own_texts_is_no_reading_job(study: str, tmp_path: Path) -> None:
    refused = CliRunner().invoke(app, ["extract", str(tmp_path), "--study", study]).exception
    assert isinstance(refused, UsageError) and f"augury run {study}" in str(refused)


def test_an_estimate_finds_the_study_of_its_config() -> None:
    config = configs_folder() / "thought-anchors" / "labels.yaml"
    told = CliRunner().invoke(app, ["estimate", "-c", str(config)]).exception
    assert isinstance(told, UsageError) and "activations=true" in str(told)


def test_a_price_needs_a_time() -> None:
    asked = ["estimate", "--no-weights", "--per-hour", "2.5"]
    refused = CliRunner().invoke(app, asked).exception
    assert isinstance(refused, UsageError) and "--per-hour" in str(refused)


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


def test_sentences_of_a_job_are_the_means_of_their_tokens(folder: Path, tmp_path: Path) -> None:
    """Read as one row a sentence, or token by token and averaged here: the same."""
    plan = JOB.reading.model_copy(update={"sites": ("resid.2",)})
    sentences = {"rows": "spans", "labels": ("sentence",), "pooling": "mean"}
    job = JOB.model_copy(update={"reading": plan.model_copy(update=sentences)})
    run_job(job, tmp_path / "sentences")
    store, whole = Store.open(tmp_path / "sentences" / "store"), Store.open(folder / "store")
    parts = read_tokenised(tmp_path / "sentences" / "tokens.parquet")
    traces = {trace.id: trace for trace in read_traces(folder / "traces.parquet")}
    rows = zip(*(store.index[name] for name in ("trace", "first", "token")), strict=True)
    texts: dict[int, str] = {}
    for row, (number, first, last) in enumerate(rows):
        states = whole["resid.2"].of(int(number), slice(int(first), int(last) + 1))
        assert torch.allclose(store["resid.2"][row], states.mean(dim=0), rtol=1e-4, atol=1e-5)
        part = parts[number]
        said = traces[part.trace_id].text[part.starts[first] : part.ends[last]]
        texts[number] = texts.get(number, "") + said
    for number, said in texts.items():
        whole_text = traces[parts[number].trace_id].completion
        assert "".join(said.split()) == "".join(whole_text.split())
