"""Saved predictions: a Parquet file with a group, a label and scores in each row, as cells.

Nothing is known of the model behind the scores, and nothing is needed: the cells are judged as
those of a study are.
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from augury.errors import DataError, MissingInput, StorageError, UsageError
from augury.evaluate.cells import TEST, TRAIN, VALIDATION
from augury.evaluate.number_records import NumberCell
from augury.evaluate.records import CellScores
from augury.plain import shown
from augury.probes.position_rank import position_rank
from augury.shapes import Labels, RowGroups, RowScores
from augury.targets.splits import three_way

__all__ = ["Columns", "Predictions", "number_column", "read_predictions"]

_SIDES = {
    "train": TRAIN,
    "training": TRAIN,
    "val": VALIDATION,
    "valid": VALIDATION,
    "validation": VALIDATION,
    "dev": VALIDATION,
    "test": TEST,
}


@dataclass(frozen=True, slots=True)
class Columns:
    """Which column of the file is what."""

    group: str
    """What is never split: the problem, the book, the question."""

    label: str
    """True or false, or 0 and 1."""

    scores: tuple[str, ...]
    """Scores to judge; higher means more positive, any scale. Each is a cell of one grid."""

    split: str | None = None
    """`train`, `validation` or `test`; None: groups are dealt to validation and test."""

    trace: str | None = None
    """The text that the row is from, its rows in order; None: the group."""

    baselines: tuple[str, ...] = ()
    """Scores of predictors that never see activations."""

    continuous: bool = False
    """The label is a number to be predicted, not a yes or no."""

    by: str | None = None
    """Kind of row that thresholds may be chosen apart for, e.g. the model or the category."""

    @property
    def used(self) -> tuple[str, ...]:
        """Every column, in order; the group once, where it stands for the trace too."""
        trace = None if self.trace == self.group else self.trace
        named = (self.group, self.label, *self.scores, self.split, trace, *self.baselines, self.by)
        return tuple(name for name in named if name is not None)


@dataclass(frozen=True, slots=True, eq=False)
class Predictions:
    """The rows of a file of predictions, numbered."""

    labels: Labels
    """True where the row is positive; for a number, where it is above the median."""

    groups: RowGroups
    """Number of the group, from 0 in sorted order of names."""

    traces: RowGroups
    """Number of the trace, from 0 in sorted order of names."""

    split: RowGroups
    """0 train, 1 validation, 2 test."""

    scores: Mapping[str, RowScores]
    """By column."""

    baselines: Mapping[str, RowScores]
    """By column; `prevalence` is added, and `position` (place in the trace) where traces have more
    than one row."""

    label: str
    """Name of the label column."""

    by: tuple[str, ...] = ()
    """Kind of each row; empty where no column was named."""

    values: RowScores | None = None
    """The label as a number; None where it is a yes or no."""

    def number_cells(self) -> list[NumberCell]:
        """One cell per score for a label that is a number.

        Raises:
            UsageError: The label was read as a yes or no.
        """
        if self.values is None:
            raise UsageError("label", found="yes or no", expected="numbers (continuous=true)")
        return [
            NumberCell(
                site=name,
                horizon=0,
                label=self.label,
                values=self.values,
                scores=scores,
                groups=self.groups,
                traces=self.traces,
                split=self.split,
                baselines=self.baselines,
            )
            for name, scores in self.scores.items()
        ]

    def cells(self) -> list[CellScores]:
        """One cell per score: the column stands for the site, the horizon is 0."""
        return [
            CellScores(
                site=name,
                horizon=0,
                label=self.label,
                kind="row",
                labels=self.labels,
                scores=scores,
                groups=self.groups,
                traces=self.traces,
                split=self.split,
                baselines=self.baselines,
            )
            for name, scores in self.scores.items()
        ]


def read_predictions(
    path: Path, columns: Columns, *, validation_share: float = 0.3, seed: int = 0
) -> Predictions:
    """Read and check a file of predictions.

    Args:
        path: A Parquet file.
        columns: What its columns are.
        validation_share: Share of traces for validation where there is no split column; groups are
            dealt whole, alike in their number of positives.
        seed: Of that deal.

    Raises:
        MissingInput: There is no such file.
        DataError: It is no Parquet file; a column is missing (the nearest is named); a value is
            missing or not finite; labels are not of two values; a row is there twice; a group is in
            two splits or a trace in two groups; there are too few groups to deal.
        UsageError: No score, a column named for two purposes, or a share outside (0, 1).
    """
    table = _table(path)
    _check_usage(columns, validation_share, table.columns)
    _check_rows(table, columns, path)
    groups, group_names = _numbered(table[columns.group], path)
    traces = groups if columns.trace is None else _numbered(table[columns.trace], path)[0]
    _check_nested(table, columns.trace, columns.group, path)
    values = number_column(table[columns.label], path) if columns.continuous else None
    labels = _labels(table[columns.label], path) if values is None else values > np.median(values)
    if columns.split is None:
        split = _deal(labels, groups, traces, group_names, validation_share, seed)
    else:
        split = _sides(table[columns.split], path)
        _check_split(table, columns, columns.split, path)
    given = {name: number_column(table[name], path) for name in columns.baselines}
    added = {"prevalence": np.zeros(len(labels))}
    if len(np.unique(traces)) < len(traces):
        added["position"] = position_rank(traces, labels, fit=split != TEST)
    return Predictions(
        labels=labels,
        groups=groups,
        traces=traces,
        split=split,
        scores={name: number_column(table[name], path) for name in columns.scores},
        baselines={name: added[name] for name in added if name not in given} | given,
        label=columns.label,
        values=values,
        by=() if columns.by is None else tuple(table[columns.by].cast(pl.String).fill_null("")),
    )


def number_column(column: pl.Series, path: Path) -> RowScores:
    """A column as float64.

    Raises:
        DataError: It holds something else than numbers, or a value is missing or not finite.
    """
    where = f"{path}: column {shown(column.name)}"
    if not (column.dtype.is_numeric() or column.dtype == pl.Boolean):
        raise DataError(where, found=f"type {column.dtype}", expected="numbers")
    values = column.cast(pl.Float64).to_numpy()
    bad = np.flatnonzero(~np.isfinite(values))
    if len(bad):
        found = f"{len(bad)} of {len(values)} values missing or not finite, first in row {bad[0]}"
        fix = "find out why there is no score, and leave these rows out for every score alike"
        raise DataError(where, found=found, expected="a finite number in every row", fix=fix)
    return np.asarray(values)


def _check_usage(columns: Columns, share: float, known: Sequence[str]) -> None:
    named = {"--group": columns.group, "--label": columns.label, "--score": columns.scores}
    missing = [option for option, given in named.items() if not given]
    if missing:
        raise UsageError(
            ", ".join(missing), found="not given", expected=f"columns of the file: {_listed(known)}"
        )
    twice = [name for name, count in Counter(columns.used).items() if count > 1]
    if twice:
        raise UsageError("columns", found=f"{shown(twice[0])} named twice", expected="once each")
    if not 0 < share < 1:
        raise UsageError("validation_share", found=f"{share:g}", expected="between 0 and 1")


def _table(path: Path) -> pl.DataFrame:
    try:
        return pl.read_parquet(path)
    except FileNotFoundError as error:
        raise MissingInput(str(path), found="no such file", fix="check the path") from error
    except OSError as error:
        raise StorageError(str(path), found=f"cannot be read: {error.strerror}") from error
    except pl.exceptions.PolarsError as error:
        first = str(error).splitlines()[0]
        raise DataError(
            str(path),
            found=first,
            expected="a Parquet file",
            fix="write it with polars, pandas or DuckDB; one row per prediction",
        ) from error


def _check_rows(table: pl.DataFrame, columns: Columns, path: Path) -> None:
    for name in columns.used:
        if name not in table.columns:
            raise _no_column(path, name, table.columns)
    if not len(table):
        raise DataError(str(path), found="no row", expected="one row per prediction")
    twice = np.flatnonzero(table.is_duplicated().to_numpy())
    if len(twice):
        raise DataError(
            str(path),
            found=f"{len(twice)} rows are there more than once, first {twice[0]}",
            expected="every row once",
            fix="drop them, or add a column that tells rows apart which only look alike",
        )


def _no_column(path: Path, name: str, known: Sequence[str]) -> DataError:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.4)
    fix = f"did you mean {shown(near[0])}?" if near else "name one of these"
    where = f"{path}: column {shown(name)}"
    return DataError(where, found="not there", expected=f"one of {_listed(known)}", fix=fix)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(_plain, names[:20])) + (" ..." if len(names) > 20 else "")


def _plain(name: str) -> str:
    return shown(name)[1:-1]


def _numbered(column: pl.Series, path: Path) -> tuple[RowGroups, list[str]]:
    if column.null_count():
        where = f"{path}: column {shown(column.name)}"
        found = f"{column.null_count()} of {len(column)} values missing"
        raise DataError(where, found=found, expected="a name in every row")
    names, numbers = np.unique(column.cast(pl.String).to_numpy(), return_inverse=True)
    return numbers.astype(np.int64), [str(name) for name in names]


def _check_nested(table: pl.DataFrame, inner: str | None, outer: str, path: Path) -> None:
    """Refuse a trace in two groups, and a group in two splits."""
    if inner is None or inner == outer:
        return
    owners = table.group_by(inner).agg(pl.col(outer).unique().sort())
    wrong = owners.filter(pl.col(outer).list.len() > 1).sort(inner)
    if len(wrong):
        name, (first, second, *_) = wrong.row(0)
        raise DataError(
            f"{path}: {inner} {shown(str(name))}",
            found=f"in {outer} {shown(str(first))} and in {shown(str(second))}",
            expected=f"one {outer} for each {inner}",
            fix=f"{len(wrong)} are so; number them anew, or split by {inner} first",
        )


def _check_split(table: pl.DataFrame, columns: Columns, split: str, path: Path) -> None:
    """Refuse a group in two splits; where kinds of rows are folds, in two splits of one fold."""
    if columns.by is not None:
        for (_,), own in table.group_by(columns.by):
            _check_nested(own, columns.group, split, path)
        return
    try:
        _check_nested(table, columns.group, split, path)
    except DataError as error:
        raise DataError(
            error.where,
            found=error.found,
            expected=error.expected,
            fix="of leave-one-out predictions, where every group is tested in a fold of its own, "
            "plan-deferrals takes the column of the fold, -o by=fold: each gets its own thresholds",
        ) from error


def _labels(column: pl.Series, path: Path) -> Labels:
    values = number_column(column, path)
    distinct = np.unique(values)
    if not np.isin(distinct, (0, 1)).all():
        some = ", ".join(f"{value:g}" for value in distinct[:5])
        raise DataError(
            f"{path}: column {shown(column.name)}",
            found=f"{len(distinct)} distinct values ({some}{' ...' if len(distinct) > 5 else ''})",
            expected="false and true, or 0 and 1",
            fix="make a label of it with a threshold, or judge numbers with -o continuous=true",
        )
    return np.asarray(values == 1)


def _sides(column: pl.Series, path: Path) -> RowGroups:
    names = column.cast(pl.String).str.to_lowercase()
    unknown = sorted({str(name) for name in names.unique().to_list()} - set(_SIDES))
    if unknown:
        raise DataError(
            f"{path}: column {shown(column.name)}",
            found=", ".join(shown(name) for name in unknown[:5]),
            expected="train, validation or test in every row",
        )
    return np.array([_SIDES[name] for name in names.to_list()], dtype=np.int64)


def _deal(
    labels: Labels,
    groups: RowGroups,
    traces: RowGroups,
    names: Sequence[str],
    share: float,
    seed: int,
) -> RowGroups:
    first = np.unique(traces, return_index=True)[1]
    dealt = three_way(
        [names[group] for group in groups[first]],
        np.bincount(traces, labels).astype(int).tolist(),
        fractions=(0.0, share, 1 - share),
        seed=seed,
    )
    side = np.array([dealt.part_of(name) for name in names])
    return np.asarray(side[groups], dtype=np.int64)
