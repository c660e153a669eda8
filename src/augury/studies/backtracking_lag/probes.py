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
from augury.probes.facts import gather_facts
from augury.probes.grid import LogisticGrid, fit_logistic_grid
from augury.probes.linear import probe_of
from augury.runs.atomic import write_json
from augury.runs.folder import Run
from augury.runs.progress import track
from augury.studies.backtracking_lag.activations import STORE
from augury.studies.backtracking_lag.config import BacktrackingLagConfig, ProbeConfig
from augury.studies.backtracking_lag.rows import RunRows, Target, load_rows, make_target, slip_age
from augury.studies.backtracking_lag.scores import Scores, write_scores
from augury.studies.backtracking_lag.traces import model_of
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
    control: bool = False


def fit_probes(run: Run, config: BacktrackingLagConfig) -> dict[str, object]:
    """Fit, choose strengths on validation, score all rows, and write everything."""
    rows = load_rows(run)
    store = Store.open(run.path / STORE)
    targets = [make_target(rows, config.targets, label) for label in config.targets.labels]
    scores = Scores(rows={"group": rows.group, "trace": rows.trace, "side": rows.side})
    chosen: list[dict[str, Any]] = []
    for site in track(store.sites, what="fitting probes", unit="sites"):
        chosen += _fit_site(store, site, rows, targets, config.probe, scores)
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
    config: ProbeConfig,
    scores: Scores,
) -> list[dict[str, Any]]:
    horizons = range(targets[0].labels.shape[1])
    middle = config.l2[len(config.l2) // 2]
    columns = [_Column(*c) for c in product(range(len(targets)), horizons, config.l2)]
    columns += [_Column(t, h, middle, True) for t, h in product(range(len(targets)), horizons)]
    train = np.flatnonzero(rows.side == 0)
    labels = np.stack([_labels_of(c, targets, rows, config)[train] for c in columns], axis=1)
    used = np.stack([targets[c.target].use[train, c.horizon] for c in columns], axis=1)
    weights = _weights(labels, used, balanced=config.balance == "balanced")
    l2 = np.array([c.l2 for c in columns])
    grid = fit_logistic_grid(store[site].torch(train), labels, weights, l2)
    kept = [_choose(store, site, rows, targets, columns, grid, which) for which in (False, True)]
    states = store[site].torch()
    for number, target in enumerate(targets):
        for table, picks in zip((scores.probes, scores.controls), kept, strict=True):
            mine = [picks[number, horizon] for horizon in horizons]
            table[target.label, site] = np.stack(
                [probe_of(grid, column).score(states) for column in mine], axis=1
            )
        fits = [kept[0][number, horizon] for horizon in horizons]
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
        for (number, horizon), column in kept[0].items()
    ]


def _labels_of(
    column: _Column, targets: list[Target], rows: RunRows, config: ProbeConfig
) -> np.ndarray:
    """Labels [row] of a column; for a control, rotated within each trace."""
    target = targets[column.target]
    labels = target.labels[:, column.horizon]
    if not column.control:
        return labels
    rng = np.random.default_rng((config.control_seed, column.target, column.horizon))
    rotated = labels.copy()
    usable = np.flatnonzero(target.use[:, column.horizon])
    borders = np.flatnonzero(np.diff(rows.trace[usable])) + 1
    for piece in np.split(usable, borders):
        if len(piece) > 1:
            rotated[piece] = np.roll(labels[piece], int(rng.integers(1, len(piece))))
    return rotated


def _weights(labels: np.ndarray, used: np.ndarray, *, balanced: bool) -> np.ndarray:
    weights = used.astype(np.float32)
    if balanced:
        positive = (labels & used).sum(0)
        negative = used.sum(0) - positive
        factor = np.divide(negative, positive, out=np.ones(len(positive)), where=positive > 0)
        weights = np.where(labels & used, weights * factor.astype(np.float32), weights)
    return weights


def _choose(
    store: Store,
    site: str,
    rows: RunRows,
    targets: list[Target],
    columns: list[_Column],
    grid: LogisticGrid,
    control: bool,
) -> dict[tuple[int, int], int]:
    """The column of each (target, horizon) with the best average precision on validation."""
    at = np.flatnonzero(rows.side == 1)
    numbers = [n for n, column in enumerate(columns) if column.control == control]
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
    """Log-probability of an onset token next, from the stored final states; None without them.

    The onset tokens are those that start events in the training chains, so that a new label needs
    no new reading.
    """
    if _FINAL not in store.sites:
        return None
    onset = rows.gather([event.onset for event in target.events])
    ids = rows.gather([part.ids for part in rows.parts])
    trigger = np.unique(ids[onset & (rows.side == 0)])
    if not len(trigger):
        return None
    loaded = load_model(model_of(config))
    out = np.empty(len(ids), dtype=np.float32)
    with torch.no_grad():
        for first in range(0, len(ids), 8192):
            states = store[_FINAL].torch(slice(first, first + 8192))
            logits = loaded.blocks.logits(states.to(loaded.device, loaded.dtype)).float()
            chosen = logits[:, torch.from_numpy(trigger).long().to(loaded.device)]
            share = chosen.logsumexp(1) - logits.logsumexp(1)
            out[first : first + 8192] = share.cpu().numpy()
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
