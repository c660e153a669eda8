from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from augury.errors import DataError, MissingInput, UsageError
from augury.evaluate.contract import judge_grid
from augury.evaluate.number_contract import judge_numbers
from augury.evaluate.predictions import Columns, read_predictions

COLUMNS = Columns("problem", "anchor", ("probe",), baselines=("text",))


@pytest.fixture
def table() -> pl.DataFrame:
    """60 problems of 20 sentences; late ones are more often positive, and the probe knows more."""
    rng = np.random.default_rng(0)
    place = np.tile(np.arange(20), 60)
    anchor = rng.random(1200) < 0.04 + 0.4 * (place > 15)
    return pl.DataFrame(
        {
            "problem": np.repeat([f"p{number:02d}" for number in range(60)], 20),
            "sentence": place,
            "anchor": anchor,
            "probe": place / 10 + 2 * anchor + rng.normal(size=1200),
            "text": rng.normal(size=1200),
            "side": np.repeat(["Train", "val", "test"], 400),
        }
    )


@pytest.fixture
def save(tmp_path: Path):
    def write(table: pl.DataFrame) -> Path:
        table.write_parquet(tmp_path / "saved.parquet")
        return tmp_path / "saved.parquet"

    return write


def test_groups_are_dealt_whole_and_alike_and_by_the_seed_alone(table, save) -> None:
    path = save(table)
    found = read_predictions(path, COLUMNS, validation_share=0.25, seed=3)
    sides = {group: set(found.split[found.groups == group]) for group in np.unique(found.groups)}
    assert all(len(side) == 1 for side in sides.values())
    assert [sum(side == {part} for side in sides.values()) for part in range(3)] == [0, 15, 45]
    again = read_predictions(save(table.sample(fraction=1, shuffle=True, seed=1)), COLUMNS)
    same = read_predictions(save(table), COLUMNS)
    by_name = {int(g): int(s) for g, s in zip(same.groups, same.split, strict=True)}
    assert {int(g): int(s) for g, s in zip(again.groups, again.split, strict=True)} == by_name


def test_a_split_column_is_read_in_all_its_spellings(table, save) -> None:
    columns = Columns("problem", "anchor", ("probe",), split="side")
    found = read_predictions(save(table), columns)
    np.testing.assert_array_equal(found.split, np.repeat([0, 1, 2], 400))


def test_place_in_the_trace_and_prevalence_are_always_among_the_baselines(table, save) -> None:
    # A version without them calls a probe that only counts sentences predictive beyond baselines.
    counting = table.with_columns(probe=pl.col("sentence") + pl.col("text") / 10)
    rows = read_predictions(save(counting), COLUMNS)
    assert list(rows.baselines) == ["prevalence", "position", "text"]
    (result,) = judge_grid(rows.cells(), draws=200, permutations=199, seed=0)
    assert result.verdict == "predictive, explained by position"


def test_the_sign_of_position_is_never_chosen_on_test(table, save) -> None:
    flipped = table.with_columns(
        anchor=pl.when(pl.col("side") == "test").then(pl.col("sentence") < 4).otherwise("anchor")
    )
    columns = Columns("problem", "anchor", ("probe",), split="side")
    rows = read_predictions(save(flipped), columns)
    np.testing.assert_array_equal(rows.baselines["position"], table["sentence"].to_numpy())


def test_one_row_per_group_is_judged_by_exchange_between_groups(save) -> None:
    # A null that only rotates within traces leaves such labels where they are: p would be 1.
    rng = np.random.default_rng(1)
    label = rng.random(300) < 0.3
    rows = {"q": np.arange(300), "right": label, "probe": label + rng.normal(size=300)}
    saved = read_predictions(save(pl.DataFrame(rows)), Columns("q", "right", ("probe",)))
    assert list(saved.baselines) == ["prevalence"]
    (result,) = judge_grid(saved.cells(), draws=200, permutations=199, seed=0)
    assert result.p == pytest.approx(1 / 200)
    assert result.verdict == "predictive beyond baselines"


def test_test_rows_alone_carry_a_verdict_but_no_threshold(table, save) -> None:
    columns = Columns("problem", "anchor", ("probe",), split="side")
    rows = read_predictions(save(table.with_columns(side=pl.lit("test"))), columns)
    (result,) = judge_grid(rows.cells(), draws=200, permutations=199, seed=0)
    assert result.verdict == "predictive beyond baselines"
    assert result.f1.value is None and "validation" in result.f1.reason


@pytest.mark.parametrize(
    ("changes", "found", "fix"),
    [
        ({"probe": pl.lit(float("nan"))}, "1200 of 1200 values missing or not finite", "leave"),
        ({"probe": pl.lit(None)}, "type Null", ""),
        ({"probe": pl.lit("0.5")}, "type String", ""),
        ({"anchor": pl.col("sentence")}, r"20 distinct values \(0, 1, 2, 3, 4 \.\.\.", "threshold"),
        ({"problem": pl.lit(None)}, "1200 of 1200 values missing", ""),
        ({"sentence": 0, "probe": 0, "text": 0}, "rows are there more than once, first 0", "drop"),
        ({"problem": pl.lit("p")}, "1 group", "other groups"),
    ],
)
def test_data_that_cannot_be_judged_is_refused_by_name(table, save, changes, found, fix) -> None:
    with pytest.raises(DataError, match=found) as caught:
        read_predictions(save(table.with_columns(**changes)), COLUMNS)
    assert fix in caught.value.fix


def test_a_group_in_two_splits_and_a_trace_in_two_groups_are_named(table, save) -> None:
    path = save(table.with_columns(side=pl.Series(["test"] + ["train"] * 1199)))
    with pytest.raises(DataError, match=r"problem 'p00'.*in side 'test' and in 'train'"):
        read_predictions(path, Columns("problem", "anchor", ("probe",), split="side"))
    with pytest.raises(DataError, match=r"sentence '0'.*in problem 'p00' and in 'p01'"):
        read_predictions(path, Columns("problem", "anchor", ("probe",), trace="sentence"))
    with pytest.raises(DataError, match="'dev set'"):
        wrong = save(table.with_columns(side=pl.lit("dev set")))
        read_predictions(wrong, Columns("problem", "anchor", ("probe",), split="side"))


def test_a_missing_column_is_told_with_the_nearest(table, save) -> None:
    with pytest.raises(DataError, match=r"'prob'.*did you mean 'probe'") as caught:
        read_predictions(save(table), Columns("problem", "anchor", ("prob",)))
    assert caught.value.code == 65


def test_files_that_are_not_there_or_not_parquet(tmp_path: Path) -> None:
    with pytest.raises(MissingInput, match="no such file"):
        read_predictions(tmp_path / "no.parquet", COLUMNS)
    (tmp_path / "no.parquet").write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match="expected a Parquet file"):
        read_predictions(tmp_path / "no.parquet", COLUMNS)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (Columns("problem", "anchor", ()), "--score"),
        (Columns("", "anchor", ("probe",)), "--group"),
        (Columns("problem", "anchor", ("anchor",)), "'anchor' named twice"),
        (Columns("problem", "anchor", ("probe",), baselines=("probe",)), "'probe' named twice"),
    ],
)
def test_columns_that_can_mean_nothing(table, save, columns, message) -> None:
    with pytest.raises(UsageError, match=message):
        read_predictions(save(table), columns)


def test_a_number_is_read_as_it_is_where_it_is_asked_for(table, save) -> None:
    values = table.with_columns(anchor=pl.col("probe") ** 3)
    rows = read_predictions(save(values), replace(COLUMNS, continuous=True))
    (cell,) = rows.number_cells()
    np.testing.assert_array_equal(cell.values, values["anchor"].to_numpy())
    assert list(cell.baselines) == ["prevalence", "position", "text"]
    (result,) = judge_numbers([cell], draws=100, permutations=99, seed=0)
    assert result.test.spearman.value == pytest.approx(1)
    with pytest.raises(UsageError, match="continuous=true"):
        read_predictions(save(table), COLUMNS).number_cells()
