"""What every study of token probes can be told about its split and its judgement."""

from __future__ import annotations

from pydantic import Field

from augury.config import Config

__all__ = ["EvaluationConfig", "SplitConfig"]


class SplitConfig(Config):
    """How groups are dealt to train, validation and test."""

    fractions: tuple[float, float, float] = (0.6, 0.2, 0.2)
    """Shares of the traces."""

    seed: int = Field(default=42, ge=0)


class EvaluationConfig(Config):
    """How cells are judged."""

    draws: int = Field(default=1000, ge=100)
    """Resamples of groups behind every interval."""

    permutations: int = Field(default=1000, ge=100)
    """Rotations of labels behind every p value."""

    alpha: float = Field(default=0.05, gt=0, lt=1)
    seed: int = Field(default=0, ge=0)
    baselines: tuple[str, ...] | None = None
    """Baselines to compare with; all that the data allows when not given."""
