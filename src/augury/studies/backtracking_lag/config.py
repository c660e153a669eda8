"""Everything that the backtracking-lag study can be told."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from augury.activations.plan import ReadingPlan
from augury.config import Config
from augury.models.load import ModelConfig

__all__ = [
    "BacktrackingLagConfig",
    "EvaluationConfig",
    "ProbeConfig",
    "SplitConfig",
    "TargetConfig",
    "TraceConfig",
]


class TraceConfig(Config):
    """Which texts are read."""

    source: Literal["organism", "annotated-chains", "traces"] = "organism"
    """`organism`: chains that the embedded model samples now; `annotated-chains`: a JSON file with
    inline marks; `traces`: a Parquet or JSONL file of augury's own."""

    path: str | None = None
    """The file of `annotated-chains` and `traces`. `$NAME` is read from the environment."""

    limit: int | None = Field(default=None, ge=1)
    """Use only the first so many chains; for `organism`, how many to sample (1000)."""

    written_by: str = ""
    """Model that wrote the chains of a file; decides whether a run is on-policy."""

    prompt_style: Literal["chat", "plain", "none"] = "plain"
    """How a file's problem is put before its chain."""

    bos: Literal["auto", "always", "never"] = "auto"
    """Whether a text starts with the beginning-of-text token; `auto`: as the tokenizer does."""

    overflow: Literal["error", "cut", "window"] = "error"
    """What happens to a text longer than the model's context."""

    context: int | None = Field(default=None, ge=8)
    """Longest text in tokens; the model's own context when not given."""

    seed: int = Field(default=0, ge=0)
    """For `organism`: of the problems and of the sampling."""

    temperature: float = Field(default=1.0, ge=0)
    """For `organism`."""


class TargetConfig(Config):
    """What is predicted, and how far ahead."""

    labels: tuple[str, ...] = ("backtracking",)
    """Labels of annotated spans; each becomes a target of its own."""

    horizons: tuple[int, ...] = (16, 12, 8, 4, 0, -4, -8)
    """Tokens from state to label: h > 0 looks ahead, h = 0 is now, h < 0 is behind. lag = -h."""

    kind: Literal["point", "within", "span"] = "point"
    """`point`: an onset exactly h tokens ahead; `within`: in (t, t+h]; `span`: token t+h lies
    inside an annotated span, as in the first version of this study."""

    @model_validator(mode="after")
    def _distinct(self) -> TargetConfig:
        for name, values in (("labels", self.labels), ("horizons", self.horizons)):
            if not values or len(set(values)) < len(values):
                raise ValueError(f"{name} must be distinct and not empty")
        if self.kind == "within" and min(self.horizons) < 1:
            raise ValueError("kind 'within' looks ahead: every horizon must be at least 1")
        return self


class SplitConfig(Config):
    """How groups are dealt to train, validation and test."""

    fractions: tuple[float, float, float] = (0.6, 0.2, 0.2)
    """Shares of the chains."""

    seed: int = Field(default=42, ge=0)


class ProbeConfig(Config):
    """Logistic probes; the strength is chosen on validation."""

    l2: tuple[float, ...] = (0.3, 0.03, 0.003, 0.0003)
    """Ridge strengths on standardised states, strong to weak."""

    balance: Literal["none", "balanced"] = "none"
    """`balanced` weighs positives and negatives alike, as the first version did."""

    control_seed: int = Field(default=0, ge=0)
    """Of the rotation of labels that the shuffled-label control is trained on."""


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


class BacktrackingLagConfig(Config):
    """Can an event be predicted before it happens: in which layer, how many tokens ahead?"""

    model: ModelConfig = ModelConfig(name="organism")
    traces: TraceConfig = TraceConfig()
    reading: ReadingPlan
    targets: TargetConfig = TargetConfig()
    split: SplitConfig = SplitConfig()
    probe: ProbeConfig = ProbeConfig()
    evaluation: EvaluationConfig = EvaluationConfig()
    shown_chains: int = Field(default=3, ge=0)
    """How many of the best and of the worst validation chains the coloured view shows."""

    @model_validator(mode="after")
    def _source_has_its_file(self) -> BacktrackingLagConfig:
        if (self.traces.source == "organism") != (self.traces.path is None):
            raise ValueError("traces.path belongs to sources other than 'organism', and is needed")
        return self

    @property
    def on_policy(self) -> bool:
        """The model reads text that it wrote itself."""
        writer = self.traces.written_by or (
            self.model.name if self.traces.source == "organism" else ""
        )
        same = Path(writer).name.lower() == Path(self.model.name).name.lower()
        return bool(writer) and same and self.model.adapter is None
