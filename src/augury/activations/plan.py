"""ReadingPlan: what to read where, decided before the first forward pass."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator, model_validator

from augury.config import Config
from augury.models.sites import is_vertical, sites_in_order

__all__ = ["Pooling", "ReadingPlan"]

Pooling = Literal["last", "mean", "max", "first"]


class ReadingPlan(Config):
    """Which states of every trace are kept, and in which form."""

    sites: tuple[str, ...] = Field(min_length=1)
    """Places of the model: `embed`, `query.I`, `key.I`, `attn.I`, `mlp.I`, `resid.I` (block I, from
    0), `final`, `logits`. A row of `logits` is as wide as the vocabulary. `vertical.I`: see
    `augury.activations.vertical`; of spans that become one row."""

    rows: Literal["completion", "all", "spans"] = "completion"
    """What to keep: the tokens of the completion, those of the prompt too, or chosen spans."""

    labels: tuple[str, ...] = ()
    """Which of the spans that the traces carry, where rows are spans; `sentence` is every sentence
    of the completion where a trace marks none itself. A named position is a span of its token."""

    pooling: Literal["tokens", "last", "mean", "max", "first"] = "tokens"
    """How a span becomes rows: each of its tokens, once; or one row, reduced on the device: its
    first or last token, or the mean or maximum over its tokens, coordinate by coordinate."""

    proximity: int = Field(default=4, ge=1)
    """Of `vertical.I`: only spans that stand at least so many later count as readers."""

    dtype: Literal["as-computed", "float32", "bfloat16", "float16"] = "as-computed"
    """Number type on disk; `as-computed` is the model's, and float32 for means. `float16` is
    refused where a state does not fit into it."""

    batch_tokens: int = Field(default=4096, ge=1)
    """At most this many tokens in one forward pass, padding included."""

    batching: Literal["auto", "packed", "padded"] = "auto"
    """`packed`: no padding, attention per trace; `padded`: traces of similar length below one
    another. `auto`: packed wherever the model's attention allows it."""

    @field_validator("sites")
    @classmethod
    def _in_order(cls, sites: tuple[str, ...]) -> tuple[str, ...]:
        return sites_in_order(sites)

    @model_validator(mode="after")
    def _spans_fit(self) -> ReadingPlan:
        if self.rows != "spans" and (self.labels or self.pooling != "tokens"):
            raise ValueError("labels and pooling are for rows: spans")
        if "logits" in self.sites and self.pooling in ("mean", "max"):
            raise ValueError("logits belong to one token: set pooling to tokens, first or last")
        if self.vertical and (self.rows != "spans" or self.pooling == "tokens"):
            raise ValueError("vertical.I is of spans that become one row: set rows and pooling")
        return self

    @property
    def vertical(self) -> bool:
        """Whether a site is made of attention between spans."""
        return any(map(is_vertical, self.sites))

    def determining(self) -> dict[str, object]:
        """The part of the plan that can change a value or a row, in plain form."""
        unused = {"batching", "labels", *(() if self.vertical else ("proximity",))}
        return self.model_dump(mode="json", exclude=unused)
