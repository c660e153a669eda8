"""Ridge regressions that leave groups out, all exact, from one decomposition of the rows.

With standardised states X, strength l and an intercept that is not penalised, the dual of the
regression on all rows is

    [ X X' + l I   1 ] [ a ]   [ y ]
    [ 1'           0 ] [ b ] = [ 0 ],      weights = X' a.

Let C be the inverse of the matrix on the left. Leaving rows H out strikes their rows and columns,
which changes the solution s = C [y 0] by -C[:, H] inv(C[H, H]) s[H]; what remains at H is 0, and
inv(C[H, H]) s[H] is the error that the smaller regression makes there. So a fold costs one solve
as large as what it holds out, whatever the number of states, targets and folds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.linalg
from jaxtyping import Bool, Float

from augury.errors import DataError, UsageError
from augury.probes.linear import LinearGrid
from augury.probes.objective import inverse_deviation
from augury.probes.rows import Moments, moments

__all__ = ["FoldRidge", "HeldOut", "Smoother"]


@dataclass(frozen=True, slots=True, eq=False)
class HeldOut:
    """A regression that was fitted without some rows."""

    predictions: Float[np.ndarray, "row target"]
    """Of all rows; those of the fitted ones are in-sample."""

    dual: Float[np.ndarray, "row target"]
    """Weights are the standardised states times these; 0 for rows that were held out."""

    intercept: Float[np.ndarray, " target"]


class FoldRidge:
    """Rows that will be fitted many times, standardised over all of them without their targets."""

    def __init__(self, states: Float[np.ndarray, "row hidden"]) -> None:
        """Decompose the rows.

        Raises:
            DataError: A state is not finite, or there are fewer than three rows.
        """
        if len(states) < 3:
            raise DataError("states", found=f"{len(states)} rows", expected="at least 3")
        self._facts: Moments = moments(states, np.ones(len(states), dtype=bool))
        self._inverse = inverse_deviation(self._facts)
        self._rows = (states.astype(np.float64) - self._facts.mean) * self._inverse
        self._basis, self._spectrum = _decomposed(self._rows)

    def at(self, l2: float) -> Smoother:
        """All regressions of one strength.

        Args:
            l2: Above 0, beside a mean squared error: it means the same for any number of rows.

        Raises:
            UsageError: The strength is not above 0.
        """
        if not (np.isfinite(l2) and l2 > 0):
            raise UsageError("l2", found=f"{l2}", expected="a strength above 0")
        penalty = l2 * len(self._rows)
        return Smoother(_inverse(self._basis, self._spectrum, penalty), penalty)

    def grid(self, fitted: HeldOut) -> LinearGrid:
        """The probes on raw states, one column per target."""
        weight = ((self._rows.T @ fitted.dual).T * self._inverse).astype(np.float32)
        # the bias answers for the rounded weights, so a large mean does not shift the scores
        bias = fitted.intercept - weight.astype(np.float64) @ self._facts.mean
        return LinearGrid(weight, bias, ("",) * len(bias))


class Smoother:
    """C of one strength."""

    def __init__(self, inverse: Float[np.ndarray, "row row"], penalty: float) -> None:
        """Border the inverse of X X' + penalty I by the intercept."""
        self._penalty = penalty
        ones = inverse.sum(axis=1)
        self._to_intercept = ones / ones.sum()
        self._inverse = inverse - np.outer(ones, self._to_intercept)

    @classmethod
    def of_rows(cls, rows: Float[np.ndarray, "row feature"], penalty: float) -> Smoother:
        """Of rows as they are, with a penalty beside the sum of the squared errors."""
        return cls(_inverse(*_decomposed(rows), penalty), penalty)

    @classmethod
    def of_products(cls, products: Float[np.ndarray, "row row"], penalty: float) -> Smoother:
        """Of rows of which only the inner products are given, such as words by the thousand.

        Args:
            products: X X'.
            penalty: Above 0, beside the sum of the squared errors.
        """
        factor = scipy.linalg.cho_factor(products + penalty * np.eye(len(products)))
        return cls(scipy.linalg.cho_solve(factor, np.eye(len(products))), penalty)

    def solve(self, values: Float[np.ndarray, "row target"]) -> Float[np.ndarray, "row target"]:
        """The dual of the regression on all rows, to be given to `without` with the values."""
        return np.asarray(self._inverse @ values)

    def intercept(self, values: Float[np.ndarray, "row target"]) -> Float[np.ndarray, " target"]:
        """Of the regression on all rows."""
        return np.asarray(self._to_intercept @ values)

    def without(
        self,
        values: Float[np.ndarray, "row target"],
        whole: Float[np.ndarray, "row target"],
        held: Bool[np.ndarray, " row"],
    ) -> HeldOut:
        """The regression that was fitted without some rows.

        Args:
            values: Targets; those of the held rows change nothing.
            whole: `solve(values)`.
            held: Which rows are left out.
        """
        at = np.flatnonzero(held)
        error = self.errors(whole, at)
        dual = whole - self._inverse[:, at] @ error
        dual[at] = 0.0
        intercept = self._to_intercept @ values - self._to_intercept[at] @ error
        predictions = values - self._penalty * dual
        predictions[at] = values[at] - error
        return HeldOut(predictions, dual, intercept)

    def errors(self, whole: np.ndarray, at: np.ndarray) -> Float[np.ndarray, "held target"]:
        """Value less prediction at some rows, by the regression that was fitted without them."""
        factor = scipy.linalg.cho_factor(self._inverse[np.ix_(at, at)], check_finite=False)
        return np.asarray(scipy.linalg.cho_solve(factor, whole[at], check_finite=False))


def _inverse(basis: np.ndarray, spectrum: np.ndarray, penalty: float) -> np.ndarray:
    """Of X X' + penalty I."""
    inverse = (basis * (1 / (spectrum + penalty) - 1 / penalty)) @ basis.T
    inverse[np.diag_indices_from(inverse)] += 1 / penalty
    return np.asarray(inverse)


def _decomposed(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Orthonormal basis [row, rank] and spectrum of the products of rows, the smaller way."""
    if rows.shape[0] <= rows.shape[1]:
        spectrum, basis = scipy.linalg.eigh(rows @ rows.T, check_finite=False)
        return basis, np.maximum(spectrum, 0.0)
    spectrum, directions = scipy.linalg.eigh(rows.T @ rows, check_finite=False)
    # A direction without variance moves nothing; dividing by its length would.
    kept = spectrum > 1e-10 * max(float(spectrum[-1]), 1e-30)
    spectrum, directions = spectrum[kept], directions[:, kept]
    return rows @ directions / np.sqrt(spectrum), spectrum
