"""Train a token net for all seeds at once, and keep each seed's best weights on validation.

All seeds see the same batches in the same order and differ in their initial weights, so a batch is
read and standardised once; their losses are added, which leaves every seed its own gradient.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch

from augury.errors import DataError
from augury.probes.net_config import MlpNet, Net, Training
from augury.probes.objective import inverse_deviation
from augury.probes.rows import moments
from augury.probes.segments import Segments
from augury.probes.span_losses import Objective, objective
from augury.probes.span_metric import validation_metric
from augury.probes.span_task import SpanTask
from augury.probes.spans import Spans, chunks, pooled, rows_as_spans
from augury.probes.token_net import Weights, forward, initial_weights

__all__ = ["Scale", "Trained", "as_read", "train_seeds"]


@dataclass(frozen=True, eq=False)
class Scale:
    """Standardisation of the states: z = (x - mean) inverse."""

    mean: np.ndarray
    """Of the training rows, float64 [hidden]."""

    inverse: np.ndarray
    """1 / standard deviation of the training rows, 0 for a constant feature; float64 [hidden]."""

    def standardise(self, states: torch.Tensor) -> torch.Tensor:
        """States [token, hidden] to the same shape and dtype."""
        mean, inverse = (
            torch.from_numpy(array).to(states.device, states.dtype)
            for array in (self.mean, self.inverse)
        )
        return (states - mean) * inverse


@dataclass(frozen=True, eq=False)
class Trained:
    """The best weights of every seed, and how it came to them."""

    weights: Weights
    """Float32 [seed, ...], of the epoch that validated best; scores are in units of the target."""

    scale: Scale
    """Of the training tokens."""

    history: np.ndarray
    """Validation metric after each epoch, float64 [epoch, seed]."""

    best: np.ndarray
    """Validation metric of the weights, float64 [seed]."""


def train_seeds(task: SpanTask, net: Net, seeds: tuple[int, ...]) -> Trained:
    """Fit a net to the training spans, once per seed.

    Equal input gives equal weights on one machine, and a seed's weights do not depend on which
    other seeds are there, but for the rounding of float32 sums.

    Raises:
        DataError: A state is not finite, or no feature varies over the training tokens.
    """
    task = replace(task, spans=as_read(net, task.spans, task.used))
    scale = _scale(task)
    device = task.spans.device
    goal = objective(task, net.training, device)
    live = initial_weights(net, task.spans.hidden, seeds)
    live = {name: weight.to(device).requires_grad_() for name, weight in live.items()}
    kept = {name: weight.detach().clone() for name, weight in live.items()}
    adam = torch.optim.AdamW(
        live.values(), lr=net.training.learning_rate, weight_decay=net.training.weight_decay
    )
    order = np.random.default_rng(net.training.order_seed)
    best, since = np.full(len(seeds), -np.inf), np.zeros(len(seeds), dtype=np.int64)
    history: list[np.ndarray] = []
    steps = 0
    while len(history) < net.training.epochs and (since < net.training.patience).any():
        for numbers in _batches(task, goal, net.training, order):
            scores = forward(net, live, *_batch(task.spans, numbers, scale))
            adam.zero_grad()
            goal.at(scores, torch.from_numpy(numbers).to(device)).sum().backward()
            adam.step()
            steps += 1
        metric = validation_metric(task, _validation_scores(task, net, live, scale))
        history.append(metric)
        better = (metric > best) & (since < net.training.patience)
        _keep(kept, live, better)
        best[better] = metric[better]
        if steps >= net.training.least_steps:
            since = np.where(better, 0, since + 1)
    return Trained(_in_units(kept, goal), scale, np.array(history), best)


def as_read(net: Net, spans: Spans, used: np.ndarray) -> Spans:
    """Spans as the net reads them: for the MLP one pooled row each, 0 where not used."""
    return rows_as_spans(pooled(spans, net.pooling, used)) if isinstance(net, MlpNet) else spans


def _keep(kept: Weights, live: Weights, better: np.ndarray) -> None:
    """Copy the values of the seeds that improved; the live weights move on."""
    seeds = torch.from_numpy(np.flatnonzero(better))
    for name, weight in live.items():
        kept[name][seeds] = weight.detach()[seeds]


def _in_units(weights: Weights, goal: Objective) -> Weights:
    mixed = {"mix": weights["mix"] * goal.spread, "bias": weights["bias"] * goal.spread}
    mixed["bias"] += goal.centre
    return {name: weight.cpu() for name, weight in (weights | mixed).items()}


def _scale(task: SpanTask) -> Scale:
    facts = moments(task.spans.tokens, task.spans.token_mask(task.train_weights > 0))
    if not facts.deviation.any():
        raise DataError(
            "states",
            found="no feature varies over the training tokens",
            expected="states that differ",
            fix="read another site",
        )
    return Scale(facts.mean, inverse_deviation(facts))


def _batches(
    task: SpanTask, goal: Objective, training: Training, rng: np.random.Generator
) -> Iterator[np.ndarray]:
    """Numbers of the training spans in a new order, in batches of bounded size."""
    numbers = rng.permutation(np.flatnonzero(task.train_weights > 0))
    if goal.whole_groups:
        place = np.unique(task.groups, return_inverse=True)[1]
        rank = rng.permutation(int(place.max()) + 1)
        numbers = numbers[np.argsort(rank[place[numbers]], kind="stable")]
    lengths = task.spans.lengths[numbers]
    for piece in chunks(lengths, spans=training.batch_spans, tokens=training.batch_tokens):
        yield numbers[piece]


def _batch(spans: Spans, numbers: np.ndarray, scale: Scale) -> tuple[torch.Tensor, Segments]:
    states, offsets = spans.read(numbers)
    return scale.standardise(states), Segments(offsets)


@torch.no_grad()
def _validation_scores(task: SpanTask, net: Net, weights: Weights, scale: Scale) -> np.ndarray:
    numbers = np.flatnonzero(task.validation)
    pieces = chunks(
        task.spans.lengths[numbers], spans=len(numbers), tokens=net.training.batch_tokens
    )
    parts = [forward(net, weights, *_batch(task.spans, numbers[p], scale)) for p in pieces]
    return torch.cat(parts, dim=1).T.cpu().numpy()
