"""Stage `probes`: fit the whole grid of each site at once, its controls, and the baselines."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import torch

from augury.activations.store import Store
from augury.evaluate.metrics import average_precision
from augury.models.load import load_model
from augury.organism.truth import AGES, age_bucket
from augury.probes.baselines import fit_baselines
from augury.probes.control import rotate_within, weights_within
from augury.probes.facts import gather_facts
from augury.probes.grid import LogisticGrid, fit_logistic_grid
from augury.probes.linear import probe_of
from augury.probes.own import expected_log_probability, triggers
from augury.runs.atomic import write_json
from augury.runs.folder import Run
from augury.runs.progress import track
from augury.studies.backtracking_lag.activations import STORE
from augury.studies.backtracking_lag.config import BacktrackingLagConfig, ProbeConfig
from augury.studies.backtracking_lag.rows import RunRows, Target, load_rows, make_target, slip_age
from augury.studies.backtracking_lag.scores import Scores, write_scores
from augury.traces.sentences import split_sentences

__all__ = ["PROBES", "SCORES", "fit_probes"]

SCORES, PROBES = "data/scores.safetensors", "data/probes.json"
_FINAL = "final"


@dataclass(frozen=True)
class _Column:
    """One fit of a site's grid."""

    target: int
    horizon: int
    l2: float
    control: int | None = None
    """Number of the rotation of labels, for a control."""


def fit_probes(run: Run, config: BacktrackingLagConfig) -> dict[str, object]:
    """Fit, choose strengths on validation, score all rows, and write everything."""
    rows = load_rows(run)
    store = Store.open(run.path / STORE)
    targets = [make_target(rows, config.targets, label) for label in config.targets.labels]
    scores = Scores(rows={"group": rows.group, "trace": rows.trace, "side": rows.side})
    chosen: list[dict[str, Any]] = []
    for site in track(store.sites, what="fitting probes", unit="sites"):
        chosen += _fit_site(store, site, rows, targets, config, scores)
    for target in targets:
        scores.labels[target.label], scores.use[target.label] = target.labels, target.use
        _score_baselines(store, rows, target, config, scores)
        _score_truth(rows, target, scores)
    write_scores(run.path / SCORES, scores)
    inside = {target.label: target.already_inside for target in targets}
    write_json(run.path / PROBES, {"already_inside": inside, "fits": chosen})
    return {"probes": len(chosen), "not_converged": sum(not c["converged"] for c in chosen)}


def _fit_site(
    store: Store,
    site: str,
    rows: RunRows,
    targets: list[Target],
    study: BacktrackingLagConfig,
    scores: Scores,
) -> list[dict[str, Any]]:
    config, ahead = study.probe, study.targets.ahead
    horizons = range(targets[0].labels.shape[1])
    middle = config.l2[len(config.l2) // 2]
    columns = [_Column(*c) for c in product(range(len(targets)), horizons, config.l2)]
    shuffles = product(range(len(targets)), ahead, range(config.control_draws))
    columns += [_Column(t, h, middle, draw) for t, h, draw in shuffles]
    train = np.flatnonzero(rows.side == 0)
    pairs = [_labels_and_weights(c, targets, rows, config) for c in columns]
    labels, weights = (np.stack(parts, axis=1) for parts in zip(*pairs, strict=True))
    l2 = np.array([c.l2 for c in columns])
    grid = fit_logistic_grid(store[site].torch(train), labels, weights, l2)
    kept = _choose(store, site, rows, targets, columns, grid)
    states, test = store[site].torch(), torch.from_numpy(rows.side == 2)
    for number, target in enumerate(targets):
        fits = [kept[number, horizon] for horizon in horizons]
        scores.probes[target.label, site] = _scores_of(grid, fits, states)
        shuffled = [
            n for n, c in enumerate(columns) if c.control is not None and c.target == number
        ]
        scores.controls[target.label, site] = _scores_of(grid, shuffled, states[test])
        scores.weights[target.label, site] = grid.weight[fits]
        scores.biases[target.label, site] = grid.bias[fits]
    return [
        {
            "site": site,
            "label": targets[number].label,
            "horizon_index": horizon,
            "l2": columns[column].l2,
            "converged": bool(grid.converged[column]),
            "relative_gradient": float(grid.gradient_norm[column]),
            "passes": grid.passes,
        }
        for (number, horizon), column in kept.items()
    ]


def _scores_of(grid: LogisticGrid, columns: list[int], states: torch.Tensor) -> np.ndarray:
    """Scores, float32 [row, column]."""
    return np.stack([probe_of(grid, column).score(states) for column in columns], axis=1)


def _labels_and_weights(
    column: _Column, targets: list[Target], rows: RunRows, config: ProbeConfig
) -> tuple[np.ndarray, np.ndarray]:
    """Labels and float32 weights [row] of a column, on the rows of the training side."""
    train = np.flatnonzero(rows.side == 0)
    target = targets[column.target]
    labels, use = target.labels[train, column.horizon], target.use[train, column.horizon]
    if column.control is None:
        return labels, _weights(labels, use, balanced=config.balance == "balanced")
    key = (config.control_seed, column.target, column.horizon, column.control)
    rotated = rotate_within(labels, use, rows.trace[train], np.random.default_rng(key))
    return rotated, weights_within(rotated, use, rows.trace[train])


def _weights(labels: np.ndarray, used: np.ndarray, *, balanced: bool) -> np.ndarray:
    weights = used.astype(np.float32)
    positive = int((labels & used).sum())
    if balanced and positive:
        weights[labels & used] *= np.float32((int(used.sum()) - positive) / positive)
    return weights


def _choose(
    store: Store,
    site: str,
    rows: RunRows,
    targets: list[Target],
    columns: list[_Column],
    grid: LogisticGrid,
) -> dict[tuple[int, int], int]:
    """The column of each (target, horizon) with the best average precision on validation."""
    at = np.flatnonzero(rows.side == 1)
    numbers = [n for n, column in enumerate(columns) if column.control is None]
    weight = torch.from_numpy(np.ascontiguousarray(grid.weight[numbers].T))
    values = (store[site].torch(at).float() @ weight).numpy() + grid.bias[numbers].astype(
        np.float32
    )
    best: dict[tuple[int, int], tuple[float, int]] = {}
    for position, number in enumerate(numbers):
        column = columns[number]
        target = targets[column.target]
        use = target.use[at, column.horizon]
        found = average_precision(target.labels[at, column.horizon][use], values[use, position])
        key, value = (column.target, column.horizon), found.value or 0.0
        if key not in best or value > best[key][0]:
            best[key] = (value, number)
    return {key: number for key, (_, number) in best.items()}


def _score_baselines(
    store: Store, rows: RunRows, target: Target, config: BacktrackingLagConfig, scores: Scores
) -> None:
    categories = [str(rows.traces[p.trace_id].fields.get("category", "")) for p in rows.parts]
    starts = {key: [a for a, _ in split_sentences(t.text)] for key, t in rows.traces.items()}
    facts = gather_facts(
        rows.parts,
        (rows.part, rows.token),
        events=target.events,
        sentence_starts=[starts[part.trace_id] for part in rows.parts],
        horizons=config.targets.horizons,
        categories=categories if any(categories) else None,
        own_logprob=_own_logprob(store, rows, target, config),
    )
    found = fit_baselines(
        facts,
        target.labels,
        target.use,
        train=rows.side == 0,
        validation=rows.side == 1,
        seed=config.split.seed,
    )
    wanted = config.evaluation.baselines or tuple(found)
    scores.baselines |= {(target.label, n): a for n, a in found.items() if n in wanted}


def _own_logprob(
    store: Store, rows: RunRows, target: Target, config: BacktrackingLagConfig
) -> np.ndarray | None:
    """Log of the model's own probability that an event starts next; None without final states.

    From the stored states, so that a new label needs no new reading.
    """
    if _FINAL not in store.sites:
        return None
    ids = rows.gather([part.ids for part in rows.parts])
    onset = rows.gather([event.onset for event in target.events])
    train = rows.side == 0
    known = triggers(ids[train], onset[train])
    if known is None:
        return None
    loaded = load_model(config.job.named_model)
    out = np.empty(len(ids), dtype=np.float32)
    with torch.no_grad():
        for first in range(0, len(ids), 8192):
            states = store[_FINAL].torch(slice(first, first + 8192))
            logits = loaded.blocks.logits(states.to(loaded.device, loaded.dtype))
            out[first : first + 8192] = expected_log_probability(logits, known).cpu().numpy()
    return out


def _score_truth(rows: RunRows, target: Target, scores: Scores) -> None:
    """The grammar's truth as a reference: the share of onsets by the age of an open slip."""
    age = slip_age(rows)
    if age is None:
        return
    bucket = age_bucket(age)
    columns = []
    for horizon in range(target.labels.shape[1]):
        fit = target.use[:, horizon] & (rows.side == 0)
        label = target.labels[:, horizon]
        counts = np.bincount(bucket[fit], minlength=len(AGES) + 2)
        hits = np.bincount(bucket[fit & label], minlength=len(AGES) + 2)
        base = label[fit].mean() if fit.any() else 0.0
        columns.append(((hits + base) / (counts + 1))[bucket])
    scores.references[target.label, "truth about slips"] = np.stack(columns, 1).astype(np.float32)
