"""What the study reads of a model, and which probes it fits to it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from augury.activations.plan import ReadingPlan
from augury.config import Config
from augury.probes.net_config import AttentionNet, MlpNet, MultiMaxNet, Net, Training
from augury.traces.encode import Bos

__all__ = ["TOKEN_KINDS", "Kind", "ProbeConfig", "Residual", "SentenceReading", "VerticalConfig"]

Kind = Literal["linear", "position+linear", "logistic", "mlp", "attention", "multimax"]
Residual = Literal["none", "position", "position+text"]
TOKEN_KINDS: tuple[Kind, ...] = ("attention", "multimax")
"""Kinds that read every token of a sentence."""


class VerticalConfig(Config):
    """Vertical attention: how much later sentences attend to a sentence."""

    mode: Literal["off", "light", "full"] = "off"
    """`light`: the blocks at a quarter, half and three quarters of the depth; `full`: all."""

    proximity: int = Field(default=4, ge=1)
    """Only sentences that stand at least so many later count as readers."""

    depth_control: bool = True
    """Take the rank of a sentence among those that a reader sees, not the attention itself, which
    early sentences share with few others."""

    receivers: int = Field(default=20, ge=1)
    """How many heads with the highest kurtosis over sentences are the receiver heads."""

    def plan(self, depth: int) -> ReadingPlan | None:
        """What is read of a model with `depth` blocks; None for `off`."""
        if self.mode == "off":
            return None
        blocks = range(depth) if self.mode == "full" else _quarters(depth)[:-1]
        return ReadingPlan(
            sites=tuple(f"vertical.{block}" for block in blocks),
            rows="spans",
            labels=("sentence",),
            pooling="mean",
            proximity=self.proximity,
        )


class SentenceReading(Config):
    """Which states of every sentence are kept, and in which form."""

    sweep: Literal["all", "auto", "listed"] = "auto"
    """Which sites. `all`: `embed` and the output of every block; `auto`: of the blocks those at a
    quarter, half and three quarters, and the last; `listed`: those of `sites`."""

    sites: tuple[str, ...] = ()
    """For `listed`."""

    pooling: Literal["tokens", "mean", "last", "max", "first"] = "mean"
    """How a sentence becomes rows: each of its tokens, which `attention` and `multimax` need, or
    one row. From tokens, the other kinds take the mean."""

    dtype: Literal["as-computed", "float32", "bfloat16", "float16"] = "as-computed"
    """Number type on disk; see `ReadingPlan.dtype`."""

    batch_tokens: int = Field(default=4096, ge=1)
    """At most this many tokens in one forward pass; a longer problem goes alone."""

    bos: Bos = "auto"
    """Whether a text starts with the beginning-of-text token; `auto`: as the tokenizer does."""

    overflow: Literal["skip", "window"] = "skip"
    """What happens to a problem longer than the model's context: it is left out and listed, or read
    in windows that overlap by half."""

    longest: int | None = Field(default=None, ge=8)
    """Longest problem in tokens that memory holds; a longer one is left out and listed."""

    pilot: int = Field(default=3, ge=1)
    """Problems that have to pass every check before the others are read."""

    vertical: VerticalConfig = VerticalConfig()

    @model_validator(mode="after")
    def _sites_are_for_listed(self) -> SentenceReading:
        if (self.sweep == "listed") != bool(self.sites):
            raise ValueError("sites belong to sweep 'listed', and are needed there")
        if self.overflow == "window" and self.vertical.mode != "off":
            raise ValueError("vertical attention is of whole texts: set overflow to skip")
        return self

    def plan(self, depth: int) -> ReadingPlan:
        """What is read of a model with `depth` blocks."""
        blocks = range(depth) if self.sweep == "all" else _quarters(depth)
        sites = tuple(f"resid.{block}" for block in blocks)
        if self.sweep != "auto":
            sites = self.sites or ("embed", *sites)
        return ReadingPlan(
            sites=sites,
            rows="spans",
            labels=("sentence",),
            pooling=self.pooling,
            dtype=self.dtype,
            batch_tokens=self.batch_tokens,
        )


class ProbeConfig(Config):
    """Which probes are fitted on sentences. None of it reads the model again."""

    kinds: tuple[Kind, ...] = ("linear", "position+linear", "mlp")
    """`linear`: ridge regression; `position+linear`: the position at full weight, to which as much
    of a ridge regression on what it leaves over is added as other problems ask for; `logistic`: of
    anchors alone; `mlp`, `attention`, `multimax`: nets."""

    l2: tuple[float, ...] = Field(default=(1e3, 1e2, 10.0, 1.0, 0.1, 0.01), min_length=1)
    """Strengths of the ridge on standardised states; chosen on problems that are not tested."""

    residual: Residual = "position"
    """Judge, too, what a ridge regression on place, or on place and words, leaves over of every
    target. `position+linear` adds to what place leaves over, whatever is judged."""

    net_sites: tuple[str, ...] = ()
    """Where nets are fitted; the middle one of the read sites, if none is named."""

    net_targets: tuple[str, ...] = ("anchor_binary",)
    """What nets are fitted to: they cost far more than the rest."""

    seeds: tuple[int, ...] = (0, 1, 2)
    """Of the nets; their scores are averaged. The other kinds have one optimum."""

    epochs: int = Field(default=50, ge=1)
    """Most passes of a net over its training sentences."""

    width: int = Field(default=128, ge=1)
    """Units of the hidden layer of a net."""

    @model_validator(mode="after")
    def _distinct(self) -> ProbeConfig:
        for name in ("kinds", "seeds", "l2"):
            values = getattr(self, name)
            if not values or len(set(values)) < len(values):
                raise ValueError(f"{name} must be distinct and not empty")
        return self

    def net(self, kind: str) -> Net:
        """Settings of a net."""
        kinds: dict[str, type[Net]] = {
            "mlp": MlpNet,
            "attention": AttentionNet,
            "multimax": MultiMaxNet,
        }
        return kinds[kind](width=self.width, training=Training(epochs=self.epochs))


def _quarters(depth: int) -> list[int]:
    """Blocks at a quarter, half and three quarters, and the last."""
    return sorted({depth // 4, depth // 2, 3 * depth // 4, depth - 1})
