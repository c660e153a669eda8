"""The coordinates in which a grid of probes is easy to fit.

For standardised features with Gram matrix G = V diag(e) V' the logistic Hessian of one column is
about h G + l2 I, where h is its mean row curvature p (1 - p). In the coordinates
u = sqrt(h e + l2) V' gamma it is close to the identity, so that a quasi-Newton method starts
almost as a Newton method. G is shared by all columns and a sample of rows is enough: the optimum
does not depend on it, only the number of passes does.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.linalg

from augury.probes.rows import Moments, StateArray, row_block

__all__ = ["Whitening", "sampled_gram", "whitening"]

_ROWS_PER_FEATURE = 20
_SEED = 20_260_101


@dataclass(frozen=True)
class Whitening:
    """Maps whitened coefficients [column, hidden + 1] to standardised ones and back."""

    basis: np.ndarray
    """Eigenvectors of the Gram matrix in its columns, float64 [hidden, hidden]."""

    stretch: np.ndarray
    """1 / sqrt(h e + l2), and 1 / sqrt(h) for the intercept; float64 [column, hidden + 1]."""

    def coefficients(self, point: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Whitened point [live, hidden + 1] -> standardised weights and intercept, same shape."""
        scaled = point * self.stretch[columns]
        return np.concatenate([scaled[:, :-1] @ self.basis.T, scaled[:, -1:]], axis=1)

    def gradient(self, gradient: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Gradient by standardised coefficients -> gradient by the whitened ones."""
        rotated = np.concatenate([gradient[:, :-1] @ self.basis, gradient[:, -1:]], axis=1)
        return np.asarray(rotated * self.stretch[columns])

    def point(self, coefficients: np.ndarray) -> np.ndarray:
        """Standardised weights and intercept of all columns -> whitened point."""
        rotated = np.concatenate([coefficients[:, :-1] @ self.basis, coefficients[:, -1:]], axis=1)
        return np.asarray(rotated / self.stretch)


def sampled_gram(
    states: StateArray, used: np.ndarray, facts: Moments, inverse: np.ndarray
) -> np.ndarray:
    """Gram matrix of the standardised features from at most 20 rows per feature.

    Args:
        states: Raw states [row, hidden].
        used: Rows that may be sampled, bool [row].
        facts: Moments of the used rows.
        inverse: 1 / standard deviation, 0 for a constant feature; float64 [hidden].

    Returns:
        Float64 [hidden, hidden], divided by the number of sampled rows.
    """
    rows = np.flatnonzero(used)
    wanted = _ROWS_PER_FEATURE * states.shape[1]
    if len(rows) > wanted:
        picked = np.random.default_rng(_SEED).choice(len(rows), wanted, replace=False)
        rows = rows[np.sort(picked)]
    hidden = states.shape[1]
    gram = np.zeros((hidden, hidden))
    for first in range(0, len(rows), 4096):
        block = row_block(states, rows[first : first + 4096]).cpu().numpy().astype(np.float64)
        standard = ((block - facts.mean) * inverse).astype(np.float32)
        gram += standard.T @ standard
    return gram / len(rows)


def whitening(gram: np.ndarray, curvature: np.ndarray, l2: np.ndarray) -> Whitening:
    """Build the coordinates from the shared Gram matrix and the curvature of each column.

    Args:
        gram: Of the standardised features, float64 [hidden, hidden].
        curvature: Mean row curvature p (1 - p) at the intercept-only model, [column].
        l2: Ridge strength, [column].
    """
    values, basis = scipy.linalg.eigh(gram, check_finite=False)
    # an empty direction has no curvature of its own; without a floor its step is unbounded
    floor = 1e-6 * max(float(values.max(initial=0.0)), 1e-12)
    spectrum = np.maximum(values, floor)
    stretch = 1 / np.sqrt(curvature[:, None] * spectrum + l2[:, None])
    return Whitening(basis, np.concatenate([stretch, 1 / np.sqrt(curvature)[:, None]], axis=1))
