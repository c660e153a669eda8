"""The tripwires of a job: a probe on shuffled labels, one that must memorise, one that reloads."""

from __future__ import annotations

from itertools import product

import numpy as np

from augury.activations.store import Store
from augury.evaluate.tripwires import (
    Tripwire,
    memorises,
    reload_is_exact,
    rotation_excess,
    shuffled_labels_ok,
)
from augury.probes.bundle import load_bundle
from augury.probes.grid import fit_logistic_grid
from augury.probes.linear import probe_of, rescore
from augury.runs.folder import Run
from augury.studies.bundles import probe_folder
from augury.studies.scores import GridAxes, Scores

__all__ = ["touch_wires"]

_HARDLY_ANY = 1e-7
"""Strength of the probe that is to memorise: none at all would have no optimum."""


def touch_wires(
    run: Run, store: Store, scores: Scores, axes: GridAxes
) -> tuple[list[Tripwire], list[str]]:
    """What the tripwires measure, and which could not be run for want of positive rows."""
    found = {
        "shuffled labels": _shuffled(scores, axes),
        "a probe that memorises": _memory(store, scores, axes),
        "a probe that is loaded again": _reloaded(run, store, scores, axes),
    }
    ran = [wire for wire in found.values() if wire is not None]
    return ran, [name for name, wire in found.items() if wire is None]


def _shuffled(scores: Scores, axes: GridAxes) -> Tripwire | None:
    """Probes trained on rotated labels, on test rows with the true ones."""
    test = scores.rows["side"] == 2
    excess = []
    for (label, _), controls in scores.controls.items():
        for number, of_horizon in zip(
            axes.ahead, np.split(controls, len(axes.ahead), axis=1), strict=True
        ):
            use = scores.use[label][test, number]
            truth, traces = scores.labels[label][test, number][use], scores.rows["trace"][test][use]
            if truth.any() and not truth.all():
                excess.append(rotation_excess(truth, of_horizon[use], traces))
    return shuffled_labels_ok(np.stack(excess, axis=1)) if excess else None


def _memory(store: Store, scores: Scores, axes: GridAxes) -> Tripwire | None:
    """A probe that is fitted to a few rows of one training trace: half as many as it has weights.

    Of one trace, because traces of one problem begin alike, with equal states and other futures.
    """
    label, site, number = axes.labels[0], store.sites[-1], axes.ahead[-1]
    train = scores.use[label][:, number] & (scores.rows["side"] == 0)
    hits = np.bincount(
        scores.rows["trace"], scores.labels[label][:, number] & train, minlength=1
    ).astype(int)
    at = np.flatnonzero(train & (scores.rows["trace"] == hits.argmax()))
    truth = scores.labels[label][at, number]
    if not truth.any() or truth.all():
        return None
    # Positives first, then evenly spaced rows of the rest.
    order = np.concatenate([np.flatnonzero(truth), np.flatnonzero(~truth)])
    most = min(len(order), store[site].hidden // 2)
    positives = min(int(truth.sum()), most // 2)
    rest = np.linspace(truth.sum(), len(order) - 1, most - positives).round().astype(int)
    chosen = np.sort(np.unique(np.concatenate([order[:positives], order[rest]])))
    states, truth = store[site].torch(at[chosen]), truth[chosen]
    ones = np.ones((len(chosen), 1), dtype=np.float32)
    grid = fit_logistic_grid(states, truth[:, None], ones, np.array([_HARDLY_ANY]))
    return memorises(truth, probe_of(grid, 0).score(states))


def _reloaded(run: Run, store: Store, scores: Scores, axes: GridAxes) -> Tripwire:
    """Every saved probe, loaded again, on the test rows of its site."""
    test = scores.rows["side"] == 2
    stored, again = [], []
    for site in store.sites:
        places = list(product(axes.labels, enumerate(axes.horizons)))
        probes = [
            load_bundle(
                run.path / probe_folder(label, site, horizon), model_identity=store.identity
            )[0]
            for label, (_, horizon) in places
        ]
        raw = rescore(store[site], probes, test)
        again += list(raw.T)
        stored += [scores.of_saved(label, site)[:, number] for label, (number, _) in places]
    return reload_is_exact(np.concatenate(stored), np.concatenate(again))
