"""Probes that read a span token by token (or as one pooled row, for the MLP), and their fit."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch

from augury.errors import DataError
from augury.probes.net_config import Net
from augury.probes.segments import Segments
from augury.probes.span_task import SpanTask
from augury.probes.spans import Spans, chunks
from augury.probes.token_net import forward
from augury.probes.train_seeds import Scale, Trained, as_read, train_seeds

__all__ = ["SequenceProbe", "fit_sequence"]

_READ_TOKENS = 1 << 14


@dataclass(frozen=True, eq=False)
class SequenceProbe:
    """One net per seed, on raw states; higher means more (likely)."""

    net: Net
    """What the weights are of."""

    weights: dict[str, np.ndarray]
    """Float32 [seed, ...], by name as in `token_net.weight_shapes`."""

    scale: Scale
    """Standardisation that the states pass first."""

    def score(self, spans: Spans) -> np.ndarray:
        """Score spans with every seed -> float32 [span, seed].

        Each span and seed is computed on its own in float64 and rounded once, so a span's score
        does not depend on what else is scored, bit for bit, for one build of torch on one kind of
        processor.

        Raises:
            DataError: The states have another width, or one is not finite.
        """
        if spans.hidden != len(self.scale.mean):
            raise DataError(
                "spans",
                found=f"states of width {spans.hidden}",
                expected=f"width {len(self.scale.mean)}",
                fix="score the site that the probe was fitted on",
            )
        prepared = as_read(self.net, spans, np.ones(len(spans), dtype=bool))
        members = self._members(prepared.device)
        result = np.empty((len(prepared), len(members)), dtype=np.float32)
        for piece in chunks(prepared.lengths, spans=len(prepared), tokens=_READ_TOKENS):
            states, offsets = prepared.read(np.arange(piece.start, piece.stop))
            for at, (first, last) in enumerate(pairwise(offsets.tolist()), piece.start):
                rows = self.scale.standardise(states[first:last].double())
                alone = Segments(torch.tensor([0, last - first], device=rows.device))
                result[at] = [float(forward(self.net, one, rows, alone)) for one in members]
        return result

    def _members(self, device: torch.device) -> list[dict[str, torch.Tensor]]:
        every = {name: torch.from_numpy(w).to(device).double() for name, w in self.weights.items()}
        return [
            {name: weight[seed : seed + 1] for name, weight in every.items()}
            for seed in range(len(self.weights["bias"]))
        ]


def fit_sequence(task: SpanTask, net: Net, seeds: tuple[int, ...]) -> tuple[SequenceProbe, Trained]:
    """Train a net once per seed.

    Raises:
        DataError: As `train_seeds`.
    """
    trained = train_seeds(task, net, seeds)
    weights = {name: weight.numpy() for name, weight in trained.weights.items()}
    return SequenceProbe(net, weights, trained.scale), trained
