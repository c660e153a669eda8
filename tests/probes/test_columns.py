"""Columns that share targets and masks are the dense columns they stand for."""

from __future__ import annotations

import numpy as np
import pytest

from augury.errors import DataError, UsageError
from augury.probes.columns import DenseColumns, JoinedColumns, SharedColumns, mass
from augury.probes.grid import fit_columns, fit_logistic_grid
from probes.conftest import Planted


def shared(planted: Planted) -> SharedColumns:
    """Five columns over two targets, three masks and unequal class weights."""
    use = np.random.default_rng(3).random((len(planted.states), 3)) < [0.9, 0.6, 0.8]
    return SharedColumns(
        labels=planted.labels[:, :2],
        use=use,
        target=np.array([0, 1, 1, 0, 1]),
        mask=np.array([0, 2, 1, 1, 0]),
        positive=np.array([1, 5, 2.5, 1, 3.0]),
        negative=np.array([1, 1, 0.5, 2, 1.0]),
    )


def dense(columns: SharedColumns) -> DenseColumns:
    """Written out by the definition, one column at a time."""
    labels = np.stack([columns.labels[:, t] for t in columns.target], axis=1)
    weights = np.stack(
        [
            np.where(labels[:, c], columns.positive[c], columns.negative[c]) * columns.use[:, m]
            for c, m in enumerate(columns.mask)
        ],
        axis=1,
    )
    return DenseColumns(labels, weights.astype(np.float32))


def test_shared_columns_read_as_the_dense_ones(planted: Planted) -> None:
    columns = shared(planted)
    expected = dense(columns)
    for rows in (slice(100, 300), np.array([3, 5, 1400])):
        for live in (np.arange(5), np.array([1, 4])):
            labels, weights = columns.read(rows, live)
            np.testing.assert_array_equal(labels, expected.labels[rows][:, live].T)
            np.testing.assert_array_equal(weights, expected.weights[rows][:, live].T)
            assert weights.dtype == np.float32


def test_shared_columns_fit_as_the_dense_ones(planted: Planted) -> None:
    columns, l2 = shared(planted), np.array([1e-3, 1e-3, 1e-2, 1e-1, 1e-4])
    found = fit_columns(planted.states, columns, l2)
    written = dense(columns)
    expected = fit_logistic_grid(planted.states, written.labels, written.weights, l2)
    assert found.converged.all()
    np.testing.assert_array_equal(found.weight, expected.weight)
    np.testing.assert_array_equal(found.bias, expected.bias)


def test_mass_is_the_sum_of_the_weights_of_each_class(planted: Planted) -> None:
    found = mass(DenseColumns(planted.labels, planted.weights))
    heavy = planted.weights.astype(np.float64)
    np.testing.assert_allclose(found.positive, (heavy * planted.labels).sum(0))
    np.testing.assert_allclose(found.negative, (heavy * ~planted.labels).sum(0))
    np.testing.assert_array_equal(found.used, planted.weights.any(axis=1))
    assert found.sound.all()


def test_columns_that_do_not_fit_together_are_named(planted: Planted) -> None:
    good = shared(planted)
    with pytest.raises(DataError, match="columns: 1500 and 1499 rows"):
        SharedColumns(
            good.labels, good.use[:-1], good.target, good.mask, good.positive, good.negative
        )
    bad = SharedColumns(
        good.labels, good.use, good.target, good.mask, -good.positive, good.negative
    )
    with pytest.raises(UsageError, match="weights: a value that is negative"):
        mass(bad)


def test_joined_columns_are_those_of_the_parts_one_after_the_other(planted: Planted) -> None:
    first, second = shared(planted), DenseColumns(planted.labels, planted.weights)
    joined = JoinedColumns((first, second))
    assert joined.shape == (len(planted.states), 9)
    rows = np.array([3, 5, 1400])
    for live in (np.arange(9), np.array([1, 4]), np.array([4, 5, 8]), np.array([6])):
        labels, weights = joined.read(rows, live)
        for at, column in enumerate(live):
            part, number = (first, column) if column < 5 else (second, column - 5)
            expected = part.read(rows, np.array([number]))
            np.testing.assert_array_equal(labels[at], expected[0][0])
            np.testing.assert_array_equal(weights[at], expected[1][0])
    with pytest.raises(DataError, match="one number"):
        JoinedColumns((first, DenseColumns(planted.labels[1:], planted.weights[1:])))
