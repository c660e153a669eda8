from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from tests.rollout_tree import MODEL, SPLIT, write_problem
from typer.testing import CliRunner

from augury.cli.app import app
from augury.errors import CheckFailed, MissingInput
from augury.runs.folder import Run, record, stored_facts
from augury.studies.gate import CHECKS, UNTIL, examine_run, gate_lines
from augury.studies.named_runs import named_runs
from augury.studies.registry import find_study
from augury.sweeps.write_into import section_text


@pytest.fixture(scope="module")
def rollouts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("rollouts")
    for number in range(4):
        write_problem(root, number + 100)
    return root


@pytest.fixture(scope="module")
def whole(rollouts: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A finished run of thought-anchors without a model."""
    study = find_study("thought-anchors")
    overrides = [
        f"data.path={rollouts}",
        f"data.model={MODEL}",
        f"data.split={SPLIT}",
        "labels.targets=[anchor_binary]",
        "labels.percentile=80",
        "folds.kind=k-fold",
        "folds.k=3",
        "evaluation.draws=100",
        "evaluation.permutations=200",
    ]
    config = study.read_config(study.default_config().with_name("labels.yaml"), overrides)
    run = study.start(tmp_path_factory.mktemp("runs"), config, "whole")
    study.execute(run, config)
    _clean(run)
    return run


@pytest.fixture
def run(whole: Run, tmp_path: Path) -> Run:
    copy = Run(tmp_path / "runs" / "thought-anchors" / "copy")
    shutil.copytree(whole.path, copy.path)
    return copy


def _clean(run: Run) -> None:
    """As if the code had been committed: the tests must pass while somebody edits it."""
    made_by = stored_facts(run)["provenance"]
    record(run, provenance={**made_by, "git": {"commit": "0" * 40, "dirty": False}})


def _found(run: Run) -> list[tuple[str, str]]:
    return [(fault.check, fault.what) for fault in examine_run(run)]


def test_a_sound_run_has_no_fault(run: Run) -> None:
    assert _found(run) == []
    assert gate_lines([run], [])[-1] == f"OK: {len(CHECKS)} checks, 1 runs"


def _touch_wire(run: Run) -> None:
    path = run.path / "results/summary.json"
    summary = json.loads(path.read_text())
    summary["tripwires"][0]["passed"] = False
    path.write_text(json.dumps(summary))


def _not_finite(run: Run) -> None:
    path = run.path / "results/predictions.parquet"
    table = pl.read_parquet(path)
    name = next(c for c, kind in table.schema.items() if kind.is_float())
    table.with_columns(pl.lit(float("nan")).alias(name)).write_parquet(path)


def _not_finite_csv(run: Run) -> None:
    path = run.path / "results/ladder.csv"
    head, first, *rest = path.read_text().splitlines()
    cells = first.split(",")
    cells[3] = "-inf"
    path.write_text("\n".join([head, ",".join(cells), *rest]) + "\n")


def _not_finite_json(run: Run) -> None:
    path = run.path / "results/cells.json"
    path.write_text(path.read_text().replace('"p":', '"other": NaN, "p":', 1))


def _slid_span(run: Run) -> None:
    path = run.path / "data/sentences.parquet"
    table = pl.read_parquet(path)
    table.with_columns((pl.col("start") + 2).alias("start")).write_parquet(path)


def _left_out(run: Run) -> None:
    path = run.path / "data/sentences.json"
    facts = json.loads(path.read_text())
    path.write_text(json.dumps({**facts, "skipped": {"7": "it could not be read"}}))


def _no_versions(run: Run) -> None:
    record(run, provenance={})


def _other_config(run: Run) -> None:
    run.config_path.write_text(
        run.config_path.read_text().replace("percentile: 80.0", "percentile: 70.0")
    )


def _dirty(run: Run) -> None:
    made_by = stored_facts(run)["provenance"]
    record(run, provenance={**made_by, "git": {"commit": "abc", "dirty": True}})


def _no_report(run: Run) -> None:
    (run.path / "report.html").unlink()


def _unfinished(run: Run) -> None:
    path = run.path / "stages.jsonl"
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))


def _damaged_journal(run: Run) -> None:
    path = run.path / "test-openings.jsonl"
    path.write_bytes(b"00000000 {}\n" + path.read_bytes())


PLANTED: list[tuple[Callable[[Run], None], str, str]] = [
    (_touch_wire, "tripwires", "shuffled labels"),
    (_not_finite, "finiteness", "results/predictions.parquet: column"),
    (_not_finite_csv, "finiteness", "results/ladder.csv: line 2, column 'score': -inf"),
    (_not_finite_json, "finiteness", "results/cells.json: NaN"),
    (_slid_span, "spans", "problem 100, sentence 0: reads back as"),
    (_left_out, "failures", "problem 7: it could not be read"),
    (_no_versions, "provenance", "no version of torch"),
    (_other_config, "provenance", "config.yaml is not the config"),
    (_dirty, "provenance", "differs from its commit abc"),
    (_no_report, "stages", "stage report: output report.html is missing"),
    (_unfinished, "stages", "stage report: did not finish"),
    (_damaged_journal, "checksums", "test-openings.jsonl:1"),
]


@pytest.mark.parametrize(("plant", "check", "told"), PLANTED, ids=lambda each: str(each)[:20])
def test_each_kind_of_fault_is_found(
    plant: Callable[[Run], None], check: str, told: str, run: Run
) -> None:
    plant(run)
    assert any(name == check and told in what for name, what in _found(run))


def test_two_faults_are_both_listed_and_one_run_does_not_hide_the_other(
    run: Run, whole: Run
) -> None:
    _touch_wire(run)
    _not_finite(run)
    _slid_span(run)
    (run.path / "data/sentences.json").write_text("no json")
    faults = examine_run(run)
    checks = [fault.check for fault in faults]
    # also a check that cannot be made at all leaves the others
    assert {"tripwires", "finiteness", "spans", "failures", "stages"} <= set(checks)
    assert "JSONDecodeError" in next(f.what for f in faults if f.check == "failures")
    lines = gate_lines([run, whole], faults)
    assert [line for line in lines if line.endswith("/whole")] == ["OK      thought-anchors/whole"]
    assert lines[-1] == f"NOT OK: {len(faults)} faults in 1 of 2 runs"
    assert len(lines) == len(faults) + 3


def test_faults_of_one_stage_do_not_hide_each_other(run: Run) -> None:
    _other_config(run)
    _no_report(run)
    (run.path / "report.md").write_text("other")
    told = [what for check, what in _found(run) if check == "stages" and "stage report" in what]
    assert [any(each in what for what in told) for each in ("config", "html is", "md changed")] == (
        [True] * 3
    ), told


def test_what_was_not_asked_of_a_run_is_no_fault(run: Run) -> None:
    path = run.path / "stages.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(
        b"".join(
            line for line in lines if b'"figures"' not in line[:60] and b'"report"' not in line[:60]
        )
    )
    assert sum(check == "stages" for check, _ in _found(run)) == 2
    record(run, **{UNTIL: "evaluation"})
    assert _found(run) == []


def test_a_store_and_a_probe_are_read_again(small_run: Run, tmp_path: Path) -> None:
    copy = Run(tmp_path / "backtracking-lag" / "copy")
    shutil.copytree(small_run.path, copy.path)
    _clean(copy)
    assert [check for check, _ in _found(copy) if check != "tripwires"] == []
    for name, pattern in (
        ("shard", "data/activations/shards/*"),
        ("probe", "probes/**/*.safetensors"),
    ):
        path = next(copy.path.glob(pattern))
        data = bytearray(path.read_bytes())
        data[-1] ^= 1
        path.write_bytes(bytes(data))
        assert any(check == "checksums" for check, _ in _found(copy)), name
    tokens = copy.path / "data/traces.parquet"
    assert sum(check == "checksums" for check, _ in _found(copy)) == 2, "both, and none hidden"
    assert tokens.is_file()


def test_the_command_says_ok_or_ends_with_exit_code_4(run: Run, tmp_path: Path) -> None:
    invoke: Any = CliRunner().invoke
    done = invoke(app, ["gate", "copy", "--runs", str(tmp_path / "runs")])
    assert done.exit_code == 0 and done.output.splitlines()[-1].startswith("OK")
    _dirty(run)
    _no_report(run)
    done = invoke(app, ["gate", str(run.path)])
    assert "abc" in done.output and "report.html is missing" in done.output
    assert isinstance(done.exception, CheckFailed) and done.exception.code == 4


def test_a_written_section_does_not_depend_on_where_the_run_is(run: Run, tmp_path: Path) -> None:
    for fault in (_damaged_journal, _slid_span):
        fault(run)
    moved = Run(tmp_path / "elsewhere" / "thought-anchors" / run.name)
    shutil.copytree(run.path, moved.path)
    told = section_text("gate", [run])
    assert "openings" in told
    assert section_text("gate", [moved]) == told


def test_runs_are_named_by_name_path_or_sweep_in_one_order(run: Run, tmp_path: Path) -> None:
    again = Run(run.path.with_name("again"))
    shutil.copytree(run.path, again.path)
    root = tmp_path / "runs"
    by_name = named_runs(["copy", "again"], root)
    assert [each.name for each in by_name] == ["again", "copy"]
    twice = named_runs([str(run.path), "again", "copy"], root)
    assert [each.name for each in twice] == ["again", "copy"]
    (tmp_path / "sweep.yaml").write_text("study: thought-anchors\n")
    assert len(named_runs([str(tmp_path)], root)) == 2
    with pytest.raises(MissingInput):
        named_runs(["nowhere"], root)
