from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl

from augury.evaluate.predictions import Columns
from augury.studies.judging import JudgingConfig
from augury.studies.judging_numbers import judge_number_file


def test_a_numeric_label_is_judged_and_written(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    value = rng.normal(size=900)
    rows = {
        "problem": np.repeat(np.arange(60), 15),
        "importance": value,
        "probe": value + rng.normal(size=900),
        "noise": rng.normal(size=900),
    }
    pl.DataFrame(rows).write_parquet(tmp_path / "saved.parquet")
    columns = Columns("problem", "importance", ("probe", "noise"), continuous=True)
    config = JudgingConfig(draws=100, permutations=99, headline="group_spearman")
    out = tmp_path / "out"
    lines = judge_number_file(tmp_path / "saved.parquet", columns, config, out)
    assert "predictive beyond baselines" in lines[1] and lines[1].startswith("probe")
    assert lines[2].startswith("noise") and lines[2].endswith("not predictive")
    table = pl.read_csv(out / "results.csv")
    stored = json.loads((out / "cells.json").read_text())
    assert table["test_group_spearman"][0] == stored[0]["test"]["group_spearman"]["value"]
    assert table["headline"].to_list() == ["group_spearman"] * 2
    assert table["headline_low"][0] < table["test_group_spearman"][0] < table["headline_high"][0]
    assert (out / "report.html").is_file()
