"""Settings of the probes that are trained step by step, and how they are trained."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from augury.activations.pool import Pooling
from augury.config import Config

__all__ = [
    "AttentionNet",
    "EmaNet",
    "MlpNet",
    "MultiMaxNet",
    "Net",
    "RollingNet",
    "SoftmaxNet",
    "Training",
]


class Training(Config):
    """AdamW with early stopping; the same for every kind."""

    learning_rate: float = Field(default=1e-3, gt=0)
    """Step size of AdamW."""

    weight_decay: float = Field(default=1e-2, ge=0)
    """Of AdamW: pulls weights towards 0 at every step, times the learning rate."""

    batch_spans: int = Field(default=32, ge=1)
    """Most spans of a step."""

    batch_tokens: int = Field(default=8192, ge=1)
    """Most tokens of a step, unless one span is longer; bounds the memory."""

    epochs: int = Field(default=50, ge=1)
    """Most passes over the training spans."""

    patience: int = Field(default=5, ge=1)
    """Epochs without a better validation metric after which a seed is done."""

    least_steps: int = Field(default=300, ge=0)
    """Steps before patience counts: with few spans an epoch is too short to judge by."""

    order_seed: int = 0
    """Of the order of the spans, which all seeds share; a seed varies the initial weights."""

    continuous_loss: Literal["huber", "squared"] = "huber"
    """For continuous targets, on standardised values; Huber's bend lies at 1 deviation."""


class Net(Config):
    """What all of them share."""

    depth: int = Field(default=1, ge=0, le=4)
    """Hidden layers that each token passes; 0 scores the standardised state itself."""

    width: int = Field(default=128, ge=1)
    """Units of each hidden layer."""

    heads: int = Field(default=4, ge=1)
    """Scores per token; two start as each other's opposite."""

    training: Training = Training()
    """Steps, stopping and loss."""


class MlpNet(Net):
    """A network on one pooled row per span."""

    heads: int = Field(default=1, ge=1)
    """Scores per row."""

    pooling: Pooling = "mean"
    """How the tokens of a span become the row."""


class AttentionNet(Net):
    """Each head looks where it learned to look."""


class MultiMaxNet(Net):
    """Each head takes its highest token."""


class _Directions(Net):
    depth: int = Field(default=0, ge=0, le=4)
    """Hidden layers; 0 = each head is a direction in the states."""

    training: Training = Training(learning_rate=1e-2)
    """A direction has far to go, and there is no hidden layer that a large step would upset."""


class SoftmaxNet(_Directions):
    """Between the mean of the token scores and their maximum."""

    temperature: float = Field(default=1.0, gt=0)
    """High: the mean of the tokens; low: their maximum."""


class RollingNet(_Directions):
    """The loudest passage of `window` tokens."""

    window: int = Field(default=8, ge=1)
    """In tokens."""


class EmaNet(_Directions):
    """The loudest moment of a score that fades, as a monitor sees it token by token."""

    half_life: float = Field(default=4.0, gt=0)
    """In tokens."""
