from __future__ import annotations

import csv
import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from augury.errors import CheckFailed, UsageError
from augury.evaluate.stored import read_results
from augury.evaluate.tripwires import raise_if_tripped
from augury.runs.folder import Run
from augury.studies.backtracking_lag import grid_plan, views
from augury.studies.backtracking_lag.config import BacktrackingLagConfig
from augury.studies.backtracking_lag.evaluation import CELLS
from augury.studies.backtracking_lag.probes import SCORES
from augury.studies.backtracking_lag.report import conclude
from augury.studies.backtracking_lag.rows import load_rows
from augury.studies.backtracking_lag.study import STUDY
from augury.studies.scores import read_scores

SEED_COLUMNS = (
    "layer,lag,train_acc,train_f1,val_acc,val_f1,val_auc,n_train,n_val,"
    "pos_ratio_train,pos_ratio_val"
).split(",")
SEED_FIGURES = (
    "heatmap_f1",
    "heatmap_accuracy",
    "lineplot_f1",
    "comparison_metrics",
    "class_balance",
    "heatmap_average_precision",
    "heatmap_auroc",
    "lineplot_average_precision",
    "lineplot_auroc",
)


def test_the_table_begins_with_the_columns_of_the_first_version(small_run: Run) -> None:
    text = (small_run.results / "probe_results.csv").read_text(encoding="utf-8")
    rows = list(csv.reader(text.splitlines()))
    assert rows[0][: len(SEED_COLUMNS)] == SEED_COLUMNS
    assert {"horizon", "verdict", "test_average_precision", "p_corrected"} <= set(rows[0])
    assert len(rows) == 1 + 3 * 3
    assert {int(row[1]) for row in rows[1:]} == {-8, -4, 0}


def test_every_figure_has_a_page_a_picture_and_its_data(small_run: Run) -> None:
    for name in SEED_FIGURES:
        for ending in ("html", "png", "csv"):
            assert (small_run.figures / f"{name}.{ending}").stat().st_size > 0
    assert (small_run.figures / "chains.html").stat().st_size > 0


def test_no_number_stands_alone(small_run: Run) -> None:
    """Every judged cell carries groups, interval, baselines, p and verdict, or says why not."""
    for cell in json.loads((small_run.results / "cells.json").read_text()):
        assert cell["verdict"] and cell["why"]
        assert cell["test"]["groups"] > 0 and cell["baselines"]
        if cell["verdict"] != "insufficient data":
            assert cell["p_corrected"] is not None and cell["interval"] is not None


def test_the_report_answers_the_four_questions(small_run: Run) -> None:
    report = (small_run.path / "report.md").read_text()
    for question in ("degrade", "Which sites", "How far ahead", "sweet spot"):
        assert question in report
    assert (small_run.path / "report.html").read_text().lower().startswith("<!doctype html>")


def test_the_command_ends_with_three_lines_of_verdict_and_the_report(small_run: Run) -> None:
    lines = conclude(small_run)
    kinds = [line.split()[0] for line in lines]
    assert kinds[:4] == ["verdict", "where", "ahead", "beyond"]
    assert lines[-1].endswith("report.html")


def test_a_second_execution_does_nothing(
    small_run: Run, small_config: BacktrackingLagConfig
) -> None:
    assert all(result.skipped for result in STUDY.execute(small_run, small_config))


def test_another_label_or_strength_never_reads_the_model_again(
    small_run: Run, small_config: BacktrackingLagConfig
) -> None:
    targets = small_config.targets.model_copy(update={"labels": ("deduction", "backtracking")})
    plan = STUDY.plan(small_run, small_config.model_copy(update={"targets": targets}))
    status = {planned.name: planned.status for planned in plan}
    assert status["activations"] == "done"
    assert status["probes"] == status["evaluation"] == status["report"] == "to run"


def test_another_site_reads_again_and_says_why(
    small_run: Run, small_config: BacktrackingLagConfig
) -> None:
    reading = small_config.reading.model_copy(update={"sites": ("resid.0",)})
    plan = STUDY.plan(small_run, small_config.model_copy(update={"reading": reading}))
    by_name = {planned.name: planned for planned in plan}
    assert by_name["traces"].status == "done"
    assert by_name["activations"].status == "to run" and "sites" in by_name["activations"].why


def test_saved_probes_reproduce_their_test_score_in_a_new_process(small_run: Run) -> None:
    command = [sys.executable, "-m", "augury", "probes", "verify", str(small_run.path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "9 probes reproduce" in done.stdout


def test_a_probe_that_was_changed_on_disk_is_refused(small_run: Run, tmp_path: object) -> None:
    weights = next((small_run.path / "probes").rglob("*.safetensors"))
    original = weights.read_bytes()
    try:
        weights.write_bytes(original[:-1] + bytes([original[-1] ^ 1]))
        command = [sys.executable, "-m", "augury", "probes", "verify", str(small_run.path)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 74 and "error[74]" in done.stderr
    finally:
        weights.write_bytes(original)


@pytest.mark.parametrize("name", ["organism", "stories260k", "llama-3.1-8b", "r1-distill-llama-8b"])
def test_every_shipped_config_is_valid(name: str) -> None:
    config = STUDY.read_config(STUDY.default_config().with_name(f"{name}.yaml"), ())
    seed_horizons = (16, 12, 8, 4, 0, -4, -8)
    assert config.targets.horizons == (
        (16, 12, 8, 4, 2, 1) if name == "organism" else seed_horizons
    )
    assert config.on_policy == (name in ("organism", "r1-distill-llama-8b"))


def test_the_shuffled_label_control_passes_and_labels_that_are_not_shuffled_end_in_exit_4(
    small_run: Run,
    small_config: BacktrackingLagConfig,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    raise_if_tripped(STUDY.tripwires(small_run))
    shutil.copytree(small_run.path, tmp_path / "small")
    copied = Run(tmp_path / "small")
    monkeypatch.setattr(grid_plan, "rotate_within", lambda labels, use, traces, rng: labels)
    probe = small_config.probe.model_copy(update={"control_seed": 1})
    STUDY.execute(copied, small_config.model_copy(update={"probe": probe}))
    assert any(line.startswith("caution tripwire") for line in conclude(copied))
    assert "Tripwire failed" in (copied.path / "report.md").read_text()
    with pytest.raises(CheckFailed, match="shuffled labels predict nothing") as caught:
        raise_if_tripped(STUDY.tripwires(copied))
    assert caught.value.code == 4


def test_a_trace_can_be_viewed_with_every_probe_of_the_run(
    small_run: Run, small_config: BacktrackingLagConfig
) -> None:
    ids = [part.trace_id for part in load_rows(small_run).parts]
    page = STUDY.view(small_run, small_config, [ids[3]])
    data = json.loads(re.findall(r'id="data">(.*?)</script>', page.html, re.S)[0])
    assert [t["title"] for t in data["traces"]] == [ids[3]]
    assert {s["site"] for s in data["series"]} == {"resid.1", "resid.3", "final"}
    assert all(t is not None for t in data["traces"][0]["truth"])
    with pytest.raises(UsageError, match="no such chain"):
        STUDY.view(small_run, small_config, ["no such chain"])


def test_a_run_with_two_labels_can_be_viewed(
    small_run: Run, small_config: BacktrackingLagConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    cells = read_results(small_run.path / CELLS)
    scores = read_scores(small_run.path / SCORES)
    for table in (scores.labels, scores.use):
        table["other"] = table["backtracking"]
    for _, site in list(scores.probes):
        scores.probes["other", site] = scores.probes["backtracking", site]
    both = [*cells, *(replace(cell, label="other") for cell in cells)]
    monkeypatch.setattr(views, "read_results", lambda path: both)
    monkeypatch.setattr(views, "read_scores", lambda path: scores)
    page = STUDY.view(small_run, small_config, [])
    data = json.loads(re.findall(r'id="data">(.*?)</script>', page.html, re.S)[0])
    assert len(data["series"]) == 2 * sum(cell.calibration is not None for cell in cells) > 0
