"""Walk over rows of hidden states in blocks, whatever array type holds them.

States may be a NumPy array (memory-mapped or not) or a torch tensor (bfloat16 included, on any
device). A pass sees float32 blocks small enough to stay in the cache, so a read-only or half
precision array is never copied whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import torch

from augury.errors import DataError

__all__ = ["Moments", "StateArray", "block_rows", "blocks", "moments", "row_block"]

StateArray: TypeAlias = np.ndarray | torch.Tensor
"""Hidden states [row, hidden], float16, bfloat16, float32 or float64."""

_BLOCK_VALUES = 1 << 21


@dataclass(frozen=True)
class Moments:
    """First and second moments of the used rows, feature by feature."""

    mean: np.ndarray
    """Float64 [hidden]."""

    deviation: np.ndarray
    """Standard deviation with divisor n, float64 [hidden]; exactly 0 for a constant feature."""

    rows: int
    """Number of rows that went in."""


def block_rows(hidden: int) -> int:
    """Rows per block for states of this width: about 8 MB of float32."""
    return int(min(16_384, max(256, _BLOCK_VALUES // max(1, hidden))))


def row_block(states: StateArray, rows: slice | np.ndarray) -> torch.Tensor:
    """Return the given rows as a float32 tensor on the device of the states."""
    if isinstance(states, torch.Tensor):
        picked = states[rows] if isinstance(rows, slice) else states[torch.from_numpy(rows)]
        return picked.detach().to(torch.float32)
    block = np.asarray(states[rows])
    if block.dtype != np.float32 or not block.flags.writeable:
        # torch refuses to share read-only memory silently, and a block is small
        block = block.astype(np.float32)
    return torch.from_numpy(np.ascontiguousarray(block))


def blocks(
    states: StateArray, used: np.ndarray
) -> Iterator[tuple[slice | np.ndarray, torch.Tensor]]:
    """Yield (rows, float32 block) of the used rows only; whatever the others hold is not touched.

    Args:
        states: Hidden states [row, hidden].
        used: Bool [row].

    Yields:
        A slice, or row numbers where the block has gaps, and the states of these rows.
    """
    step = block_rows(states.shape[1])
    for first in range(0, states.shape[0], step):
        rows = slice(first, min(first + step, states.shape[0]))
        keep = used[rows]
        if keep.all():
            yield rows, row_block(states, rows)
        elif keep.any():
            numbers = first + np.flatnonzero(keep)
            yield numbers, row_block(states, numbers)


def moments(states: StateArray, used: np.ndarray) -> Moments:
    """Mean and standard deviation of every feature over the used rows, in one pass.

    Sums are taken in float64 around one of the rows, so that a feature with a mean far larger
    than its spread loses no digits and a constant feature comes out as exactly 0.

    Raises:
        DataError: No row is used, or a used row holds a value that is not finite.
    """
    count = int(used.sum())
    if count == 0:
        raise DataError(
            "states",
            found="no row with a positive weight",
            expected="at least one row to fit on",
            fix="check the masks of the targets and the split",
        )
    first = int(np.argmax(used))
    pivot = row_block(states, slice(first, first + 1))[0].double()
    total = torch.zeros_like(pivot)
    squares = torch.zeros_like(pivot)
    for rows, block in blocks(states, used):
        shifted = block.double() - pivot
        sums = shifted.sum(0)
        if not bool(torch.isfinite(sums).all()):
            raise _not_finite(block, np.arange(states.shape[0])[rows])
        total += sums
        squares += (shifted * shifted).sum(0)
    mean = total / count
    variance = (squares / count - mean * mean).clamp_min(0)
    # below this, the difference of the two sums is rounding and not spread
    variance[variance <= 1e-13 * squares / count] = 0
    return Moments((pivot + mean).cpu().numpy(), variance.sqrt().cpu().numpy(), count)


def _not_finite(block: torch.Tensor, rows: np.ndarray) -> DataError:
    where = torch.nonzero(~torch.isfinite(block))
    at = f"row {rows[int(where[0, 0])]}, feature {int(where[0, 1])}" if len(where) else "their sum"
    return DataError(
        f"states: {at}",
        found="a value that is not finite",
        expected="finite hidden states",
        fix="read the activations again in a wider dtype",
    )
