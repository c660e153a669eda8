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

from augury.probes.columns import Columns, Mass, Rows
from augury.probes.rows import (
    FeatureSums,
    Moments,
    States,
    blocks,
    device_of,
    inverse_deviation,
    numbers_of,
)
from augury.probes.search import Value

__all__ = ["LogisticObjective", "Null", "inverse_deviation", "read_null"]

_REGISTER = 8
"""Float32 numbers in a vector register."""

_CENTRE_FROM = 16.0
"""Mean in deviations from which float32 products need centred states to stay exact."""


@dataclass(frozen=True)
class Null:
    """What the first read gives."""

    facts: Moments
    """Of the used rows."""

    value: Value
    """Of the intercept-only models."""


def read_null(states: States, columns: Columns, mass: Mass) -> Null:
    """Read the rows once for their moments and for the gradient at the intercept-only models.

    There the residuals w (share - y) of a column sum to 0, so the gradient does not depend on the
    origin of the features, and the mean need not be known before.

    Raises:
        DataError: No row is used, or a used state is not finite.
    """
    share = mass.share
    everyone, device = np.arange(len(share)), device_of(states)
    at = torch.from_numpy(share.astype(np.float32)).to(device)[:, None]
    sums, back = FeatureSums(), torch.zeros(0)
    for rows, block in blocks(states, mass.used):
        shifted = sums.add(numbers_of(rows), block)
        label, weight = _on(device, columns, rows, everyone)
        product = (weight * (at - label.float())) @ shifted
        back = product.double() if not len(back) else back.add_(product)
    facts = sums.moments()
    total = np.where(mass.sound, mass.total, 1)
    by_weight = back.cpu().numpy() * inverse_deviation(facts) / total[:, None]
    loss = -share * np.log(share) - (1 - share) * np.log(1 - share)
    return Null(facts, Value(loss, np.pad(by_weight, ((0, 0), (0, 1))), share * (1 - share)))


@dataclass(frozen=True)
class LogisticObjective:
    """Loss and gradient by standardised coefficients."""

    states: States
    """Raw states [row, hidden]."""

    columns: Columns
    """Labels and weights."""

    mass: Mass
    """Of the columns."""

    l2: np.ndarray
    """Ridge strength on standardised features, float64 [column]."""

    facts: Moments
    """Of the used rows."""

    def at(self, coefficients: np.ndarray, columns: np.ndarray) -> Value:
        """Value of the given columns, in one read.

        Args:
            coefficients: Standardised weights, then the intercept, float64 [live, hidden + 1].
            columns: Column numbers [live].
        """
        inverse, mean = inverse_deviation(self.facts), self.facts.mean
        raw = coefficients[:, :-1] * inverse
        far = float(np.max(np.abs(mean) * inverse, initial=0.0)) > _CENTRE_FROM
        centre = mean.astype(np.float32) if far else None
        rest = mean if centre is None else mean - centre
        bias = coefficients[:, -1] - raw @ rest
        loss, back, residual, bend = self._read(raw, bias, columns, centre)
        scale = 1 / self.mass.total[columns]
        back = back - residual[:, None] * rest
        gamma, l2 = coefficients[:, :-1], self.l2[columns]
        by_weight = back * inverse * scale[:, None] + l2[:, None] * gamma
        gradient = np.concatenate([by_weight, (residual * scale)[:, None]], axis=1)
        ridge = l2 / 2 * np.einsum("ch,ch->c", gamma, gamma)
        return Value(loss * scale + ridge, gradient, bend * scale)

    def _read(
        self, raw: np.ndarray, bias: np.ndarray, columns: np.ndarray, origin: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Sums over rows of w loss, w loss' (x - origin), w loss' and w loss'', in float64."""
        device, live = device_of(self.states), len(columns)
        # A whole number of vector registers of columns takes less time than one column fewer.
        wide = -(-live // _REGISTER) * _REGISTER
        vectors = torch.zeros((wide, raw.shape[1]), device=device)
        vectors[:live] = torch.from_numpy(raw.astype(np.float32))
        offset = torch.from_numpy(bias.astype(np.float32)).to(device)[:, None]
        centre = None if origin is None else torch.from_numpy(origin).to(device)
        loss = torch.zeros(len(columns), dtype=torch.float64, device=device)
        back = torch.zeros(vectors.shape, dtype=torch.float64, device=device)
        slopes = torch.zeros((wide, 0), device=device)
        residual, bend = torch.zeros_like(loss), torch.zeros_like(loss)
        for rows, block in blocks(self.states, self.mass.used):
            if centre is not None:
                block = block - centre
            label, weight = _on(device, self.columns, rows, columns)
            sign = 1 - 2 * label.float()
            margin = (vectors @ block.T)[:live].add_(offset).mul_(sign)
            loss += (torch.nn.functional.softplus(margin) * weight).sum(1)
            chance = margin.sigmoid_()
            bend += ((1 - chance).mul_(chance) * weight).sum(1)
            if slopes.shape[1] != len(block):
                slopes = torch.zeros((wide, len(block)), device=device)
            slope = torch.mul(chance.mul_(sign), weight, out=slopes[:live])
            back += slopes @ block
            residual += slope.sum(1)
        loss, back, residual, bend = (part.cpu() for part in (loss, back[:live], residual, bend))
        return loss.numpy(), back.numpy(), residual.numpy(), bend.numpy()


def _on(
    device: torch.device, columns: Columns, rows: Rows, live: np.ndarray
) -> tuple[torch.Tensor, torch.Tensor]:
    """Labels and weights [live, row], on the device of the states."""
    labels, weights = (torch.from_numpy(part) for part in columns.read(rows, live))
    return labels.to(device), weights.to(device)
