"""Losses of a mini-batch of span scores, one per member, for the targets that nets learn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch.nn import functional

from augury.probes.net_config import Training
from augury.probes.span_task import SpanTask, TargetKind

__all__ = ["Objective", "objective"]


@dataclass(frozen=True, eq=False)
class Objective:
    """The loss, and the targets as it reads them."""

    loss: Callable[[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]
    """(scores [member, span], values [span], weights [span], group [span]) -> [member]."""

    values: torch.Tensor
    """Float32 [span]; standardised if continuous."""

    weights: torch.Tensor
    """Float32 [span], mean 1 over the training spans."""

    groups: torch.Tensor
    """Int64 [span]."""

    centre: float
    """Added to scores after they were multiplied by `spread`; 0 unless continuous."""

    spread: float
    """1 unless continuous."""

    whole_groups: bool
    """Whether only spans of one group teach each other, so that batches keep groups together."""

    def at(self, scores: torch.Tensor, numbers: torch.Tensor) -> Float[torch.Tensor, " member"]:
        """Loss of the given spans, whose scores are [member, span]."""
        return self.loss(scores, self.values[numbers], self.weights[numbers], self.groups[numbers])


def objective(task: SpanTask, training: Training, device: torch.device) -> Objective:
    """Choose the loss of a binary, continuous or rank task; values and weights go to the device."""
    values = np.where(task.used, task.values, 0).astype(np.float64)
    weights = task.train_weights / task.train_weights[task.train].mean()
    centre, spread = 0.0, 1.0
    if task.target == "continuous":
        centre = float(np.average(values, weights=weights))
        spread = float(np.sqrt(np.average((values - centre) ** 2, weights=weights)))
    name = training.continuous_loss if task.target == "continuous" else task.target
    groups = np.unique(task.groups, return_inverse=True)[1]
    return Objective(
        _LOSSES[name],
        torch.from_numpy((values - centre) / spread).to(device, torch.float32),
        torch.from_numpy(weights).to(device, torch.float32),
        torch.from_numpy(groups).to(device),
        centre,
        spread,
        task.target == "rank",
    )


def _logistic(
    scores: torch.Tensor, values: torch.Tensor, weights: torch.Tensor, groups: torch.Tensor
) -> torch.Tensor:
    return (weights * functional.softplus(scores * (1 - 2 * values))).mean(dim=1)


def _huber(
    scores: torch.Tensor, values: torch.Tensor, weights: torch.Tensor, groups: torch.Tensor
) -> torch.Tensor:
    distance = functional.huber_loss(scores, values.expand_as(scores), reduction="none")
    return (weights * distance).mean(dim=1)


def _squared(
    scores: torch.Tensor, values: torch.Tensor, weights: torch.Tensor, groups: torch.Tensor
) -> torch.Tensor:
    return (weights * (scores - values) ** 2 / 2).mean(dim=1)


def _pairs(
    scores: torch.Tensor, values: torch.Tensor, weights: torch.Tensor, groups: torch.Tensor
) -> torch.Tensor:
    """Mean of log(1 + exp(-(s_i - s_j))) over pairs of one group with value i above value j."""
    above = (values[:, None] > values) & (groups[:, None] == groups)
    first, second = above.nonzero(as_tuple=True)
    loss = functional.softplus(scores[:, second] - scores[:, first])
    return (weights[first] * weights[second] * loss).sum(dim=1) / max(1, len(first))


_LOSSES: dict[TargetKind | str, Callable[..., torch.Tensor]] = {
    "binary": _logistic,
    "huber": _huber,
    "squared": _squared,
    "rank": _pairs,
}
