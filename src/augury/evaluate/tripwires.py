"""Tripwires: checks that go off when a pipeline finds what cannot be there, or loses what is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from augury.errors import CheckFailed
from augury.evaluate.metrics import average_precision
from augury.evaluate.permutation import grid_p_values
from augury.shapes import Labels, RowScores

__all__ = [
    "Tripwire",
    "memorises",
    "null_band",
    "raise_if_tripped",
    "reload_is_exact",
    "shuffled_labels_ok",
]


@dataclass(frozen=True, slots=True)
class Tripwire:
    """One check and what it measured."""

    name: str
    """What is checked."""

    passed: bool
    """False when the wire was touched."""

    measured: float
    """The quantity that decides."""

    bound: float
    """The value at which the check fails, in the same unit."""

    detail: str
    """The finding, in a phrase."""


def null_band(null: Float[np.ndarray, " draw"], *, level: float = 0.95) -> tuple[float, float]:
    """Central `level` range of a null distribution, ends included."""
    low, high = np.quantile(null, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def shuffled_labels_ok(
    observed: Float[np.ndarray, " cell"],
    null: Float[np.ndarray, "draw cell"],
    *,
    alpha: float = 0.05,
) -> Tripwire:
    """Probes trained on shuffled labels must not predict the true ones, over the grid as a whole.

    A random direction may line up by chance with the few tokens that start events, and then one
    cell, or one in two, lies far above its null. A leak lifts all of them: the wire is touched
    when three quarters of the cells do better than their null.

    Args:
        observed: Test average precision, against true labels, of probes trained on shuffled ones.
        null: Average precision of the same scores against rotated labels (`circular_shift_null`).
        alpha: Single p at or below which a cell does better than its null.
    """
    single = grid_p_values(observed, null).single
    third = float(np.quantile(single, 0.75))
    better = int(np.count_nonzero(single <= alpha))
    return Tripwire(
        "shuffled labels predict nothing",
        bool(third > alpha),
        third,
        alpha,
        f"{better} of {len(single)} cells better than their null, upper quartile of p {third:.3g}; "
        f"best average precision {observed.max():.4f}",
    )


def memorises(labels: Labels, scores: RowScores, *, least: float = 0.99) -> Tripwire:
    """A probe without regularisation, fitted and scored on one group, must know it by heart.

    It cannot be judged, and fails, where the group has no positive row.
    """
    found = average_precision(labels, scores)
    value = 0.0 if found.value is None else found.value
    return Tripwire(
        "an unregularised probe memorises one group",
        found.value is not None and value >= least,
        value,
        least,
        f"average precision on its own {len(labels)} training rows: {found}",
    )


def reload_is_exact(stored: RowScores, again: RowScores) -> Tripwire:
    """A probe that was saved and loaded must score the same rows bit for bit."""
    same = stored.shape == again.shape and stored.dtype == again.dtype
    differing = len(stored)
    if same:
        width = stored.dtype.itemsize
        left, right = (np.ascontiguousarray(each).view(np.uint8) for each in (stored, again))
        differs = (left != right).reshape(len(stored), width).any(axis=1)
        differing = int(np.count_nonzero(differs))
    detail = f"{differing} of {len(stored)} scores differ"
    if not same:
        detail = f"{stored.dtype}{stored.shape} was stored, {again.dtype}{again.shape} came back"
    passed = same and differing == 0
    return Tripwire("the reloaded probe scores the same", passed, float(differing), 0.0, detail)


def raise_if_tripped(wires: Sequence[Tripwire]) -> None:
    """Stop the job if any wire was touched.

    Raises:
        CheckFailed: Names every tripwire that was touched, with what it measured.
    """
    touched = [wire for wire in wires if not wire.passed]
    if touched:
        found = "; ".join(f"{wire.name}: {wire.detail}" for wire in touched)
        fix = "look for a leak between splits, or labels that are read by the features"
        raise CheckFailed("tripwires", found=found, expected="none touched", fix=fix)
