"""Everything that the state-transition study can be told."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from augury.causal.gates import GateLimits
from augury.causal.steering import SteeringSettings
from augury.config import Config
from augury.models.generate import Sampling
from augury.models.load import ModelConfig
from augury.runs.paths import expand
from augury.targets.triggers import Triggers

__all__ = [
    "AblationConfig",
    "AnalysisConfig",
    "DatasetConfig",
    "DetectionConfig",
    "GenerationConfig",
    "PromptingConfig",
    "StateTransitionConfig",
    "SweepConfig",
    "TextFields",
    "Variant",
]


class TextFields(Config):
    """Which field of a line is what."""

    id: str = "id"
    prompt: str = "prompt"
    """As the model read it, template included."""

    completion: str = "completion"
    answer: str | None = None
    """The right answer; lines without one, or whose answer is no number, are not judged."""

    finished: str | None = None
    """Whether the model ended the text itself; taken as yes where no field says it."""


class DatasetConfig(Config):
    """Which problems the model is given."""

    source: Literal["organism", "gsm8k", "texts"] = "organism"
    """`organism`: problems of the embedded model's world; `gsm8k`: a JSON-lines file of problems;
    `texts`: a JSON-lines file of prompts with what some model wrote, for `generation.backend:
    given`."""

    path: str | None = None
    """The file of `gsm8k` and `texts`. `$NAME` is read from the environment."""

    fields: TextFields = TextFields()
    """Of `texts`."""

    written_by: str = ""
    """Of `texts`: the model that wrote them, where it is known."""

    max_examples: int = Field(default=200, ge=20)
    seed: int = Field(default=123, ge=0)
    """Of the shuffle, or of the problems that are drawn."""

    @model_validator(mode="after")
    def _source_has_its_file(self) -> DatasetConfig:
        if (self.source == "organism") != (self.path is None):
            raise ValueError("a path belongs to sources other than 'organism', and is needed there")
        return self


class Variant(Config):
    """One way of putting the problem before the model."""

    name: str = Field(pattern=r"[A-Za-z0-9_-]{1,40}")
    style: Literal["chat", "plain", "as written"] = "chat"
    """`chat`: the tokenizer's template; `as written`: the prompt of a text that is there."""

    prefill: str = ""
    """What the answer is made to begin with. A `<think>` that the template ends with is taken off
    first, so the prefill alone decides."""


class PromptingConfig(Config):
    """How problems become prompts."""

    template: str = "{problem}"
    """The user's turn; `{problem}` stands for the problem."""

    variants: tuple[Variant, ...] = (
        Variant(name="baseline_think_newline", prefill="<think>\n"),
        Variant(name="think_same_line", prefill="<think> "),
        Variant(name="no_think_tags", prefill=""),
    )

    @model_validator(mode="after")
    def _distinct(self) -> PromptingConfig:
        names = [variant.name for variant in self.variants]
        if not names or len(set(names)) < len(names):
            raise ValueError("variants must have different names, and there must be one")
        if self.template.count("{problem}") != 1:
            raise ValueError("the template must hold {problem} once")
        return self


class GenerationConfig(Config):
    """How the model writes."""

    backend: Literal["transformers", "server", "given"] = "transformers"
    """Who writes the baseline. `server`: any server that speaks the OpenAI completions protocol;
    `given`: nobody, `dataset` holds texts, and the model reads them (teacher forcing). Under edits
    it is always the model itself that writes."""

    url: str | None = None
    """Of the server, e.g. `http://localhost:8000/v1`."""

    num_samples_per_prompt: int = Field(default=2, ge=1)
    sampling: Sampling = Sampling(max_new_tokens=400)
    chunk: int = Field(default=256, ge=1)
    """Continuations that are written to disk together; an interrupted run goes on at a chunk."""

    @model_validator(mode="after")
    def _server_has_its_address(self) -> GenerationConfig:
        if (self.backend == "server") != (self.url is not None):
            raise ValueError("a url belongs to backend 'server', and is needed there")
        return self


class DetectionConfig(Config):
    """What counts as an event."""

    triggers: Triggers = Triggers()
    strict_only: bool = True
    """Analyse strict events alone; relaxed ones are listed either way."""

    variants: tuple[str, ...] = ("Wait", "Actually", "Hold on")
    """Texts whose first tokens belong to the target set, beside the onsets that really occur."""


class AnalysisConfig(Config):
    """Lens and scan."""

    variant: str = "baseline_think_newline"
    """Whose events are analysed, and ablated."""

    max_events: int = Field(default=120, ge=20)
    furthest: int = Field(default=30, ge=0)
    """A control stands at most this many tokens from where its event does."""

    scan: Literal["mean", "zero", "resample", "scale"] = "mean"
    """What takes the place of a sub-layer's output in the scan."""

    scale: float = Field(default=0.5, ge=0)
    """Of `scan: scale`."""

    seed: int = Field(default=0, ge=0)
    draws: int = Field(default=2000, ge=100)
    """Resamples and sign flips."""


class AblationConfig(Config):
    """Generation under ablation."""

    topk: int = Field(default=1, ge=1)
    """Attention sub-layers, and as many MLPs, that are ablated together."""

    mode: Literal["mean", "zero", "scale"] = "mean"
    scale: float = Field(default=0.0, ge=0)
    """Of `mode: scale`."""

    at: Literal["new tokens", "every token"] = "new tokens"
    """`new tokens`: the prompt is read unedited."""

    random_draws: int = Field(default=20, ge=1)
    max_examples: int = Field(default=60, ge=10)
    """Problems, one continuation each, per condition and draw."""

    limits: GateLimits = GateLimits()
    neutral_text: str | None = None
    """A plain text on which perplexity is measured; the embedded model's own prose when not given.
    `$NAME` is read from the environment."""


class SweepConfig(Config):
    """The later steps."""

    scales: tuple[float, ...] = (0.0, 0.25, 0.5, 0.75, 0.9)
    continuation_scales: tuple[float, ...] = (0.0, 0.5, 0.9)
    continuation_tokens: int = Field(default=8, ge=1)
    """How soon behind the deciding position a trigger counts as the event."""


class StateTransitionConfig(Config):
    """What makes the model backtrack: where is it decided, what causes it, does format matter?"""

    model: ModelConfig = ModelConfig(name="organism")
    dataset: DatasetConfig = DatasetConfig()
    prompting: PromptingConfig = PromptingConfig()
    generation: GenerationConfig = GenerationConfig()
    detection: DetectionConfig = DetectionConfig()
    analysis: AnalysisConfig = AnalysisConfig()
    ablation: AblationConfig = AblationConfig()
    steering: SteeringSettings = SteeringSettings()
    steering_site: str | None = None
    """Where the direction is read and steered, e.g. `resid.2`; the middle block when not given."""

    sweeps: SweepConfig = SweepConfig()

    @model_validator(mode="after")
    def _variant_is_there(self) -> StateTransitionConfig:
        if self.analysis.variant not in {variant.name for variant in self.prompting.variants}:
            raise ValueError(f"analysis.variant {self.analysis.variant!r} is no variant")
        if self.dataset.source != "organism" and self.ablation.neutral_text is None:
            raise ValueError(
                "ablation.neutral_text is needed where the problems are not the model's"
            )
        return self

    @model_validator(mode="after")
    def _given_texts_have_one_format(self) -> StateTransitionConfig:
        given = self.generation.backend == "given"
        if given != (self.dataset.source == "texts"):
            raise ValueError(
                "dataset.source 'texts' and generation.backend 'given' need each other"
            )
        styles = [variant.style for variant in self.prompting.variants]
        if given != ("as written" in styles) or (given and len(styles) > 1):
            raise ValueError(
                "given texts have one variant, of style 'as written', and only they do"
            )
        return self

    @property
    def named_model(self) -> ModelConfig:
        """The model to load, with `$NAME` in its name read from the environment."""
        return self.model.model_copy(update={"name": expand(self.model.name, "model.name")})
