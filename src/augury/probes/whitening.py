"""The coordinates in which a grid of probes is easy to fit.

For standardised features with Gram matrix G = V diag(e) V' the logistic Hessian of one column is
about h G + l2 I, where h is its mean row curvature p (1 - p). In the coordinates
u = sqrt(h e + l2) V' gamma it is close to the identity, so that a quasi-Newton method starts
almost as a Newton method. G is shared by all columns and a sample of rows is enough: the optimum
does not depend on it, only the number of passes does.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from augury.probes.rows import Moments, States, blocks, device_of, inverse_deviation, shape_of

__all__ = ["Whitening", "sampled_gram", "whitening"]

_ROWS_PER_FEATURE = 20
_SEED = 20_260_101
_CHANGE = 2.0
"""Factor by which the curvature has to change for new coordinates."""
_GROUP = 2048
"""Rows of one product."""


class Whitening:
    """Maps whitened coefficients [column, hidden + 1] to standardised ones and back."""

    basis: np.ndarray
    """Eigenvectors of the Gram matrix in its columns, float64 [hidden, hidden]."""

    spectrum: np.ndarray
    """Its eigenvalues e, float64 [hidden]."""

    curvature: np.ndarray
    """Mean row curvature h that each column is stretched for, float64 [column]."""

    l2: np.ndarray
    """Ridge strength, float64 [column]."""

    stretch: np.ndarray
    """1 / sqrt(h e + l2), and 1 / sqrt(h) for the intercept; float64 [column, hidden + 1]."""

    def __init__(
        self, basis: np.ndarray, spectrum: np.ndarray, curvature: np.ndarray, l2: np.ndarray
    ) -> None:
        self.basis, self.spectrum = basis, spectrum
        self.curvature, self.l2 = np.array(curvature, dtype=np.float64), l2
        self.stretch = self._stretch(np.arange(len(l2)))

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

    def adapt(self, columns: np.ndarray, curvature: np.ndarray) -> np.ndarray:
        """Stretch columns anew whose curvature has changed much.

        Where the classes come apart the curvature falls, and the ridge counts for more.

        Args:
            columns: Column numbers [live].
            curvature: Their mean row curvature now, [live].

        Returns:
            New over old stretch, 1 where it stays; float64 [live, hidden + 1].
        """
        old = self.stretch[columns]
        change = np.abs(np.log(np.maximum(curvature, 1e-12) / self.curvature[columns]))
        moved = change > np.log(_CHANGE)
        at = columns[moved]
        self.curvature[at] = np.maximum(curvature[moved], 1e-12)
        self.stretch[at] = self._stretch(at)
        return np.asarray(self.stretch[columns] / old)

    def _stretch(self, columns: np.ndarray) -> np.ndarray:
        h = self.curvature[columns, None]
        by_weight = 1 / np.sqrt(h * self.spectrum + self.l2[columns, None])
        return np.concatenate([by_weight, 1 / np.sqrt(h)], axis=1)


def sampled_gram(states: States, used: np.ndarray, facts: Moments) -> np.ndarray:
    """Gram matrix of the standardised features from at most 20 rows per feature.

    Args:
        states: Raw states [row, hidden].
        used: Rows that may be sampled, bool [row].
        facts: Moments of the used rows.

    Returns:
        Float64 [hidden, hidden], divided by the number of sampled rows; zero where a feature is
        constant.
    """
    hidden = shape_of(states)[1]
    rows = np.flatnonzero(used)
    wanted = _ROWS_PER_FEATURE * hidden
    if len(rows) > wanted:
        rows = np.random.default_rng(_SEED).choice(rows, wanted, replace=False)
    picked = np.zeros(len(used), dtype=bool)
    picked[rows] = True
    device = device_of(states)
    mean, inverse = (
        torch.from_numpy(part.astype(np.float32)).to(device)
        for part in (facts.mean, inverse_deviation(facts))
    )
    gram = torch.zeros((hidden, hidden), dtype=torch.float64, device=device)
    for group in _grouped(block for _, block in blocks(states, picked)):
        standard = (group - mean).mul_(inverse)
        gram += standard.T @ standard
    return np.asarray((gram / len(rows)).cpu().numpy())


def _grouped(pieces: Iterator[torch.Tensor]) -> Iterator[torch.Tensor]:
    """Join small blocks, as adding a whole matrix for a few rows costs more than their product."""
    held: list[torch.Tensor] = []
    for piece in pieces:
        held.append(piece.clone())
        if sum(map(len, held)) >= _GROUP:
            yield torch.cat(held)
            held = []
    if held:
        yield torch.cat(held)


def whitening(gram: np.ndarray, curvature: np.ndarray, l2: np.ndarray) -> Whitening:
    """Build the coordinates from the shared Gram matrix and the curvature of each column.

    Args:
        gram: Of the standardised features, float64 [hidden, hidden].
        curvature: Mean row curvature p (1 - p) at the intercept-only model, [column].
        l2: Ridge strength, [column].
    """
    values, basis = (part.numpy() for part in torch.linalg.eigh(torch.from_numpy(gram)))
    # an empty direction has no curvature of its own; without a floor its step is unbounded
    floor = 1e-6 * max(float(values.max(initial=0.0)), 1e-12)
    spectrum = np.maximum(values, floor)
    return Whitening(basis, spectrum, curvature, np.asarray(l2, dtype=np.float64))
