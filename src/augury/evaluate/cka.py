"""Linear CKA: do two sets of states put the same rows close to each other?

CKA compares inner products between rows, so that orthogonal maps and a common scale of either side
change nothing, and states of different widths can be compared (Kornblith et al. 2019). The plain
estimate grows with the number of coordinates even where nothing is shared. Here the unbiased
estimate of HSIC (Song et al. 2012, equation 5) stands in all three places, which is about 0 for
unrelated states, and may fall a little below.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.special import stdtrit

from augury.errors import DataError
from augury.shapes import RowStates

__all__ = ["Similarity", "linear_cka", "similarity", "unbiased_hsic"]

_FEWEST_ROWS = 4
_BLOCKS = 20


@dataclass(frozen=True, slots=True)
class Similarity:
    """How alike two sets of states are, row by row."""

    cka: float
    """Debiased linear CKA; 1 for the same geometry, about 0 for unrelated states."""

    low: float
    """Lower end of the 95 % interval, from leaving out one of 20 blocks of rows after another."""

    high: float
    """Upper end."""

    shuffled: float
    """The same with the rows of one side in another order: what unrelated pairs give."""

    rows: int


def linear_cka(left: RowStates, right: RowStates) -> float:
    """Debiased linear CKA of two sets of states of the same rows; 0 where one does not vary.

    Raises:
        DataError: Fewer than 4 rows, other rows, or states that are not finite.
    """
    return float(_cka(*_grams(left, right))[0])


def similarity(left: RowStates, right: RowStates, *, seed: int) -> Similarity:
    """`linear_cka` with an interval and a control.

    The interval is a jackknife over blocks of rows: resampling with replacement would set rows
    beside themselves, which no pair of different rows is like.

    Args:
        left: States [row, hidden], one row per group.
        right: States of the same rows, of any width.
        seed: Of the blocks and of the control.

    Raises:
        DataError: As `linear_cka`; fewer than 8 rows.
    """
    first, second = _grams(left, right)
    rows = len(first)
    if rows < 2 * _FEWEST_ROWS:
        raise DataError("rows", found=f"{rows}", expected=f"at least {2 * _FEWEST_ROWS}")
    rng = np.random.default_rng(seed)
    blocks = min(_BLOCKS, rows // 2)
    block = rng.permutation(rows) % blocks
    found = _cka(first, second, np.eye(blocks)[block])
    point = float(found[0])
    spread = float(np.sqrt((blocks - 1) * np.var(found[1:])))
    reach = float(-stdtrit(blocks - 1, 0.025)) * spread
    order = rng.permutation(rows)
    shuffled = float(_cka(first, second[np.ix_(order, order)])[0])
    return Similarity(point, point - reach, point + reach, shuffled, rows)


def unbiased_hsic(left: Float[np.ndarray, "row row"], right: Float[np.ndarray, "row row"]) -> float:
    """Unbiased estimate of the Hilbert-Schmidt independence criterion of two Gram matrices.

    The diagonals play no part. Up to a factor it is the mean, over all ways to draw four different
    rows, of the product of the centred inner products.
    """
    left, right = (gram - np.diag(np.diag(gram)) for gram in (left, right))
    return float(_hsic(left, right, np.zeros((len(left), 0)))[0])


def _hsic(left: np.ndarray, right: np.ndarray, blocks: np.ndarray) -> np.ndarray:
    """HSIC of all rows, then without each block of them: float [1 + block].

    Sums over the rows that stay follow from sums over those that go, so no block costs a copy.

    Args:
        left: Gram matrix with a diagonal of zeros.
        right: The same of the other side.
        blocks: 1 where a row belongs to a block, float [row, block].
    """
    goes = np.concatenate([np.zeros((len(left), 1)), blocks], axis=1)
    stays = 1 - goes
    n = stays.sum(axis=0)
    product = left * right
    of_going = product @ goes
    both = product.sum() - 2 * of_going.sum(axis=0) + (goes * of_going).sum(axis=0)
    rows, others = (gram.sum(axis=0)[:, None] - gram @ goes for gram in (left, right))
    sums = (stays * rows).sum(axis=0) * (stays * others).sum(axis=0)
    cross = (stays * rows * others).sum(axis=0)
    total = both + sums / ((n - 1) * (n - 2)) - 2 / (n - 2) * cross
    return np.asarray(total / (n * (n - 3)))


def _cka(left: np.ndarray, right: np.ndarray, blocks: np.ndarray | None = None) -> np.ndarray:
    """Of all rows, then without each block; 0 where a side does not vary."""
    blocks = np.zeros((len(left), 0)) if blocks is None else blocks
    cross, one, other = (
        _hsic(a, b, blocks) for a, b in ((left, right), (left, left), (right, right))
    )
    scale = one * other
    length = np.sqrt(np.maximum(scale, 0))
    return np.asarray(np.divide(cross, length, out=np.zeros_like(cross), where=length > 0))


def _grams(left: RowStates, right: RowStates) -> tuple[np.ndarray, np.ndarray]:
    if len(left) != len(right) or len(left) < _FEWEST_ROWS:
        raise DataError(
            "states",
            found=f"{len(left)} and {len(right)} rows",
            expected=f"the same rows, at least {_FEWEST_ROWS}",
        )
    return _gram(left), _gram(right)


def _gram(states: RowStates) -> np.ndarray:
    """Inner products of different rows; those with themselves play no part."""
    values = np.asarray(states, dtype=np.float64)
    if not np.isfinite(values).all():
        raise DataError("states", found="values that are not finite", expected="numbers")
    # A common offset is no part of the geometry; without it the products lose no digits.
    values = values - values.mean(axis=0)
    gram = values @ values.T
    np.fill_diagonal(gram, 0.0)
    return np.asarray(gram)
