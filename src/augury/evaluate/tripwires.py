"""Tripwires: checks that go off when a pipeline finds what cannot be there, or loses what is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.stats import rankdata
from scipy.stats import t as student

from augury.errors import CheckFailed
from augury.evaluate.metrics import average_precision
from augury.shapes import Labels, RowGroups, RowScores

__all__ = [
    "Tripwire",
    "memorises",
    "raise_if_tripped",
    "reload_is_exact",
    "rotation_excess",
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


def rotation_excess(
    labels: Labels, scores: Float[np.ndarray, "row column"], traces: RowGroups
) -> Float[np.ndarray, " column"]:
    """AUROC less its mean over all rotations of the labels within their traces.

    What makes some traces richer in events than others survives a rotation and does not count; 0
    for scores that know nothing of where in its trace an event stands. The expectation is exact: a
    rotated positive has the mean rank of its trace.

    Args:
        labels: True where the row is positive.
        scores: One column per predictor; higher means more positive.
        traces: Number of the trace of each row.

    Returns:
        Between -1 and 1; nan where labels are all alike.
    """
    rank = rankdata(scores, axis=0)
    trace = np.unique(traces, return_inverse=True)[1]
    size = np.bincount(trace)[:, None]
    total = np.zeros((len(size), scores.shape[1]))
    np.add.at(total, trace, rank)
    lead = (rank - (total / size)[trace])[labels].sum(axis=0)
    pairs = np.count_nonzero(labels) * np.count_nonzero(~labels)
    return np.asarray(lead / pairs if pairs else np.full(scores.shape[1], np.nan))


def shuffled_labels_ok(excess: Float[np.ndarray, "draw cell"], *, alpha: float = 0.01) -> Tripwire:
    """Probes trained on shuffled labels must not predict the true ones.

    A probe trained on shuffled labels is a random direction, and one such direction may well meet
    the tokens that surround events: a single draw proves nothing, in either sense. Over draws the
    excess has mean 0 unless the truth leaks. The wire is a one-sided t test over draws, of the mean
    over cells and of each cell (Bonferroni), half of `alpha` for either.

    Args:
        excess: `rotation_excess` on test rows, per independent shuffle and cell.
        alpha: Chance that an honest grid touches the wire, whatever its size.
    """
    n_draws, n_cells = excess.shape
    whole = float(_above_zero(excess.mean(axis=1, keepdims=True))[0])
    cells = _above_zero(excess)
    worst = int(np.argmin(cells))
    smallest = 2 * min(whole, n_cells * float(cells[worst]), 0.5)
    return Tripwire(
        "shuffled labels predict nothing",
        smallest > alpha,
        smallest,
        alpha,
        f"AUROC {excess.mean():+.4f} from what rotation leaves, mean of {n_cells} cells and "
        f"{n_draws} shuffles (p {whole:.3g}); largest cell {excess[:, worst].mean():+.4f} "
        f"(p {cells[worst]:.3g})",
    )


def _above_zero(values: Float[np.ndarray, "draw column"]) -> Float[np.ndarray, " column"]:
    """One-sided p of the mean over draws; 1 for a column that is 0 throughout."""
    spread = values.std(axis=0, ddof=1) / np.sqrt(len(values))
    mean = values.mean(axis=0)
    limit = np.where(mean > 0, np.inf, -np.inf)
    t = np.divide(mean, spread, out=limit, where=spread > 0)
    return np.asarray(student.sf(t, len(values) - 1))


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
