from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from augury.config import load_config
from augury.errors import CheckFailed, ConfigError
from augury.evaluate.predictions import Columns
from augury.evaluate.stored import read_results
from augury.runs.folder import Run
from augury.studies.backtracking_lag.evaluation import CELLS
from augury.studies.judging import JudgingConfig, judge_file, judge_run, report_judgement
from augury.studies.scores import read_scores, write_scores

SCORES = "data/scores.safetensors"


def test_saved_scores_of_a_run_give_its_results_bit_for_bit(small_run: Run) -> None:
    found = judge_run("backtracking-lag", small_run.path.parents[1], small_run.name)
    assert found.results == read_results(small_run.path / CELLS)


def test_a_score_that_changed_since_is_noticed(small_run: Run, tmp_path: Path) -> None:
    copy = tmp_path / "backtracking-lag" / "copy"
    shutil.copytree(small_run.path, copy, ignore=shutil.ignore_patterns("activations"))
    scores = read_scores(copy / SCORES)
    probe = scores.probes["backtracking", "resid.3"]
    probe[np.flatnonzero(scores.rows["side"] == 2)[0], 0] += 9
    write_scores(copy / SCORES, scores)
    with pytest.raises(CheckFailed, match="cell"):
        judge_run("backtracking-lag", tmp_path, "copy")


def test_a_file_of_the_same_scores_gives_the_numbers_of_the_run(
    small_run: Run, tmp_path: Path
) -> None:
    scores = read_scores(small_run.path / SCORES)
    use = scores.use["backtracking"][:, 1]
    columns = {
        "id": np.flatnonzero(use),
        "group": scores.rows["group"][use],
        "chain": scores.rows["trace"][use],
        "side": np.array(["train", "validation", "test"])[scores.rows["side"][use]],
        "label": scores.labels["backtracking"][use, 1],
        "probe": scores.probes["backtracking", "resid.3"][use, 1],
    }
    baselines = {name: values[use, 1] for (_, name), values in scores.baselines.items()}
    pl.DataFrame(columns | baselines).write_parquet(tmp_path / "saved.parquet")
    named = Columns("group", "label", ("probe",), "side", "chain", tuple(baselines))
    (found,) = judge_file(tmp_path / "saved.parquet", named, JudgingConfig(draws=200)).results
    (stored,) = (
        each
        for each in read_results(small_run.path / CELLS)
        if each.site == "resid.3" and each.horizon == 4
    )
    assert found.test.average_precision == stored.test.average_precision
    assert (found.threshold, found.f1) == (stored.threshold, stored.f1)
    assert found.reliability == stored.reliability
    assert found.brier.value == pytest.approx(stored.brier.value, abs=1e-12)
    assert set(found.baselines) == set(stored.baselines)
    for name, base in found.baselines.items():
        assert base.difference == pytest.approx(stored.baselines[name].difference, abs=1e-12)


def test_everything_is_written_and_read_back(small_run: Run, tmp_path: Path) -> None:
    found = judge_run("backtracking-lag", small_run.path.parents[1], "latest")
    lines = report_judgement(found, tmp_path / "out")
    assert len([line for line in lines if line.startswith(("resid", "final"))]) == 9
    assert read_results(tmp_path / "out" / "cells.json") == found.results
    assert pl.read_csv(tmp_path / "out" / "results.csv").height == 9
    assert "resid.3" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("override", "expected"), [("baselines=a", ("a",)), ("baselines=[a, b]", ("a", "b"))]
)
def test_baselines_are_one_column_or_a_list(override: str, expected: tuple[str, ...]) -> None:
    assert load_config(JudgingConfig, None, [override]).baselines == expected


def test_a_baseline_that_is_no_name_is_refused() -> None:
    with pytest.raises(ConfigError, match="baselines"):
        load_config(JudgingConfig, None, ["baselines=[1]"])
