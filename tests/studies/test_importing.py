"""States captured by plain transformers are imported as what a reading of the same tokens gives."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from augury.activations.plan import ReadingPlan
from augury.activations.store import Store
from augury.cli.app import app
from augury.errors import DataError, UsageError
from augury.models.reference import distance
from augury.models.source import find_model
from augury.studies.importing import import_capture
from augury.studies.reading import ReadingJob, run_job
from augury.studies.texts import TraceConfig
from augury.traces.table import read_traces, write_jsonl
from augury.traces.tokens import read_tokenised

SITES = ("embed", "resid.2", "final")
DOCS = Path(__file__).parents[2] / "docs" / "import.md"


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Texts of the embedded model, read by augury."""
    folder = tmp_path_factory.mktemp("job")
    plan = ReadingPlan(sites=SITES, rows="all", batch_tokens=512)
    run_job(ReadingJob(traces=TraceConfig(limit=5), reading=plan), folder)
    return folder


@pytest.fixture(scope="module")
def captured(job: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same texts, read by the script of the docs, which knows nothing of augury."""
    folder = tmp_path_factory.mktemp("captured")
    script = re.findall(r"```python\n(import json.*?)```", DOCS.read_text(encoding="utf-8"), re.S)
    assert len(script) == 1 and "augury" not in script[0]
    texts = [(t.id, t.prompt, t.completion) for t in read_traces(job / "traces.parquet")]
    model = str(find_model("organism", None))
    exec(
        compile(script[0], "docs/import.md", "exec"),
        {"MODEL": model, "TEXTS": texts, "FOLDER": folder},
    )
    return folder


def test_imported_states_are_those_of_a_reading_of_the_same_tokens(
    job: Path, captured: Path, tmp_path: Path
) -> None:
    write_jsonl(tmp_path / "texts.jsonl", read_traces(job / "traces.parquet"))
    out = tmp_path / "imported"
    texts = ["--traces", str(tmp_path / "texts.jsonl"), "--model", "organism"]
    done = CliRunner().invoke(app, ["store", "import", str(captured), str(out), *texts])
    assert done.exit_code == 0, done.output
    ours, theirs = Store.open(job / "store"), Store.open(out / "store")
    assert f"{ours.n_rows} rows of 3 sites" in done.stdout
    assert theirs.sites == ours.sites and theirs.plan.rows == "all"
    for column in ("trace", "token"):
        assert np.array_equal(theirs.index[column], ours.index[column])
    for site in SITES:
        assert distance(theirs[site].torch(), ours[site].torch()) < 2e-6
        rolled = distance(theirs[site].torch().roll(1, 0), ours[site].torch())
        assert rolled > 0.1
    assert theirs.traces == ours.traces
    assert theirs.identity["engine"] == "transformers" and "imported" in theirs.identity


def test_labels_are_placed_as_on_tokens_of_our_own(
    job: Path, captured: Path, tmp_path: Path
) -> None:
    import_capture([captured], tmp_path, traces=job / "traces.parquet", model="organism")
    ours, theirs = (read_tokenised(folder / "tokens.parquet") for folder in (job, tmp_path))
    assert read_traces(tmp_path / "traces.parquet") == read_traces(job / "traces.parquet")
    for one, other in zip(ours, theirs, strict=True):
        for name in ("ids", "starts", "ends", "special", "role"):
            assert np.array_equal(getattr(one, name), getattr(other, name)), name
        assert (one.first_row, one.bos) == (other.first_row, other.bos)


def test_an_exported_store_is_imported_by_the_commands_and_exported_again(
    job: Path, tmp_path: Path
) -> None:
    def run(*arguments: object) -> str:
        done = CliRunner().invoke(app, ["store", *map(str, arguments)])
        assert done.exit_code == 0, done.output
        return done.stdout

    out, again = tmp_path / "out", tmp_path / "again"
    run("export", job / "store", out, "--format", "safetensors")
    texts = ("--traces", job / "traces.parquet", "--tokens", job / "tokens.parquet")
    run("import", *sorted(out.glob("*.safetensors")), again, *texts)
    assert "every checksum is right" in run("verify", again / "store")
    assert "identity.imported: 3 files, " in run("show", again / "store")
    run("export", again / "store", tmp_path / "twice", "--format", "safetensors")
    for site in SITES:
        name = f"{site}.safetensors"
        assert (out / name).read_bytes() == (tmp_path / "twice" / name).read_bytes()


def test_what_does_not_belong_together_is_named(job: Path, captured: Path, tmp_path: Path) -> None:
    table = pl.read_parquet(captured / "tokens.parquet")
    traces = job / "traces.parquet"

    def refused(kind: type[Exception], message: str, tokens: Any = table, **options: Any) -> None:
        tokens.write_parquet(tmp_path / "tokens.parquet")
        given = {"traces": traces, "model": "organism", **options}
        with pytest.raises(kind, match=message) as raised:
            import_capture([captured], tmp_path / "x", tokens=tmp_path / "tokens.parquet", **given)
        assert "\n" not in str(raised.value) and not (tmp_path / "x").exists()

    refused(UsageError, "ids without their places.*name its model with --model", model=None)
    strange = table.with_columns(trace_id=pl.lit("nobody"))
    refused(DataError, r"tokens\.parquet:1: trace_id: 'nobody'; expected a trace of", strange)
    refused(DataError, "twice; expected one row per trace", pl.concat([table, table[:1]]))
    refused(
        DataError,
        r"ids: \d+ ids that decode to",
        table.with_columns(pl.col("ids").shift(1, fill_value=[5, 6])),
    )
    refused(DataError, r"export\.json: traces: '.*' as trace 0; expected", table.reverse())
    short = table.with_columns(pl.col("ids").list.head(pl.col("ids").list.len() - 1))
    refused(DataError, r"token \d+; expected one of the \d+ tokens of trace 0", short)
    write_jsonl(tmp_path / "few.jsonl", read_traces(traces)[1:])
    refused(
        DataError,
        r"tokens\.parquet:1: trace_id: .* expected a trace of .*few\.jsonl",
        traces=tmp_path / "few.jsonl",
    )


def test_texts_that_were_not_captured_are_left_out_and_counted(
    job: Path, captured: Path, tmp_path: Path
) -> None:
    traces = read_traces(job / "traces.parquet")
    write_jsonl(tmp_path / "more.jsonl", [replace(traces[0], id="another"), *traces])
    lines = import_capture(
        [captured], tmp_path / "out", traces=tmp_path / "more.jsonl", model="organism"
    )
    assert "1 traces of" in lines[1]
    assert read_traces(tmp_path / "out" / "traces.parquet") == traces
