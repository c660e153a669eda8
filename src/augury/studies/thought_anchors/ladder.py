"""Predictors of importance that see no hidden state, from the simplest to the fullest.

| rung            | sees                                                                       |
|-----------------|----------------------------------------------------------------------------|
| `prevalence`    | nothing                                                                    |
| `position_rank` | the number of the sentence; its only parameter is a sign                   |
| `position`      | number, relative place, number of sentences, words of the sentence         |
| `tags`          | what the sentence does, as annotated (by a model that read the whole text) |
| `text`          | its words: TF-IDF of 1- and 2-grams                                        |
| `position+text` | `position`, to which as much of `text` is added as validation asks for     |

The last one keeps the position at full weight, so it cannot drown in thousands of words.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from jaxtyping import Bool, Float
from scipy import sparse

from augury.evaluate.rank_columns import rank_columns
from augury.probes.baselines import fit_features
from augury.probes.number_features import fit_number_features
from augury.probes.position_rank import place_in_trace, position_rank
from augury.probes.text_features import tfidf

__all__ = ["LADDER", "Features", "climb", "position_scores", "sentence_features"]

LADDER = ("prevalence", "position_rank", "position", "tags", "text", "position+text")
_MIXES = (0.0, 0.25, 0.5, 1.0, 2.0)
"""Weights of the text beside the position, both in their own standard deviations."""

Columns = Float[np.ndarray, "row column"]


@dataclass(frozen=True, slots=True, eq=False)
class Features:
    """What the rungs see of each sentence; the rows of one problem stand in order."""

    traces: np.ndarray
    """Number of the problem."""

    position: np.ndarray
    """Float [row, feature]."""

    tags: np.ndarray
    """Float [row, tag], 1 where the sentence has it."""

    texts: tuple[str, ...]


def sentence_features(table: pl.DataFrame) -> Features:
    """Features of the table that stage `sentences` wrote."""
    traces = table["trace"].to_numpy()
    place = place_in_trace(traces)
    total = table["sentences"].to_numpy().astype(np.float64)
    words = np.array([len(text.split()) for text in table["text"]], dtype=np.float64)
    relative = place / np.maximum(total - 1, 1)
    position = np.stack(
        [place, np.log1p(place), relative, relative**2, np.log(total), words, np.log1p(words)], 1
    )
    names = sorted({tag for tags in table["tags"] for tag in tags})
    tags = np.zeros((len(table), max(1, len(names))))
    for row, own in enumerate(table["tags"]):
        tags[row, [names.index(tag) for tag in own]] = 1
    return Features(traces, position, tags, tuple(table["text"]))


def climb(
    features: Features,
    values: Columns,
    *,
    train: Bool[np.ndarray, " row"],
    validation: Bool[np.ndarray, " row"],
    seed: int,
) -> dict[str, Columns]:
    """Fit every rung on train rows, choose its strength on validation, and score all rows.

    Args:
        features: Of all rows.
        values: Targets, one a column; bool for anchors.
        train: Rows to fit on.
        validation: Rows to choose on.
        seed: Of sampled negatives.
    """
    words = tfidf(features.texts, train)
    found = {
        "prevalence": np.zeros(values.shape),
        "position_rank": _ranks(features.traces, values, train),
    }
    seen: dict[str, np.ndarray | sparse.csr_matrix] = {
        "position": features.position,
        "tags": features.tags,
        "text": words,
    }
    for name, own in seen.items():
        found[name] = _fitted(own, values, train, validation, seed)
    found["position+text"] = _mixed(found["position"], found["text"], values, train, validation)
    return found


def position_scores(
    features: Features,
    values: Columns,
    *,
    train: Bool[np.ndarray, " row"],
    validation: Bool[np.ndarray, " row"],
    seed: int,
) -> Columns:
    """The rung `position` alone; arguments of `climb`."""
    return _fitted(features.position, values, train, validation, seed)


def _fitted(
    own: np.ndarray | sparse.csr_matrix,
    values: Columns,
    train: np.ndarray,
    validation: np.ndarray,
    seed: int,
) -> Columns:
    if values.dtype != bool:
        return fit_number_features(own, values, train=train, validation=validation)
    use = np.ones(values.shape, dtype=bool)
    found = fit_features(own, values, use, train=train, validation=validation, seed=seed)
    return found.astype(np.float64)


def _ranks(traces: np.ndarray, values: Columns, train: np.ndarray) -> Columns:
    if values.dtype == bool:
        return np.stack([position_rank(traces, column, fit=train) for column in values.T], 1)
    place = place_in_trace(traces)
    # By what is judged: sizes are skewed, and a mean may fall where ranks within problems rise.
    members = [np.flatnonzero(train & (traces == one)) for one in np.unique(traces[train])]
    same = np.broadcast_to(place[:, None], values.shape)
    rising = np.mean([rank_columns(same[at], values[at]) for at in members], axis=0) >= 0
    return np.asarray(place[:, None] * np.where(rising, 1.0, -1.0))


def _mixed(
    position: Columns, text: Columns, values: Columns, train: np.ndarray, validation: np.ndarray
) -> Columns:
    left, right = (_scaled(each, train) for each in (position, text))
    tried = np.stack([left + weight * right for weight in _MIXES])
    truth = values[validation].astype(np.float64)
    truth = truth - truth.mean(axis=0)
    held = tried[:, validation] - tried[:, validation].mean(axis=1, keepdims=True)
    cross = np.einsum("mrc,rc->mc", held, truth)
    length = np.sqrt((held**2).sum(axis=1))
    quality = np.divide(cross, length, out=np.zeros_like(cross), where=length > 0)
    best = np.argmax(quality, axis=0)
    return np.asarray(tried[best, :, np.arange(values.shape[1])].T)


def _scaled(scores: Columns, train: np.ndarray) -> Columns:
    spread = scores[train].std(axis=0)
    return np.asarray((scores - scores[train].mean(axis=0)) / np.where(spread > 0, spread, 1.0))
