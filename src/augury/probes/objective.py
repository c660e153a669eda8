"""The logistic loss of many columns over the same rows, and its gradient, in one read.

For column c, with y = +1 / -1, weights w and standardised features z = (x - mean) / deviation,

    loss_c = sum_i w_i log(1 + exp(-y_i (z_i . gamma + b))) / sum_i w_i + (l2_c / 2) |gamma|^2

The intercept b is not penalised. Mean and deviation are folded into the weights, so the states
are read as they are stored.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from augury.probes.rows import Moments, StateArray, blocks

__all__ = ["LogisticObjective", "inverse_deviation"]

_CENTRE_FROM = 16.0
"""Mean in deviations from which float32 products need centred states to stay exact."""


def inverse_deviation(facts: Moments) -> np.ndarray:
    """1 / standard deviation, and 0 for a constant feature (its weight stays 0); [hidden]."""
    deviation = facts.deviation
    return np.where(deviation > 0, 1 / np.where(deviation > 0, deviation, 1), 0.0)


@dataclass(frozen=True)
class LogisticObjective:
    """Loss and gradient by standardised coefficients."""

    states: StateArray
    """Raw states [row, hidden]."""

    labels: np.ndarray
    """Bool [row, column]."""

    weights: np.ndarray
    """Float32 [row, column], 0 where a column does not use a row."""

    total: np.ndarray
    """Sum of the weights, float64 [column]."""

    l2: np.ndarray
    """Ridge strength on standardised features, float64 [column]."""

    used: np.ndarray
    """Rows with a positive weight somewhere, bool [row]."""

    facts: Moments
    """Of the used rows."""

    def at(self, coefficients: np.ndarray, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Loss [live] and gradient [live, hidden + 1] of the given columns, in one read.

        Args:
            coefficients: Standardised weights, then the intercept, float64 [live, hidden + 1].
            columns: Column numbers [live].
        """
        inverse, mean = inverse_deviation(self.facts), self.facts.mean
        raw = coefficients[:, :-1] * inverse
        centre = float(np.max(np.abs(mean) * inverse, initial=0.0)) > _CENTRE_FROM
        bias = coefficients[:, -1] - (0 if centre else raw @ mean)
        loss, back, residual = self._read(raw, bias, columns, mean if centre else None)
        scale = 1 / self.total[columns]
        if not centre:
            back = back - residual[:, None] * mean
        gamma, l2 = coefficients[:, :-1], self.l2[columns]
        by_weight = back * inverse * scale[:, None] + l2[:, None] * gamma
        gradient = np.concatenate([by_weight, (residual * scale)[:, None]], axis=1)
        return loss * scale + l2 / 2 * np.einsum("ch,ch->c", gamma, gamma), gradient

    def _read(
        self, raw: np.ndarray, bias: np.ndarray, columns: np.ndarray, shift: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Sums over rows of w loss, w loss' x and w loss', accumulated in float64 by block."""
        device = self.states.device if isinstance(self.states, torch.Tensor) else "cpu"
        vectors = torch.from_numpy(raw.astype(np.float32)).to(device)
        offset = torch.from_numpy(bias.astype(np.float32)).to(device)
        centre = None if shift is None else torch.from_numpy(shift).to(device)
        loss = torch.zeros(len(columns), dtype=torch.float64, device=device)
        back = torch.zeros(raw.shape, dtype=torch.float64, device=device)
        residual = torch.zeros_like(loss)
        everything = len(columns) == self.labels.shape[1]
        for rows, block in blocks(self.states, self.used):
            if centre is not None:
                block = (block.double() - centre).float()
            labels, weights = self.labels[rows], self.weights[rows]
            if not everything:
                labels, weights = labels[:, columns], weights[:, columns]
            sign = torch.from_numpy(1 - 2 * labels.astype(np.float32)).to(device)
            weight = torch.from_numpy(weights.astype(np.float32)).to(device)
            margin = torch.addmm(offset, block, vectors.T).mul_(sign)
            loss += (torch.nn.functional.softplus(margin) * weight).sum(0, dtype=torch.float64)
            slope = margin.sigmoid_().mul_(sign).mul_(weight)
            back += slope.T @ block
            residual += slope.sum(0, dtype=torch.float64)
        return loss.cpu().numpy(), back.cpu().numpy(), residual.cpu().numpy()
