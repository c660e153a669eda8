"""Everything that the backtracking-lag study can be told."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from augury.activations.plan import ReadingPlan
from augury.config import Config
from augury.models.load import ModelConfig
from augury.studies.reading import ReadingJob
from augury.studies.scores import GridAxes
from augury.studies.splitting import SplitConfig
from augury.studies.texts import TraceConfig

__all__ = [
    "BacktrackingLagConfig",
    "EvaluationConfig",
    "ProbeConfig",
    "TargetConfig",
]


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

    @property
    def ahead(self) -> list[int]:
        """Places in `horizons` of those that look ahead; of all, where none does."""
        found = [number for number, horizon in enumerate(self.horizons) if horizon > 0]
        return found or list(range(len(self.horizons)))


class ProbeConfig(Config):
    """Logistic probes; the strength is chosen on validation."""

    l2: tuple[float, ...] = (0.03, 0.003, 0.0003, 0.00003)
    """Ridge strengths on standardised states, strong to weak."""

    balance: Literal["none", "balanced"] = "none"
    """`balanced` weighs positives and negatives alike, as the first version did."""

    control_seed: int = Field(default=0, ge=0)
    """Of the rotations of labels that the shuffled-label control is trained on."""

    control_draws: int = Field(default=5, ge=3)
    """How many rotations; each costs one more fit per horizon ahead."""


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

    @property
    def job(self) -> ReadingJob:
        """The reading that this study needs."""
        return ReadingJob(model=self.model, traces=self.traces, reading=self.reading)

    @property
    def axes(self) -> GridAxes:
        """What the probes are numbered by."""
        return GridAxes(self.targets.labels, self.targets.horizons, self.targets.ahead)

    @property
    def on_policy(self) -> bool:
        """The model reads text that it wrote itself."""
        writer = self.traces.written_by or (
            self.model.name if self.traces.source == "organism" else ""
        )
        same = Path(writer).name.lower() == Path(self.model.name).name.lower()
        return bool(writer) and same and self.model.adapter is None
