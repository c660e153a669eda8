"""Spans in which it is known what tells the positives from the others."""

from __future__ import annotations

import numpy as np
from sklearn.metrics import average_precision_score

from augury.config import Config
from augury.probes.kinds import FittedKind, fit_kind
from augury.probes.span_task import SpanTask, TargetKind, balanced_weights
from augury.probes.spans import Spans

SPANS, SPANS_PER_GROUP, HIDDEN, PLANTED = 600, 12, 8, 3


def noise(
    rng: np.random.Generator, *, lengths: tuple[int, int] = (60, 90), degrees: float = np.inf
) -> Spans:
    """Independent tokens; Student's t with few degrees of freedom has heavy tails."""
    offsets = np.concatenate([[0], np.cumsum(rng.integers(*lengths, SPANS))])
    shape = (int(offsets[-1]), HIDDEN)
    tokens = rng.normal(size=shape) if np.isinf(degrees) else rng.standard_t(degrees, size=shape)
    return Spans(tokens.astype(np.float32), offsets)


def task_of(spans: Spans, values: np.ndarray, target: TargetKind = "binary") -> SpanTask:
    """Three fifths of the groups train, one fifth validates, nobody sees the last."""
    groups = np.arange(len(spans)) // SPANS_PER_GROUP
    train = groups % 5 < 3
    weights = balanced_weights(values, train) if target == "binary" else None
    return SpanTask(spans, target, values, groups, train, groups % 5 == 3, weights)


def labels(rng: np.random.Generator) -> np.ndarray:
    """A fifth positive, float [span]."""
    return (rng.random(SPANS) < 0.2).astype(float)


def single_token(seed: int) -> SpanTask:
    """One token of a positive span stands out; every span's mean is exactly the same there."""
    rng = np.random.default_rng(seed)
    spans, values = noise(rng), labels(rng)
    for number in range(SPANS):
        piece = spans.tokens[spans.offsets[number] : spans.offsets[number + 1], PLANTED]
        if values[number]:
            piece[rng.integers(len(piece))] += 8
        piece -= piece.mean()
    return task_of(spans, values)


def every_token(seed: int) -> SpanTask:
    """All tokens of a positive span are shifted."""
    rng = np.random.default_rng(seed)
    spans, values = noise(rng, lengths=(10, 20)), labels(rng)
    spans.tokens[spans.token_mask(values == 1), PLANTED] += 2
    return task_of(spans, values)


def last_token(seed: int) -> SpanTask:
    """The last token of a positive span is shifted."""
    rng = np.random.default_rng(seed)
    spans, values = noise(rng, lengths=(10, 20)), labels(rng)
    spans.tokens[spans.offsets[1:][values == 1] - 1, PLANTED] += 4
    return task_of(spans, values)


def burst(seed: int, tokens: int = 12) -> SpanTask:
    """Some tokens in a row are raised by less than single tokens of heavy-tailed noise reach."""
    rng = np.random.default_rng(seed)
    spans, values = noise(rng, degrees=3), labels(rng)
    for number in np.flatnonzero(values):
        first = spans.offsets[number] + rng.integers(spans.lengths[number] - tokens)
        spans.tokens[first : first + tokens, PLANTED] += 2.5
    return task_of(spans, values)


def exclusive_or(seed: int) -> SpanTask:
    """Positive where exactly one of two coordinates of the whole span is high."""
    rng = np.random.default_rng(seed)
    spans = noise(rng, lengths=(4, 8))
    high = rng.random((SPANS, 2)) < 0.5
    spans.tokens[:, :2] += np.repeat(4 * high - 2, spans.lengths, axis=0)
    return task_of(spans, (high[:, 0] != high[:, 1]).astype(float))


def nothing(seed: int) -> SpanTask:
    """States know nothing of the labels."""
    rng = np.random.default_rng(seed)
    return task_of(noise(rng, lengths=(4, 8)), labels(rng))


def precision(name: str, task: SpanTask, settings: Config | None = None) -> float:
    """Average precision of a kind on spans that it never saw, by the mean score of its members."""
    fitted: FittedKind = fit_kind(name, task, settings=settings, seeds=(0, 1))
    rows = ~task.used
    score = fitted.score(task.spans)[rows].mean(axis=1)
    return float(average_precision_score(task.values[rows] == 1, score))
