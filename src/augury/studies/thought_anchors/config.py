"""Everything that the thought-anchors study can be told."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, get_args

from pydantic import Field, model_validator

from augury.activations.plan import ReadingPlan
from augury.config import Config
from augury.evaluate.deferral import Objective
from augury.models.load import ModelConfig
from augury.rollouts.config import RolloutsConfig
from augury.runs.paths import expand
from augury.studies.reading import ReadingJob
from augury.studies.texts import TraceConfig
from augury.studies.thought_anchors.reading_config import (
    TOKEN_KINDS,
    ProbeConfig,
    Residual,
    SentenceReading,
)
from augury.targets.importance import Estimator, LabelRule
from augury.traces.sources.rollout_files import (
    FolderRollouts,
    HubRollouts,
    RolloutFiles,
    Setting,
)

__all__ = [
    "DataConfig",
    "DeferralConfig",
    "EvaluationConfig",
    "FoldConfig",
    "LabelConfig",
    "Target",
    "ThoughtAnchorsConfig",
    "is_anchor",
    "residual_name",
]

Target = Literal["anchor_binary", "importance_abs", "importance_signed"]


def residual_name(target: str, taken: Residual) -> str:
    """What results call that which place, or place and text, leave over of a target.

    Two names, so that no ranking holds one against the other.
    """
    return f"{target}_text_residual" if taken == "position+text" else f"{target}_residual"


def is_anchor(target: str) -> bool:
    """Whether a target, or what is left over of it, is yes or no and rests on the percentile."""
    return target.startswith("anchor_binary")


_MODEL, _SPLIT = "deepseek-r1-distill-qwen-14b", "correct_base_solution"


class DataConfig(Config):
    """Which problems are read, and from where."""

    source: Literal["folder", "hub"] = "folder"
    """`folder`: a local one of the layout of math-rollouts; `hub`: the dataset itself."""

    path: str | None = "$AUGURY_DATA/thought_anchors"
    """The folder. `$NAME` is read from the environment."""

    revision: str = ""
    """For `hub`: the commit, 40 hexadecimal digits."""

    model: str = _MODEL
    """Folder of the model that wrote the solutions."""

    split: str = _SPLIT
    """Folder of the solutions: `correct_base_solution` or `incorrect_base_solution`."""

    problems: tuple[int, ...] = ()
    """Ids of problems; all, where none is given."""

    limit: int | None = Field(default=None, ge=1)
    """Only the first so many, by id."""

    rollouts: RolloutsConfig | None = None
    """How they are made, where the study makes its own: the stage `rollouts` writes what is missing
    of them below `path`, and `model` and `split` follow from it."""

    encoder: str = ""
    """What `augury anchors verify-labels` compares resampled sentences by, at a cosine of 0.8: a
    sentence encoder, as a folder or a hub id. Rollouts that augury made say it themselves."""

    on_fault: Literal["skip", "stop"] = "skip"
    """What a problem does that cannot be read: be left out and listed, or end the run."""

    @model_validator(mode="after")
    def _source_has_its_place(self) -> DataConfig:
        if self.source == "folder" and not self.path:
            raise ValueError("source 'folder' needs a path")
        if self.source == "hub" and not self.revision:
            raise ValueError("source 'hub' needs a revision")
        if self.source == "hub" and self.rollouts is not None:
            raise ValueError("own rollouts are made in a folder: set source to folder")
        named = (self.model, self.split) != (_MODEL, _SPLIT)
        if self.rollouts is not None and named:
            raise ValueError("model and split follow from rollouts: leave them out, or take labels")
        return self

    @property
    def setting(self) -> Setting:
        """Whose solutions, and which: those that `rollouts` makes, or `model` and `split`."""
        return self.rollouts.setting if self.rollouts else Setting(self.model, self.split)

    def files(self) -> RolloutFiles:
        """Where the files are.

        Raises:
            ConfigError: A name is no folder's, or the revision is no commit.
            MissingInput: A variable in the path is not set.
        """
        if self.source == "hub":
            return HubRollouts(self.setting, self.revision)
        return FolderRollouts(Path(expand(str(self.path), "data.path")), self.setting)


class LabelConfig(Config):
    """What a sentence's label is. A new label reads nothing anew."""

    targets: tuple[Target, ...] = ("anchor_binary", "importance_abs", "importance_signed")
    """Anchor or not; size of the importance; importance, above 0 where the sentence helps."""

    estimator: Estimator = "counterfactual"
    """Of which importance: see `LabelRule`."""

    percentile: float = Field(default=90.0, gt=0, lt=100)
    """Anchors are at or above this percentile of their problem's importances."""

    drop_last: bool = True
    """Leave out the last sentence, of which nothing is measured."""

    @model_validator(mode="after")
    def _distinct(self) -> LabelConfig:
        if not self.targets or len(set(self.targets)) < len(self.targets):
            raise ValueError("targets must be distinct and not empty")
        return self

    @property
    def rule(self) -> LabelRule:
        """As the core takes it."""
        return LabelRule(self.estimator, self.percentile, self.drop_last)


class FoldConfig(Config):
    """Which problems are fitted on, chosen on and tested on."""

    kind: Literal["leave-one-problem-out", "k-fold"] = "leave-one-problem-out"
    """Each problem is tested once either way, and every problem validates."""

    k: int = Field(default=5, ge=3)
    """Folds of `k-fold`."""

    validation: int = Field(default=2, ge=1)
    """Problems to choose strengths and thresholds on, of `leave-one-problem-out`."""

    seed: int = Field(default=0, ge=0)
    """Of the circle on which validation rotates, or of the deal."""


class EvaluationConfig(Config):
    """How the scores are judged."""

    draws: int = Field(default=2000, ge=100)
    """Bootstrap draws of problems."""

    permutations: int = Field(default=2000, ge=200)
    """Rotations of the labels within their problem."""

    shuffles: int = Field(default=200, ge=200)
    """Trainings on shuffled labels, for the tripwire."""

    bins: int = Field(default=5, ge=2)
    """Bins of relative position."""

    seed: int = Field(default=0, ge=0)
    """Of all draws."""

    alpha: float = Field(default=0.05, gt=0, lt=0.5)
    """Family-wise error rate."""


class DeferralConfig(Config):
    """What two thresholds on the anchor score should reach."""

    objective: Literal["budget", "error"] = "budget"
    """`budget`: the least error with at most `limit` deferred; `error`: the reverse."""

    limit: float = Field(default=0.2, ge=0, le=1)
    """A share."""

    @property
    def wanted(self) -> Objective:
        """As the core takes it."""
        return Objective(self.objective, self.limit)


class ThoughtAnchorsConfig(Config):
    """The whole study."""

    data: DataConfig = DataConfig()
    labels: LabelConfig = LabelConfig()
    folds: FoldConfig = FoldConfig()
    evaluation: EvaluationConfig = EvaluationConfig()
    deferral: DeferralConfig = DeferralConfig()

    activations: bool = False
    """Whether a model reads the solutions and probes are fitted to its states. Labels, and what
    text and place tell, need none: `model`, `reading` and `probes` are unused then."""

    model: ModelConfig = ModelConfig(name="organism")
    """Who reads; on-policy if it is the one that wrote."""

    reading: SentenceReading = SentenceReading()
    probes: ProbeConfig = ProbeConfig()

    @model_validator(mode="after")
    def _probes_fit_what_is_read(self) -> ThoughtAnchorsConfig:
        needy = [kind for kind in self.probes.kinds if kind in TOKEN_KINDS]
        if self.activations and needy and self.reading.pooling != "tokens":
            raise ValueError(f"{needy[0]} reads every token: set reading.pooling to tokens")
        unknown = set(self.probes.net_targets) - set(get_args(Target))
        if unknown:
            raise ValueError(f"net_targets: {sorted(unknown)[0]!r} is no target")
        return self

    @property
    def named_model(self) -> ModelConfig:
        """The model to load, with `$NAME` in its name read from the environment."""
        return self.model.model_copy(update={"name": expand(self.model.name, "model.name")})

    @property
    def residuals(self) -> Mapping[Target, str]:
        """Targets of which, too, what is left over is judged, and its name in results."""
        taken = self.probes.residual
        if not self.activations or taken == "none":
            return {}
        return {target: residual_name(target, taken) for target in self.labels.targets}

    def reading_job(self, plan: ReadingPlan) -> ReadingJob:
        """The reading of all solutions by this plan."""
        overflow: Literal["error", "window"] = (
            "window" if self.reading.overflow == "window" else "error"
        )
        texts = TraceConfig(bos=self.reading.bos, overflow=overflow)
        return ReadingJob(model=self.model, traces=texts, reading=plan)
