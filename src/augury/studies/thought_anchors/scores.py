"""Stage `scores`: every rung on every fold, for the labels and for shuffled ones."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from jaxtyping import Bool, Float
from scipy.stats import rankdata

from augury.evaluate.cells import TEST, TRAIN, VALIDATION
from augury.runs.atomic import write_bytes
from augury.runs.folder import Run
from augury.runs.progress import track
from augury.studies.thought_anchors.config import Target, ThoughtAnchorsConfig, is_anchor
from augury.studies.thought_anchors.ladder import LADDER, Features, climb, sentence_features
from augury.studies.thought_anchors.sentences import FOLDS, SENTENCES

__all__ = [
    "PREDICTIONS",
    "SHUFFLED",
    "Fold",
    "column_of",
    "excess_within",
    "fit_ladder",
    "fitted_together",
    "held_rows",
    "parquet_bytes",
    "read_folds",
    "shuffled_excess",
    "shuffled_within",
]

PREDICTIONS, SHUFFLED = "results/predictions.parquet", "data/shuffled.parquet"


@dataclass(frozen=True, slots=True, eq=False)
class Fold:
    """Which rows do what in one fold."""

    side: np.ndarray
    """Int [row]: 0 train, 1 validation, 2 test."""

    @property
    def train(self) -> np.ndarray:
        return np.asarray(self.side == TRAIN)

    @property
    def validation(self) -> np.ndarray:
        return np.asarray(self.side == VALIDATION)

    @property
    def test(self) -> np.ndarray:
        return np.asarray(self.side == TEST)


def column_of(target: str, rung: str) -> str:
    """Name of a score in the table of predictions."""
    return f"{target}:{rung}"


def read_folds(run: Run, table: pl.DataFrame) -> list[Fold]:
    """The folds of a run, by row."""
    stored = json.loads((run.path / FOLDS).read_text(encoding="utf-8"))
    groups = table["group"].to_list()
    folds = []
    for fold in stored:
        side = {g: n for n, name in enumerate(("train", "validation", "test")) for g in fold[name]}
        folds.append(Fold(np.array([side[group] for group in groups])))
    return folds


def fit_ladder(run: Run, config: ThoughtAnchorsConfig) -> dict[str, object]:
    """Write a row per fold and sentence that is not trained on, with the score of every rung."""
    table = pl.read_parquet(run.path / SENTENCES)
    features, folds = sentence_features(table), read_folds(run, table)
    seed = config.evaluation.seed
    parts = []
    for number, fold in enumerate(track(folds, what="fitting folds", unit="folds")):
        held = np.flatnonzero(~fold.train)
        columns = []
        for targets in fitted_together(config.labels.targets):
            values = np.stack([table[target].to_numpy() for target in targets], axis=1)
            scores = climb(
                features, values, train=fold.train, validation=fold.validation, seed=seed
            )
            columns += [
                pl.Series(column_of(target, rung), scores[rung][held, n])
                for n, target in enumerate(targets)
                for rung in LADDER
            ]
        parts.append(held_rows(table, fold, number, config).with_columns(columns))
    write_bytes(run.path / PREDICTIONS, parquet_bytes(pl.concat(parts)))
    excess = shuffled_excess(features, table, folds, draws=config.evaluation.shuffles, seed=seed)
    write_bytes(run.path / SHUFFLED, parquet_bytes(pl.DataFrame(excess)))
    return {"folds": len(folds), "shuffles": config.evaluation.shuffles}


def held_rows(
    table: pl.DataFrame, fold: Fold, number: int, config: ThoughtAnchorsConfig
) -> pl.DataFrame:
    """The sentences that a fold does not train on: which they are, their labels, fold and split."""
    held = np.flatnonzero(~fold.train)
    part = table.select("problem", "group", "trace", "sentence", *config.labels.targets)
    return part[held.tolist()].with_columns(
        pl.Series("fold", [f"fold {number}"] * len(held)),
        pl.Series("split", np.where(fold.test[held], "test", "validation")),
    )


def fitted_together(targets: Iterable[Target]) -> list[list[Target]]:
    """Targets of one type: all numbers share the work of a fit."""
    labels: list[Target] = [target for target in targets if is_anchor(target)]
    numbers: list[Target] = [target for target in targets if not is_anchor(target)]
    return [each for each in (labels, numbers) if each]


def shuffled_excess(
    features: Features, table: pl.DataFrame, folds: Sequence[Fold], *, draws: int, seed: int
) -> dict[str, np.ndarray]:
    """What each rung finds where importances were dealt anew to the sentences of each problem.

    Rungs are fitted to the shuffled sizes and tested on the shuffled anchors. Fitted on other
    problems, they can know nothing of the tested one's shuffle unless its labels leak.

    Returns:
        By rung, AUROC - 1/2 within problems, their mean, float [draw]; 0 on average without a leak.
    """
    sizes, labels = shuffled_within(table, draws=draws, seed=seed)
    outside = {rung: np.zeros(sizes.shape) for rung in LADDER[1:]}
    for fold in track(list(folds), what="fitting shuffled labels", unit="folds"):
        found = climb(features, sizes, train=fold.train, validation=fold.validation, seed=seed)
        for rung, own in outside.items():
            own[fold.test] = found[rung][fold.test]
    return {rung: excess_within(labels, own, features.traces) for rung, own in outside.items()}


def shuffled_within(
    table: pl.DataFrame, *, draws: int, seed: int
) -> tuple[Float[np.ndarray, "row draw"], Bool[np.ndarray, "row draw"]]:
    """Sizes of the importance, and anchors, dealt anew to the sentences of each problem."""
    rng = np.random.default_rng((seed, 1))
    traces = table["trace"].to_numpy()
    sizes = np.zeros((len(table), draws))
    labels = np.zeros((len(table), draws), dtype=bool)
    for trace in np.unique(traces):
        at = np.flatnonzero(traces == trace)
        order = at[np.argsort(rng.random((len(at), draws)), axis=0)]
        sizes[at] = table["importance_abs"].to_numpy()[order]
        labels[at] = table["anchor_binary"].to_numpy()[order]
    return sizes, labels


def excess_within(labels: np.ndarray, scores: np.ndarray, traces: np.ndarray) -> np.ndarray:
    """AUROC - 1/2 in each problem by itself, their mean, float [draw].

    Not over all problems together: how a fold ranks *other* problems depends on this one's labels,
    and that is no leak.
    """
    found = []
    for trace in np.unique(traces):
        at = traces == trace
        rank = rankdata(scores[at], axis=0)
        hits = labels[at].sum(axis=0)
        lead = ((rank - rank.mean(axis=0)) * labels[at]).sum(axis=0)
        found.append(lead / np.maximum(1, hits * (at.sum() - hits)))
    return np.asarray(np.mean(found, axis=0))


def parquet_bytes(table: pl.DataFrame) -> bytes:
    """The table as a Parquet file."""
    buffer = io.BytesIO()
    table.write_parquet(buffer)
    return buffer.getvalue()
