"""Stage `train`: fit every site's probes at once, their controls, the baselines and the ceiling."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import torch

from augury.activations.store import Store
from augury.evaluate.metrics import average_precision
from augury.probes.balance import balanced_rows
from augury.probes.baselines import fit_baselines
from augury.probes.bigram import bigram_log_odds
from augury.probes.control import rotate_within
from augury.probes.facts import gather_facts
from augury.probes.grid import LogisticGrid, fit_logistic_grid
from augury.probes.linear import probe_of
from augury.runs.atomic import write_json
from augury.runs.folder import Run
from augury.runs.progress import say, track
from augury.studies.next_token.activations import STORE
from augury.studies.next_token.config import NextTokenConfig, ProbeConfig
from augury.studies.next_token.prepare import target_ids
from augury.studies.next_token.rows import BookRows, load_rows
from augury.studies.own_logits import map_logits
from augury.studies.scores import GridAxes, Scores, write_scores
from augury.targets.events import Events
from augury.traces.sentences import split_sentences

__all__ = ["CEILING", "FITS", "SCORES", "axes_of", "fit_probes", "fitted_shares"]

SCORES, FITS = "data/scores.safetensors", "data/fits.json"
CEILING = "own_probability"
"""Log-odds of the target in the model's own next-token distribution: no probe has to beat it."""

_BASELINES = ("prevalence", "position", "last_three_tokens", "text", "earlier_events")
_NEXT = 1


@dataclass(frozen=True)
class _Column:
    """One fit of a site's grid."""

    horizon: int
    """Place in the config's horizons."""

    l2: float
    control: int | None = None
    """Number of the rotation of labels, for a control."""


def axes_of(config: NextTokenConfig) -> GridAxes:
    """What the probes of a run are numbered by."""
    horizons = config.targets.horizons
    return GridAxes((config.targets.label,), horizons, list(range(len(horizons))))


def fit_probes(run: Run, config: NextTokenConfig) -> dict[str, object]:
    """Fit, choose strengths on validation, score all rows, and write everything."""
    rows, store = load_rows(run, config), Store.open(run.path / STORE)
    label = config.targets.label
    ids = list(target_ids(config).values())
    labels, use = rows.labels(ids, config.targets.horizons)
    scores = Scores(rows={"group": _units(rows, config), "trace": rows.trace, "side": rows.side})
    scores.references[label, CEILING], most_likely = _own(store, config, ids)
    if config.targets.labels == "model":
        labels = most_likely[:, None] & use
    scores.labels[label], scores.use[label] = labels, use
    columns, train, fitted = _training(rows, labels, use, config)
    kept: list[dict[str, Any]] = []
    started = time.perf_counter()
    for site in track(store.sites, what="fitting probes", unit="sites"):
        kept += _fit_site(store, site, scores, config, columns, (train, *fitted))
    seconds = round(time.perf_counter() - started, 2)
    _score_baselines(rows, scores, config, ids)
    write_scores(run.path / SCORES, scores)
    shares = _fitted_shares(columns, *fitted)
    write_json(run.path / FITS, {"fits": kept, "fitted_share": shares, "rows": len(train)})
    say(f"{len(kept)} probes at {len(store.sites)} sites in {seconds:.0f} s")
    return {
        "probes": len(kept),
        "seconds": seconds,
        "not_converged": sum(not each["converged"] for each in kept),
    }


def fitted_shares(run: Run) -> list[float | None]:
    """Per horizon: share of the training weight that was positive; None where nothing was used."""
    facts = json.loads((run.path / FITS).read_text(encoding="utf-8"))
    shares: list[float | None] = facts["fitted_share"]
    return shares


def _units(rows: BookRows, config: NextTokenConfig) -> np.ndarray:
    return rows.book if config.evaluation.unit == "book" else rows.trace


def _own(store: Store, config: NextTokenConfig, ids: Sequence[int]) -> tuple[np.ndarray, ...]:
    """Log-odds [row, 1] of the target as the next token, and whether the likeliest token is one."""
    wanted = torch.tensor(list(ids))

    def both(logits: torch.Tensor) -> torch.Tensor:
        hit = torch.zeros(logits.shape[1], dtype=torch.bool, device=logits.device)
        hit[wanted.to(logits.device)] = True
        odds = logits[:, hit].logsumexp(1) - logits[:, ~hit].logsumexp(1)
        return torch.stack([odds, hit[logits.argmax(1)].float()], dim=1)

    found = map_logits(store, config.named_model, both)
    return found[:, :1].astype(np.float32), found[:, 1] > 0


def _training(
    rows: BookRows, labels: np.ndarray, use: np.ndarray, config: NextTokenConfig
) -> tuple[list[_Column], np.ndarray, tuple[np.ndarray, np.ndarray]]:
    """Columns of every site's grid, the rows that any of them uses, their labels and weights."""
    probe, horizons = config.probe, range(len(config.targets.horizons))
    middle = probe.l2[len(probe.l2) // 2]
    columns = [_Column(*each) for each in product(horizons, probe.l2)]
    columns += [
        _Column(h, middle, draw) for h, draw in product(horizons, range(probe.control_draws))
    ]
    train = np.flatnonzero(rows.side == 0)
    pairs = []
    for column in columns:
        truth, used = labels[train, column.horizon], use[train, column.horizon]
        rng = np.random.default_rng((probe.seed, column.horizon, _key(column)))
        if column.control is not None:
            truth = rotate_within(truth, used, rows.trace[train], rng)
        balance = "sampled" if column.control is not None else probe.balance
        pairs.append((truth, _weights(truth, used, rows.trace[train], probe, balance, rng)))
    truths, weights = (np.stack(each, axis=1) for each in zip(*pairs, strict=True))
    drawn = (weights > 0).any(axis=1)
    return columns, train[drawn], (truths[drawn], weights[drawn])


def _key(column: _Column) -> int:
    """The strengths of a horizon share their rows."""
    return 0 if column.control is None else 1 + column.control


def _weights(
    truth: np.ndarray,
    used: np.ndarray,
    traces: np.ndarray,
    config: ProbeConfig,
    balance: str,
    rng: np.random.Generator,
) -> np.ndarray:
    if balance == "sampled":
        drawn = balanced_rows(truth, used, traces, most=config.most_per_class, rng=rng)
        return drawn.astype(np.float32)
    weights = used.astype(np.float32)
    positives = int((truth & used).sum())
    if balance == "weighted" and positives:
        ratio = (int(used.sum()) - positives) / positives
        weights[truth & used] = min(max(ratio, 1.0), config.pos_weight_cap)
    return weights


def _fitted_shares(
    columns: Sequence[_Column], labels: np.ndarray, weights: np.ndarray
) -> list[float | None]:
    """Per horizon: share of the training weight that is positive."""
    shares = []
    for horizon in sorted({column.horizon for column in columns}):
        number = next(n for n, c in enumerate(columns) if c.horizon == horizon)
        total = float(weights[:, number].sum(dtype=np.float64))
        hits = float(weights[labels[:, number], number].sum(dtype=np.float64))
        shares.append(hits / total if total else None)
    return shares


def _fit_site(
    store: Store,
    site: str,
    scores: Scores,
    config: NextTokenConfig,
    columns: Sequence[_Column],
    training: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> list[dict[str, Any]]:
    rows, labels, weights = training
    label = config.targets.label
    grid = fit_logistic_grid(
        store[site].torch(rows), labels, weights, np.array([c.l2 for c in columns])
    )
    kept = _choose(store, site, scores, label, columns, grid)
    states, test = store[site].torch(), torch.from_numpy(scores.rows["side"] == 2)
    numbers = [kept[horizon] for horizon in sorted(kept)]
    scores.probes[label, site] = _scores_of(grid, numbers, states)
    controls = [n for n, column in enumerate(columns) if column.control is not None]
    scores.controls[label, site] = _scores_of(grid, controls, states[test])
    scores.weights[label, site] = grid.weight[numbers]
    scores.biases[label, site] = grid.bias[numbers]
    return [
        {
            "site": site,
            "horizon": config.targets.horizons[horizon],
            "l2": columns[number].l2,
            "converged": bool(grid.converged[number]),
            "relative_gradient": float(grid.gradient_norm[number]),
            "passes": grid.passes,
        }
        for horizon, number in sorted(kept.items())
    ]


def _scores_of(grid: LogisticGrid, columns: Sequence[int], states: torch.Tensor) -> np.ndarray:
    """Scores, float32 [row, column]."""
    return np.stack([probe_of(grid, column).score(states) for column in columns], axis=1)


def _choose(
    store: Store,
    site: str,
    scores: Scores,
    label: str,
    columns: Sequence[_Column],
    grid: LogisticGrid,
) -> dict[int, int]:
    """Of each horizon, the column with the best average precision on validation."""
    at = np.flatnonzero(scores.rows["side"] == 1)
    numbers = [number for number, column in enumerate(columns) if column.control is None]
    found = store[site].numpy(at) @ grid.weight[numbers].T + grid.bias[numbers].astype(np.float32)
    best: dict[int, tuple[float, int]] = {}
    for place, number in enumerate(numbers):
        column = columns[number]
        use = scores.use[label][at, column.horizon]
        truth = scores.labels[label][at, column.horizon][use]
        value = average_precision(truth, found[use, place]).value or 0.0
        if column.horizon not in best or value > best[column.horizon][0]:
            best[column.horizon] = (value, number)
    return {horizon: number for horizon, (_, number) in best.items()}


def _score_baselines(
    rows: BookRows, scores: Scores, config: NextTokenConfig, ids: Sequence[int]
) -> None:
    label, horizons = config.targets.label, config.targets.horizons
    labels, use = scores.labels[label], scores.use[label]
    train = rows.side == 0
    hits = [np.isin(part.ids, list(ids)) for part in rows.parts]
    starts = {key: [a for a, _ in split_sentences(t.text)] for key, t in rows.traces.items()}
    facts = gather_facts(
        rows.parts,
        (rows.part, rows.token),
        events=[Events(hit, hit) for hit in hits],
        sentence_starts=[starts[part.trace_id] for part in rows.parts],
        horizons=horizons,
    )
    found = fit_baselines(
        facts,
        labels,
        use,
        train=train,
        validation=rows.side == 1,
        seed=config.probe.seed,
        names=_BASELINES,
    )
    found["bigram"] = bigram_log_odds(rows.ids, labels, use & train[:, None])
    wanted = config.evaluation.baselines or tuple(found)
    scores.baselines |= {(label, name): each for name, each in found.items() if name in wanted}
