"""Predictors that never see a hidden state: what a probe has to beat.

| name                | sees                                                                   |
|---------------------|------------------------------------------------------------------------|
| `prevalence`        | nothing: one score for all rows                                        |
| `position_rank`     | the position, of which only is fitted whether early or late is likely  |
| `position`          | tokens since the start of the completion                               |
| `last_three_tokens` | the last three ids and the last pair                                   |
| `ngrams`            | the runs of one to three ids among the last eight                      |
| `tfidf`             | the words of the running sentence and their pairs                      |
| `text`              | the last three ids, a bag of 16, position, place in the sentence       |
| `earlier_events`    | time since the last event, their number, and of late (autocorrelation) |
| `category`          | the kind of problem                                                    |
| `own_probability`   | the model's own next-token probability of the event's first token      |

Each is a logistic model fitted on training rows, its strength chosen by average precision on
validation rows. Scores are log-odds. The fitted rows are all that are positive in some column and a
sample of the others, reweighted; all columns and strengths with the same features are one fit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse
from sklearn.metrics import average_precision_score

from augury.errors import DataError, UsageError
from augury.probes.facts import TokenFacts
from augury.probes.features import count_hats, event_hats, last_three, one_hot, text_features
from augury.probes.grid import fit_logistic_grid
from augury.probes.position_rank import signed_place
from augury.probes.sparse_grid import fit_sparse_grid
from augury.probes.text_features import hashed_ngrams, tfidf

__all__ = ["BASELINES", "fit_baselines", "fit_features"]

BASELINES = (
    "prevalence",
    "position_rank",
    "position",
    "last_three_tokens",
    "ngrams",
    "tfidf",
    "text",
    "earlier_events",
    "category",
    "own_probability",
)
"""Every name that `fit_baselines` may return, in the order of reports."""

_MOST_NEGATIVES = 20_000
_L2 = (1e-4, 1e-2, 1.0)
_SPARSE_ROWS = (30.0, 3.0, 0.3)
"""Ridge strengths of the sparse models, as total loss: in rows that a token has to convince."""
_LOG_FLOOR = -50.0
_NGRAM_TOKENS = 8


@dataclass(frozen=True)
class _Rows:
    """What is to be predicted, and which rows serve for what."""

    labels: np.ndarray
    use: np.ndarray
    train: np.ndarray
    validation: np.ndarray
    picked: np.ndarray
    """Numbers of the rows to fit on: every positive, and a sample of the others."""
    weights: np.ndarray
    """Float32 [picked row, column]: above 1 for a row that stands for several, 0 if unused."""
    constant: np.ndarray
    """Float32 [column], log-odds of the training prevalence."""
    sound: np.ndarray
    """Bool [column], whether the training rows are of both classes."""

    def choice(self, column: int, candidates: np.ndarray) -> np.ndarray:
        """Of the scores [row, candidate], those with the best validation average precision."""
        rows = self.use[:, column] & self.validation
        truth = self.labels[rows, column]
        if candidates.shape[1] == 1 or not truth.any() or truth.all():
            return np.asarray(candidates[:, candidates.shape[1] // 2])
        quality = [average_precision_score(truth, one) for one in candidates[rows].T]
        return np.asarray(candidates[:, int(np.argmax(quality))])


def fit_baselines(
    facts: TokenFacts,
    labels: np.ndarray,
    use: np.ndarray,
    *,
    train: np.ndarray,
    validation: np.ndarray,
    seed: int,
    names: Sequence[str] = BASELINES,
) -> dict[str, np.ndarray]:
    """Fit baselines whose facts are there, and score all rows with each.

    Args:
        facts: Of the rows.
        labels: Bool [row, column].
        use: Which rows a column may use, bool [row, column].
        train: Rows to fit on, bool [row].
        validation: Rows to choose the strength on, bool [row].
        seed: Of the sampled negatives.
        names: Which of `BASELINES` to fit.

    Returns:
        Log-odds (of `position_rank`, tokens), float32 [row, column], by name in the order of
        `BASELINES`. `tfidf`, `category` and `own_probability` are left out where the facts lack
        them. A column whose training rows are of one class gets its smoothed prevalence from
        every baseline.

    Raises:
        DataError: Shapes disagree, or a row serves both for training and validation.
        UsageError: A name is not a baseline.
    """
    labels, use = labels.astype(bool), use.astype(bool)
    _check(facts, labels, use, train, validation, names)
    rows = _rows(labels, use, train, validation, seed)
    found: dict[str, np.ndarray] = {}
    for name in BASELINES:
        scores = _fit(name, facts, rows) if name in names else None
        if scores is not None:
            found[name] = np.where(rows.sound, scores, rows.constant)
    return found


def fit_features(
    features: np.ndarray | sparse.csr_matrix,
    labels: np.ndarray,
    use: np.ndarray,
    *,
    train: np.ndarray,
    validation: np.ndarray,
    seed: int,
) -> np.ndarray:
    """A baseline of one's own: the same model on any features that hold no hidden state.

    Args:
        features: [row, feature]; sparse ones get the sparse model.
        labels: Bool [row, column].
        use: Which rows a column may use, bool [row, column].
        train: Rows to fit on, bool [row].
        validation: Rows to choose the strength on, bool [row].
        seed: Of the sampled negatives.

    Returns:
        Log-odds, float32 [row, column].
    """
    labels, use = labels.astype(bool), use.astype(bool)
    rows = _rows(labels, use, train, validation, seed)
    if isinstance(features, np.ndarray):
        scores = _dense(rows, [features.astype(np.float32)])
    else:
        scores = _sparse(rows, features)
    return np.asarray(np.where(rows.sound, scores, rows.constant))


def _fit(name: str, facts: TokenFacts, rows: _Rows) -> np.ndarray | None:
    """Scores [row, column] of one baseline; None where the facts lack what it sees."""
    if name == "prevalence":
        return np.tile(rows.constant, (len(facts), 1))
    if name == "position_rank":
        return _position_rank(facts, rows)
    if name == "position":
        return _dense(rows, [count_hats(facts.position)])
    if name == "last_three_tokens":
        return _sparse(rows, last_three(facts))
    if name == "ngrams":
        return _sparse(rows, hashed_ngrams(facts.recent[:, :_NGRAM_TOKENS]))
    if name == "tfidf":
        return None if facts.said is None else _sparse(rows, tfidf(facts.said, rows.train))
    if name == "text":
        return _sparse(rows, text_features(facts))
    if name == "earlier_events":
        columns = rows.labels.shape[1] if facts.since_event.ndim == 2 else 1
        return _dense(rows, [event_hats(facts, column) for column in range(columns)])
    if name == "category":
        return None if facts.category is None else _dense(rows, [one_hot(facts.category)])
    if facts.own_logprob is None:
        return None
    own = np.maximum(facts.own_logprob, _LOG_FLOOR).astype(np.float32)
    return _dense(rows, list(own.reshape(len(facts), -1).T[:, :, None]))


def _position_rank(facts: TokenFacts, rows: _Rows) -> np.ndarray:
    """The position or its negative, float32 [row, column]."""
    columns = [
        signed_place(facts.position, labels, fit=use & rows.train)
        for labels, use in zip(rows.labels.T, rows.use.T, strict=True)
    ]
    return np.stack(columns, axis=1).astype(np.float32)


def _dense(rows: _Rows, features: list[np.ndarray]) -> np.ndarray:
    """Fit all columns and strengths as one grid, or one per column if each has its own features.

    Args:
        rows: What to fit.
        features: Float32 [row, feature], one array for all columns or one for each.

    Returns:
        Float32 [row, column].
    """
    every = list(range(rows.labels.shape[1]))
    tasks = (
        [(features[0], every)]
        if len(features) == 1
        else [(own, [column]) for column, own in zip(every, features, strict=True)]
    )
    result = np.zeros(rows.labels.shape, dtype=np.float32)
    for own, columns in tasks:
        wanted = np.repeat(columns, len(_L2))
        if not rows.sound[columns].any():
            continue
        grid = fit_logistic_grid(
            own[rows.picked],
            rows.labels[np.ix_(rows.picked, wanted)],
            rows.weights[:, wanted],
            np.tile(_L2, len(columns)),
            tolerance=1e-4,
            max_passes=100,
        )
        scores = own @ grid.weight.T + grid.bias.astype(np.float32)
        _take_best(rows, columns, scores, result)
    return result


def _sparse(rows: _Rows, features: sparse.csr_matrix) -> np.ndarray:
    """Fit all columns and strengths on sparse features at once, float32 [row, column]."""
    seen = features[rows.picked]
    # a feature of one fitted row can only memorise that row
    kept = np.flatnonzero(seen.getnnz(axis=0) >= 2)
    columns = list(range(rows.labels.shape[1]))
    wanted = np.repeat(columns, len(_SPARSE_ROWS))
    weights = rows.weights[:, wanted]
    total = np.maximum(weights.sum(axis=0, dtype=np.float64), 1)
    grid = fit_sparse_grid(
        seen[:, kept],
        rows.labels[np.ix_(rows.picked, wanted)],
        weights,
        np.tile(_SPARSE_ROWS, len(columns)) / total,
    )
    full = np.zeros((features.shape[1], len(wanted)), dtype=np.float32)
    full[kept] = grid.weight.T
    scores = features @ full + grid.bias.astype(np.float32)
    result = np.zeros(rows.labels.shape, dtype=np.float32)
    _take_best(rows, columns, scores, result)
    return result


def _take_best(rows: _Rows, columns: list[int], scores: np.ndarray, result: np.ndarray) -> None:
    """Write the best strength of each column into `result`; strengths lie side by side."""
    strengths = scores.shape[1] // len(columns)
    for place, column in enumerate(columns):
        block = scores[:, place * strengths : (place + 1) * strengths]
        result[:, column] = rows.choice(column, block)


def _rows(
    labels: np.ndarray, use: np.ndarray, train: np.ndarray, validation: np.ndarray, seed: int
) -> _Rows:
    """Take every training row that is positive in some column, and sample the others."""
    fit = use & train[:, None]
    positive = (fit & labels).any(axis=1)
    chosen, rest = np.flatnonzero(positive), np.flatnonzero(fit.any(axis=1) & ~positive)
    share = 1.0
    if len(rest) > _MOST_NEGATIVES:
        share = len(rest) / _MOST_NEGATIVES
        draw = np.random.default_rng(seed)
        rest = np.sort(draw.choice(rest, _MOST_NEGATIVES, replace=False))
    picked = np.concatenate([chosen, rest])
    stands_for = np.repeat([1.0, share], [len(chosen), len(rest)]).astype(np.float32)
    hits = (fit & labels).sum(axis=0)
    misses = fit.sum(axis=0) - hits
    # half a row in each class keeps the odds finite
    constant = np.log((hits + 0.5) / (misses + 0.5)).astype(np.float32)
    weights = fit[picked] * stands_for[:, None]
    sound = (hits > 0) & (misses > 0)
    return _Rows(labels, use, train, validation, picked, weights, constant, sound)


def _check(
    facts: TokenFacts,
    labels: np.ndarray,
    use: np.ndarray,
    train: np.ndarray,
    validation: np.ndarray,
    names: Sequence[str],
) -> None:
    rows = len(facts)
    if labels.ndim != 2 or labels.shape != use.shape or len(labels) != rows:
        raise DataError(
            "labels and use",
            found=f"shapes {labels.shape} and {use.shape}",
            expected=f"[{rows} rows, column] twice",
        )
    if train.shape != (rows,) or validation.shape != (rows,):
        found = f"shapes {train.shape} and {validation.shape}"
        raise DataError("train and validation", found=found, expected=f"[{rows} rows] twice")
    if (train & validation).any():
        raise DataError(
            "train and validation",
            found=f"{int((train & validation).sum())} rows in both",
            expected="no row in both",
            fix="split by group first",
        )
    unknown = sorted(set(names) - set(BASELINES))
    if unknown:
        expected = f"names from {', '.join(BASELINES)}"
        raise UsageError("baselines", found=f"{', '.join(unknown)}", expected=expected)
