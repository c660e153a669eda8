"""Stage `probes`: every kind at every site on every fold, from the stored states."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl

from augury.activations.pool import Pooling
from augury.activations.store import Store
from augury.probes.kinds import FittedKind
from augury.probes.pooled import PooledProbe
from augury.probes.pooled_fits import RidgeSettings
from augury.probes.spans import Spans, pooled
from augury.runs.atomic import write_bytes, write_json
from augury.runs.folder import Run
from augury.runs.progress import track
from augury.studies.thought_anchors.activations import STORE, VERTICAL
from augury.studies.thought_anchors.asked import Asked, ask
from augury.studies.thought_anchors.bundles import save_site_probe
from augury.studies.thought_anchors.config import ThoughtAnchorsConfig, is_anchor
from augury.studies.thought_anchors.ladder import LADDER, climb, sentence_features
from augury.studies.thought_anchors.net_probes import (
    fit_logistic_folds,
    fit_net_folds,
    some_spans,
)
from augury.studies.thought_anchors.placing import TOKENS
from augury.studies.thought_anchors.scores import (
    Fold,
    column_of,
    excess_within,
    fitted_together,
    held_rows,
    parquet_bytes,
    read_folds,
    shuffled_within,
)
from augury.studies.thought_anchors.sentences import SENTENCES, TRACES
from augury.studies.thought_anchors.site_probes import fit_site, shuffled_predictions
from augury.studies.thought_anchors.solutions import sentence_rows
from augury.studies.thought_anchors.vertical_features import (
    filled,
    head_columns,
    receiver_scores,
)
from augury.traces.table import read_traces
from augury.traces.tokens import read_tokenised

__all__ = [
    "CHOSEN",
    "PROBES",
    "SHUFFLED",
    "VERTICAL_SITE",
    "fit_probes",
    "pooling_of",
    "site_spans",
]

PROBES, SHUFFLED = "results/probe_predictions.parquet", "data/shuffled_probes.parquet"
CHOSEN = "results/chosen.json"
VERTICAL_SITE = "vertical"
"""What results call the heads of all blocks that were read together."""


@dataclass
class _Found:
    """Scores of the rows that each fold does not train on, by column."""

    columns: dict[str, list[np.ndarray]] = field(default_factory=dict)
    chosen: dict[str, Any] = field(default_factory=dict)

    def add(self, target: str, predictor: str, of_fold: Sequence[np.ndarray]) -> None:
        """Take in the scores of all folds."""
        self.columns[column_of(target, predictor)] = list(of_fold)


@dataclass(frozen=True, eq=False)
class _World:
    """What all sites share."""

    run: Run
    config: ThoughtAnchorsConfig
    table: pl.DataFrame
    folds: list[Fold]
    asked: Asked
    found: _Found

    @property
    def problems(self) -> np.ndarray:
        return self.asked.problems


def fit_probes(run: Run, config: ThoughtAnchorsConfig) -> dict[str, object]:
    """Write a score of every probe for every sentence that its fold does not train on."""
    if not config.activations:
        for name in (PROBES, SHUFFLED):
            write_bytes(run.path / name, parquet_bytes(pl.DataFrame()))
        write_json(run.path / CHOSEN, {})
        return {"activations": False}
    table = pl.read_parquet(run.path / SENTENCES)
    folds = read_folds(run, table)
    world = _World(run, config, table, folds, ask(table, folds, config), _Found())
    excess: dict[str, np.ndarray] = {}
    store = Store.open(run.path / STORE)
    for site in track(list(store.sites), what="fitting probes", unit="sites"):
        spans = site_spans(run, table, store, site)
        rows = pooled(spans, pooling_of(config))
        _fit_linear(world, site, rows, saved=store)
        excess[f"linear@{site}"] = _shuffled(world, rows)
        if "logistic" in config.probes.kinds and "anchor_binary" in config.labels.targets:
            _fit_logistic(world, site, rows, store)
        if site in _net_sites(config, store.sites):
            _fit_nets(world, site, spans, store)
    if config.reading.vertical.mode != "off":
        _fit_vertical(world, excess)
    _fit_residual_ladder(world)
    _write(world, excess)
    return {"probes": len(world.found.columns), "folds": len(folds)}


def site_spans(run: Run, table: pl.DataFrame, store: Store, site: str) -> Spans:
    """The states of every sentence of the table at one site, in its order."""
    rows, offsets = _rows(run, table, store)
    return Spans(store[site].torch(rows), offsets)


def pooling_of(config: ThoughtAnchorsConfig) -> Pooling:
    """How the linear kinds see a sentence."""
    return "mean" if config.reading.pooling == "tokens" else config.reading.pooling


def _rows(run: Run, table: pl.DataFrame, store: Store) -> tuple[np.ndarray, np.ndarray]:
    traces = read_traces(run.path / TRACES)
    wanted = [
        (traces[trace].id, sentence)
        for trace, sentence in table.select("trace", "sentence").iter_rows()
    ]
    parts = read_tokenised(run.path / TOKENS)
    return sentence_rows(store, {trace.id: trace for trace in traces}, parts, wanted)


def _fit_linear(world: _World, site: str, rows: np.ndarray, saved: Store | None) -> None:
    config, found = world.config, world.found
    fitted = fit_site(rows, world.asked, config.probes.l2)
    linear = [np.concatenate([fold.linear, fold.residual], axis=1) for fold in fitted]
    for number, target in enumerate((*config.labels.targets, *config.residuals.values())):
        name = f"linear@{site}"
        kept = target in config.residuals.values() or "linear" in config.probes.kinds
        if kept:
            found.add(target, name, [scores[:, number] for scores in linear])
        found.chosen[column_of(target, name)] = {"l2": [fold.l2[number] for fold in fitted]}
        if kept and saved is not None:
            grid, pooling = fitted[0].grid, pooling_of(config)
            probe = PooledProbe(pooling, grid.weight[[number]], grid.bias[[number]])
            settings = RidgeSettings(pooling=pooling, l2=(fitted[0].l2[number],))
            whole = FittedKind("ridge", settings, probe, ("score",), np.zeros(1))
            save_site_probe(world.run, config, saved, (target, name), whole)
    for number, target in enumerate(config.labels.targets):
        weights = [fold.weights[number] for fold in fitted]
        found.chosen[column_of(target, f"linear@{site}")]["added to the position"] = weights
        if "position+linear" in config.probes.kinds:
            found.add(target, f"position+linear@{site}", [fold.mixed[:, number] for fold in fitted])


def _fit_logistic(world: _World, site: str, rows: np.ndarray, store: Store) -> None:
    anchors = world.table["anchor_binary"].to_numpy()
    settings = (pooling_of(world.config), _LOGISTIC_L2)
    fitted = fit_logistic_folds(rows, anchors, world.problems, world.folds, settings)
    _take_in(
        world,
        ("anchor_binary", f"logistic@{site}"),
        fitted,
        Spans(rows, np.arange(len(rows) + 1)),
        store,
    )


_LOGISTIC_L2 = (10.0, 1.0, 0.1, 0.01, 1e-3)


def _fit_nets(world: _World, site: str, spans: Spans, store: Store) -> None:
    config = world.config
    for kind in config.probes.kinds:
        if kind not in ("mlp", "attention", "multimax"):
            continue
        for target in config.labels.targets:
            if target not in config.probes.net_targets:
                continue
            values = world.table[target].to_numpy()
            fitted = fit_net_folds(kind, spans, values, world.problems, world.folds, config.probes)
            _take_in(world, (target, f"{kind}@{site}"), fitted, spans, store)


def _take_in(
    world: _World,
    column: tuple[str, str],
    fitted: Sequence[FittedKind],
    spans: Spans,
    store: Store,
) -> None:
    """Score, average over seeds, and save the first fold's probe."""
    target, predictor = column
    of_fold = [
        kind.score(some_spans(spans.tokens, spans.offsets, ~fold.train))
        for kind, fold in zip(fitted, world.folds, strict=True)
    ]
    world.found.add(target, predictor, [each.astype(np.float64).mean(axis=1) for each in of_fold])
    members = fitted[0].members
    if len(members) > 1:
        for n, member in enumerate(members):
            world.found.add(target, f"{predictor}/{member}", [each[:, n] for each in of_fold])
    save_site_probe(world.run, world.config, store, column, fitted[0])


def _fit_vertical(world: _World, excess: dict[str, np.ndarray]) -> None:
    settings = world.config.reading.vertical
    store = Store.open(world.run.path / VERTICAL)
    rows, _ = _rows(world.run, world.table, store)
    heads = head_columns(store, rows, depth_control=settings.depth_control)
    left = (world.table["sentences"] - world.table["sentence"]).to_numpy()
    heads = filled(heads, world.problems, left > settings.proximity)
    _fit_linear(world, VERTICAL_SITE, heads, saved=None)
    excess[f"linear@{VERTICAL_SITE}"] = _shuffled(world, heads)
    chosen = [
        receiver_scores(heads, world.problems, fold.train, count=settings.receivers)
        for fold in world.folds
    ]
    held = [scores[~fold.train] for (scores, _), fold in zip(chosen, world.folds, strict=True)]
    for target in world.config.labels.targets:
        world.found.add(target, f"receivers@{VERTICAL_SITE}", held)
    world.found.chosen["receiver heads"] = [_named(store, heads) for _, heads in chosen]


def _named(store: Store, heads: Sequence[int]) -> list[str]:
    """Heads as `block.head`."""
    names = [
        f"{site.partition('.')[2]}.{head}"
        for site in store.sites
        for head in range(store.width(site) // 2)
    ]
    return [names[head] for head in heads]


def _fit_residual_ladder(world: _World) -> None:
    """Every rung on the residual targets, which stand beside its scores."""
    residuals, features = world.config.residuals, sentence_features(world.table)
    columns = world.found.columns
    for number, fold in enumerate(world.folds):
        for together in fitted_together(residuals):
            at = [list(residuals).index(target) for target in together]
            values = world.asked.residuals[number][:, at]
            values = values.astype(bool) if is_anchor(together[0]) else values
            found = climb(
                features,
                values,
                train=fold.train,
                validation=fold.validation,
                seed=world.config.evaluation.seed,
            )
            for column, target in enumerate(together):
                name = residuals[target]
                columns.setdefault(name, []).append(values[~fold.train, column])
                for rung in LADDER:
                    scores = found[rung][~fold.train, column]
                    columns.setdefault(column_of(name, rung), []).append(scores)


def _shuffled(world: _World, rows: np.ndarray) -> np.ndarray:
    """What a probe of middle strength finds on labels that were dealt anew, [draw]."""
    settings, l2 = world.config.evaluation, sorted(world.config.probes.l2)
    sizes, labels = shuffled_within(world.table, draws=settings.shuffles, seed=settings.seed)
    found = shuffled_predictions(rows, sizes, world.folds, l2[len(l2) // 2])
    return excess_within(labels, found, world.problems)


def _net_sites(config: ThoughtAnchorsConfig, sites: Sequence[str]) -> tuple[str, ...]:
    return config.probes.net_sites or (sites[len(sites) // 2],)


def _write(world: _World, excess: dict[str, np.ndarray]) -> None:
    parts = list(_parts(world))
    write_bytes(world.run.path / PROBES, parquet_bytes(pl.concat(parts)))
    write_bytes(world.run.path / SHUFFLED, parquet_bytes(pl.DataFrame(excess)))
    write_json(world.run.path / CHOSEN, world.found.chosen)


def _parts(world: _World) -> Iterator[pl.DataFrame]:
    for number, fold in enumerate(world.folds):
        columns = [pl.Series(name, each[number]) for name, each in world.found.columns.items()]
        yield held_rows(world.table, fold, number, world.config).with_columns(columns)
