"""A linear probe: one vector and one bias on raw hidden states, scored reproducibly.

Matrix products may add in another order when the number of rows changes. A stored score has to
come back bit for bit, so each row is summed here on its own, in float64 and in an order that
depends on the width alone, and rounded to float32 once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch

from augury.errors import DataError
from augury.probes.rows import StateArray, States, block_rows, shape_of, stored_blocks

__all__ = ["LinearGrid", "LinearProbe", "Linears", "probe_of", "rescore", "scores"]


class Linears(Protocol):
    """Anything that holds a weight [column, hidden] and a bias [column]."""

    @property
    def weight(self) -> np.ndarray:
        """Float32 [column, hidden], on raw states."""

    @property
    def bias(self) -> np.ndarray:
        """Float64 [column]."""


@dataclass(frozen=True)
class LinearGrid:
    """Linear scores for many columns, from a fit that needs no iteration."""

    weight: np.ndarray
    """Float32 [column, hidden], on raw states."""

    bias: np.ndarray
    """Float64 [column]."""

    problem: tuple[str, ...]
    """One per column: '' where the fit is sound, else why the column is all zero."""


@dataclass(frozen=True)
class LinearProbe:
    """score(x) = weight . x + bias, higher means more likely."""

    weight: np.ndarray
    """Float32 [hidden], on raw states."""

    bias: float
    """Added after the product; in log-odds for a logistic fit."""

    def score(self, states: States) -> np.ndarray:
        """Score rows of raw states [row, hidden] -> float32 [row].

        The same row gives the same bits whatever rows surround it, for one build of NumPy on one
        kind of processor.

        Raises:
            DataError: The width of the states is not the width of the probe.
        """
        bias = np.array([self.bias], dtype=np.float64)
        return _rowwise(states, self.weight[None, :], bias)[:, 0]


def scores(states: States, grid: Linears, used: np.ndarray | None = None) -> np.ndarray:
    """Score rows with every column, float32 [row, column]; bit-equal to `LinearProbe.score`.

    Args:
        states: Raw states [row, hidden].
        grid: Weights and biases of the columns.
        used: Bool [row]; the others are left out.

    Raises:
        DataError: The width of the states is not the width of the probes.
    """
    return _rowwise(states, grid.weight, grid.bias, used)


def rescore(states: States, probes: Sequence[LinearProbe], used: np.ndarray) -> np.ndarray:
    """Score rows with probes of the same site in one pass; `scores` for what was saved one by one.

    Args:
        states: Raw states [row, hidden].
        probes: At least one.
        used: Bool [row].

    Returns:
        float32 [used row, probe], each bit-equal to `probe.score`.
    """
    weight = np.stack([probe.weight for probe in probes])
    bias = np.array([probe.bias for probe in probes], dtype=np.float64)
    return _rowwise(states, weight, bias, used)


def probe_of(grid: Linears, column: int) -> LinearProbe:
    """Take one column out of a grid."""
    return LinearProbe(grid.weight[column].copy(), float(grid.bias[column]))


def _rowwise(
    states: States, weight: np.ndarray, bias: np.ndarray, used: np.ndarray | None = None
) -> np.ndarray:
    rows, hidden = shape_of(states)
    if hidden != weight.shape[1]:
        raise DataError(
            "states",
            found=f"shape {(rows, hidden)}",
            expected=f"[row, {weight.shape[1]}]",
            fix="score the site that the probe was fitted on",
        )
    columns = np.ascontiguousarray(weight, dtype=np.float64)
    used = np.ones(rows, dtype=bool) if used is None else used
    place = np.cumsum(used) - 1
    result = np.empty((int(used.sum()), len(columns)), dtype=np.float32)
    for at, block in _float64_blocks(states, used):
        for column, vector in enumerate(columns):
            # one plain loop over `hidden` per row; BLAS would order the sum by block shape
            product = np.einsum("rh,h->r", block, vector)
            result[place[at], column] = product + bias[column]
    return result


def _float64_blocks(states: States, used: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """(Row numbers, states) of the used rows."""
    if not isinstance(states, np.ndarray | torch.Tensor):
        for numbers, stored in stored_blocks(states, used):
            yield numbers, _float64(stored)
        return
    step = max(1, block_rows(states.shape[1]) // 8)
    for first in range(0, states.shape[0], step):
        numbers = first + np.flatnonzero(used[first : first + step])
        if len(numbers):
            # a run of rows is not copied before it is converted
            rows = slice(numbers[0], numbers[-1] + 1)
            yield numbers, _float64(states[rows])[numbers - numbers[0]]


def _float64(block: StateArray) -> np.ndarray:
    if isinstance(block, torch.Tensor):
        block = block.detach().to("cpu", torch.float64).numpy()
    return np.ascontiguousarray(block, dtype=np.float64)
