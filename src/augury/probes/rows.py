"""Walk over rows of hidden states in blocks, wherever they are.

States may be a NumPy array (memory-mapped or not), a torch tensor (bfloat16 included, on any
device), or rows of a store that stay on disk. A pass sees float32 blocks small enough to stay in
the cache, so that nothing is ever copied whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np
import torch

from augury.errors import DataError

__all__ = [
    "FeatureSums",
    "Moments",
    "StateArray",
    "States",
    "StoredStates",
    "block_rows",
    "blocks",
    "device_of",
    "inverse_deviation",
    "moments",
    "numbers_of",
    "row_block",
    "shape_of",
    "stored_blocks",
]

StateArray: TypeAlias = np.ndarray | torch.Tensor
"""Hidden states [row, hidden], float16, bfloat16, float32 or float64."""


class StoredStates(Protocol):
    """Hidden states that are read when asked for, such as `activations.store.SiteRows`."""

    @property
    def hidden(self) -> int:
        """Width."""

    def __len__(self) -> int:
        """Rows."""

    def torch(self, rows: np.ndarray) -> torch.Tensor:
        """Chosen rows [row, hidden], in the order asked for."""

    def pieces(self) -> Iterator[np.ndarray]:
        """Numbers of rows that lie together; every row in one piece, a piece fits in memory."""


States: TypeAlias = StateArray | StoredStates
"""Hidden states [row, hidden], in memory or not."""

_BLOCK_VALUES = 1 << 21
_PIVOT_ROWS = 256


@dataclass(frozen=True)
class Moments:
    """First and second moments of the used rows, feature by feature."""

    mean: np.ndarray
    """Float64 [hidden]."""

    deviation: np.ndarray
    """Standard deviation with divisor n, float64 [hidden]; exactly 0 for a constant feature."""

    rows: int
    """Number of rows that went in."""


def inverse_deviation(facts: Moments) -> np.ndarray:
    """1 / standard deviation, and 0 for a constant feature (its weight stays 0); [hidden]."""
    deviation = facts.deviation
    return np.where(deviation > 0, 1 / np.where(deviation > 0, deviation, 1), 0.0)


def block_rows(hidden: int) -> int:
    """Rows per block for states of this width: about 8 MB of float32."""
    return int(min(16_384, max(256, _BLOCK_VALUES // max(1, hidden))))


def shape_of(states: States) -> tuple[int, int]:
    """Rows and width.

    Raises:
        DataError: They are not a table.
    """
    if not isinstance(states, np.ndarray | torch.Tensor):
        return len(states), states.hidden
    if states.ndim != 2:
        raise DataError("states", found=f"shape {tuple(states.shape)}", expected="[row, hidden]")
    return int(states.shape[0]), int(states.shape[1])


def device_of(states: States) -> torch.device:
    """Where products with these states are taken."""
    return states.device if isinstance(states, torch.Tensor) else torch.device("cpu")


class _Float32:
    """Float32 copies in memory that is used again: taking it anew costs more than the copy."""

    def __init__(self) -> None:
        self._scratch = torch.zeros((0, 0))

    def __call__(self, block: torch.Tensor) -> torch.Tensor:
        if block.dtype == torch.float32:
            return block
        if len(block) > len(self._scratch):
            self._scratch = torch.empty(block.shape, dtype=torch.float32, device=block.device)
        return self._scratch[: len(block)].copy_(block)


def _picked(states: StateArray, rows: slice | np.ndarray) -> torch.Tensor:
    """Chosen rows as a tensor, in their own number type and on their device."""
    if isinstance(states, torch.Tensor):
        return states.detach()[rows if isinstance(rows, slice) else torch.from_numpy(rows)]
    block = np.asarray(states[rows])
    # torch refuses to share read-only memory silently, and a block is small
    return torch.from_numpy(np.ascontiguousarray(block) if block.flags.writeable else block.copy())


def row_block(states: StateArray, rows: slice | np.ndarray) -> torch.Tensor:
    """Return the given rows as a float32 tensor on the device of the states."""
    return _picked(states, rows).to(torch.float32)


def blocks(states: States, used: np.ndarray) -> Iterator[tuple[slice | np.ndarray, torch.Tensor]]:
    """Yield (rows, float32 block) of the used rows only; whatever the others hold is not touched.

    Rows of a store come in the order in which they lie there. A block is good until the next one
    is asked for: rows of another number type are converted in the same place.

    Args:
        states: Hidden states [row, hidden].
        used: Bool [row].

    Yields:
        A slice, or row numbers where the block has gaps, and the states of these rows.
    """
    float32 = _Float32()
    if not isinstance(states, np.ndarray | torch.Tensor):
        for numbers, stored in stored_blocks(states, used):
            yield numbers, float32(stored)
        return
    step = block_rows(states.shape[1])
    for first in range(0, states.shape[0], step):
        rows = slice(first, min(first + step, states.shape[0]))
        keep = used[rows]
        if keep.all():
            yield rows, float32(_picked(states, rows))
        elif keep.any():
            numbers = first + np.flatnonzero(keep)
            yield numbers, float32(_picked(states, numbers))


def stored_blocks(
    states: StoredStates, used: np.ndarray
) -> Iterator[tuple[np.ndarray, torch.Tensor]]:
    """Yield (row numbers, block as stored) of the used rows, one piece of the store in memory."""
    step = block_rows(states.hidden)
    for piece in states.pieces():
        numbers = piece[used[piece]]
        if not len(numbers):
            continue
        held = states.torch(numbers)
        for first in range(0, len(numbers), step):
            yield numbers[first : first + step], held[first : first + step]


class FeatureSums:
    """Sums of features and of their squares around a median, block by block.

    Around the median of the first rows, a feature with a mean far larger than its spread loses no
    digits, a constant one comes out as exactly 0, and a first token with enormous values does no
    harm. Sums run in float32 within a block and in float64 beyond.
    """

    def __init__(self) -> None:
        self._pivot: torch.Tensor | None = None
        self._total = self._squares = torch.zeros(0)
        self._scratch = torch.zeros((2, 0, 0))
        self._count = 0

    def add(self, rows: np.ndarray, block: torch.Tensor) -> torch.Tensor:
        """Take in a block of float32 [row, hidden].

        Returns:
            The block minus the pivot [hidden], until the next one is added.

        Raises:
            DataError: A value is not finite; its row is named from the given numbers.
        """
        if self._pivot is None:
            self._pivot = block[:_PIVOT_ROWS].median(0).values
            self._total = torch.zeros_like(self._pivot, dtype=torch.float64)
            self._squares = torch.zeros_like(self._total)
        if len(block) > self._scratch.shape[1]:
            self._scratch = torch.empty((2, *block.shape), device=block.device)
        # memory that is taken anew for every block costs more than the sums
        shifted = torch.sub(block, self._pivot, out=self._scratch[0, : len(block)])
        sums = shifted.sum(0)
        if not bool(torch.isfinite(sums).all()):
            raise _not_finite(block, rows)
        self._total += sums
        self._squares += torch.mul(shifted, shifted, out=self._scratch[1, : len(block)]).sum(0)
        self._count += len(block)
        return shifted

    def moments(self) -> Moments:
        """Mean and standard deviation of what was added.

        Raises:
            DataError: Nothing was.
        """
        if self._pivot is None:
            raise DataError(
                "states",
                found="no row with a positive weight",
                expected="at least one row to fit on",
                fix="check the masks of the targets and the split",
            )
        mean, square = self._total / self._count, self._squares / self._count
        variance = (square - mean * mean).clamp_min(0)
        # below this, the difference of the two sums is rounding and not spread
        variance[variance <= 1e-13 * square] = 0
        centre = self._pivot.double() + mean
        return Moments(centre.cpu().numpy(), variance.sqrt().cpu().numpy(), self._count)


def moments(states: States, used: np.ndarray) -> Moments:
    """Mean and standard deviation of every feature over the used rows, in one pass.

    Raises:
        DataError: No row is used, or a used row holds a value that is not finite.
    """
    sums = FeatureSums()
    for rows, block in blocks(states, used):
        sums.add(numbers_of(rows), block)
    return sums.moments()


def numbers_of(rows: slice | np.ndarray) -> np.ndarray:
    """Row numbers of a block."""
    return np.arange(rows.start, rows.stop) if isinstance(rows, slice) else rows


def _not_finite(block: torch.Tensor, rows: np.ndarray) -> DataError:
    where = torch.nonzero(~torch.isfinite(block))
    at = f"row {rows[int(where[0, 0])]}, feature {int(where[0, 1])}" if len(where) else "their sum"
    return DataError(
        f"states: {at}",
        found="a value that is not finite",
        expected="finite hidden states",
        fix="read the activations again in a wider dtype",
    )
