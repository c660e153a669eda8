"""ReadingPlan: what to read where, decided before the first forward pass."""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field, field_validator

from augury.config import Config
from augury.models.sites import sites_in_order
from augury.traces.tokens import TokenisedTrace

__all__ = ["ReadingPlan", "planned_rows"]


class ReadingPlan(Config):
    """Which states of every trace are kept, and in which form."""

    sites: tuple[str, ...] = Field(min_length=1)
    """Places of the model: `embed`, `query.I`, `key.I`, `attn.I`, `mlp.I`, `resid.I` (block I, from
    0), `final`, `logits`. A row of `logits` is as wide as the vocabulary."""

    rows: Literal["completion", "all"] = "completion"
    """Tokens to keep: of the completion, or of the prompt too."""

    dtype: Literal["as-computed", "float32", "bfloat16", "float16"] = "as-computed"
    """Number type on disk. `float16` is refused where a state does not fit into it."""

    batch_tokens: int = Field(default=4096, ge=1)
    """At most this many tokens in one forward pass, padding included."""

    batching: Literal["auto", "packed", "padded"] = "auto"
    """`packed`: no padding, attention per trace; `padded`: traces of similar length below one
    another. `auto`: packed wherever the model's attention allows it."""

    @field_validator("sites")
    @classmethod
    def _in_order(cls, sites: tuple[str, ...]) -> tuple[str, ...]:
        return sites_in_order(sites)


def planned_rows(trace: TokenisedTrace, rows: Literal["completion", "all"]) -> np.ndarray:
    """Token indices that are kept of one trace, int32 [row], ascending.

    Of a window that is not the first, only what earlier windows have not shown is kept.
    """
    first = 0 if rows == "all" and trace.part == 0 else trace.first_row
    return np.arange(first, len(trace.ids), dtype=np.int32)
