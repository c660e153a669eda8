"""Everything that the introspection study can be told."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator, model_validator

from augury.activations.plan import ReadingPlan
from augury.config import Config
from augury.models.load import ModelConfig
from augury.models.sites import sites_in_order
from augury.runs.paths import expand
from augury.studies.introspection.analysis_config import AnalysisConfig
from augury.targets.confidence import BIN_MIDPOINTS
from augury.traces.sources.multiple_choice import Layout

__all__ = [
    "LETTERS",
    "PASSES",
    "POSITIONS",
    "ConfidenceConfig",
    "IntrospectionConfig",
    "PassName",
    "PromptConfig",
    "QuestionConfig",
    "StatesConfig",
]

PassName = Literal["mcq", "self", "other"]
PASSES: tuple[PassName, ...] = ("mcq", "self", "other")

POSITIONS = ("question_end", "options_end", "final")
"""Last token of the question's text, last token of the last option, and the token whose next one
answers."""

LETTERS = "ABCD"
"""Symbols of the answers, in the order in which options are shown."""


class QuestionConfig(Config):
    """Which questions are asked."""

    source: Layout | Literal["organism"] = "organism"
    """`organism`: questions of the embedded model's world; else the layout of a file (see
    `traces.sources.multiple_choice`)."""

    path: str | None = None
    """The file. `$NAME` is read from the environment."""

    limit: int | None = Field(default=None, ge=1)
    """Ask only so many: the first of the file, or how many are drawn (600)."""

    seed: int = Field(default=0, ge=0)
    """Of the questions that are drawn, and with the question's id of the order of its options."""

    shuffle_answers: bool = True
    """Show options in an order that the question's id decides; else as they stand in the file."""

    corpus: str | None = None
    """A plain text whose word counts say which words are rare; the questions of the file where none
    is given. `$NAME` is read from the environment."""

    @model_validator(mode="after")
    def _source_has_its_file(self) -> QuestionConfig:
        if (self.source == "organism") != (self.path is None):
            raise ValueError("a path belongs to sources other than 'organism', and is needed there")
        return self


_ASKED = "Question: {question}\n{options}"


class PromptConfig(Config):
    """How questions become prompts; the same style for every pass."""

    style: Literal["chat", "plain"] = "chat"
    """`chat`: the tokenizer's template; `plain`: `User: ...` and `Assistant: `."""

    option: str = "{letter}: {text}"
    """The line of an option."""

    mcq: str = (
        "Answer the multiple-choice question below. Reply with the letter of your choice and "
        f"nothing else.\n\n{_ASKED}\n\nYour choice ({{symbols}}):"
    )
    """The user's turn. `{question}`, `{options}` and `{symbols}` stand for what they say."""

    self: str = (
        "Do not answer the question below. How confident are you that you would answer it "
        f"correctly? Reply with one letter of the scale and nothing else.\n\n{_ASKED}\n\n"
        "Confidence that your answer would be right:\n{scale}\n\nYour choice ({symbols}):"
    )
    """Also `{scale}`, a line for each symbol; or `{lowest}` and `{highest}`, the two end symbols of
    a scale that is not shuffled."""

    other: str = (
        "Do not answer the question below. How many out of a hundred people with a college "
        "education would answer it correctly? Reply with one letter of the scale and nothing else."
        f"\n\n{_ASKED}\n\nShare of them who would be right:\n{{scale}}\n\n"
        "Your choice ({symbols}):"
    )
    """As `self`."""

    @model_validator(mode="after")
    def _templates_hold_their_parts(self) -> PromptConfig:
        if self.option.count("{letter}") != 1 or self.option.count("{text}") != 1:
            raise ValueError("option must hold {letter} and {text} once")
        for name in PASSES:
            template = str(getattr(self, name))
            for part in ("{question}", "{options}"):
                if template.count(part) != 1:
                    raise ValueError(f"{name} must hold {part} once")
            if template.index("{question}") > template.index("{options}"):
                raise ValueError(f"{name} must hold {{question}} before {{options}}")
        return self


class ConfidenceConfig(Config):
    """How confidence is stated."""

    symbols: str = "STUVWXYZ"
    """One letter for each of the eight bins. `ABCDEFGH`, as in the first version, shares letters
    with the answers: allowed, with a warning."""

    order: Literal["shuffled", "reversed", "fixed"] = "shuffled"
    """Which letter means which bin, question by question: any order, rising or falling, or always
    rising. The question's id decides; a letter that the model likes then likes no bin."""

    @field_validator("symbols")
    @classmethod
    def _one_letter_each(cls, symbols: str) -> str:
        if len(set(symbols)) != len(BIN_MIDPOINTS) or len(symbols) != len(BIN_MIDPOINTS):
            raise ValueError(f"{len(BIN_MIDPOINTS)} different letters")
        if not (symbols.isascii() and symbols.isalpha() and symbols.isupper()):
            raise ValueError("capital letters from A to Z")
        return symbols


class StatesConfig(Config):
    """Which states are kept."""

    rows: Literal["named", "all"] = "named"
    """The named positions alone, or every token of every prompt."""

    sites: tuple[str, ...] = ()
    """Places of the model; every `resid.I` and `final` where none is named. `final` is always read:
    the answers are checked against it."""

    dtype: Literal["as-computed", "float32", "bfloat16", "float16"] = "as-computed"
    """Number type on disk; `float16` is refused where a state does not fit into it."""

    batch_tokens: int = Field(default=4096, ge=64)
    """At most this many tokens in one forward pass; halved where memory runs out."""

    @field_validator("sites")
    @classmethod
    def _in_order(cls, sites: tuple[str, ...]) -> tuple[str, ...]:
        if "logits" in sites:
            raise ValueError("answers hold the logits that are needed; leave logits out")
        return sites_in_order({*sites, "final"}) if sites else ()

    def plan(self, depth: int) -> ReadingPlan:
        """What is read of a model of so many blocks."""
        sites = self.sites or (*(f"resid.{block}" for block in range(depth)), "final")
        if self.rows == "all":
            return ReadingPlan(
                sites=sites, rows="all", dtype=self.dtype, batch_tokens=self.batch_tokens
            )
        return ReadingPlan(
            sites=sites,
            rows="spans",
            labels=POSITIONS,
            pooling="last",
            dtype=self.dtype,
            batch_tokens=self.batch_tokens,
        )


class Fractions(Config):
    """How groups of questions are dealt."""

    fractions: tuple[float, float, float] = (0.6, 0.2, 0.2)
    """Train, validation, test."""

    seed: int = Field(default=42, ge=0)


class GateConfig(Config):
    """When an answer is no answer."""

    least_mass: float = Field(default=0.5, ge=0, le=1)
    """Least probability that the symbols must hold together."""

    refuse: bool = False
    """Stop with exit code 4 where more than half of a pass lies below; else flag and report it."""


class IntrospectionConfig(Config):
    """Does confidence follow what the model knows, and does fine-tuning change it?"""

    model: ModelConfig = ModelConfig(name="organism")
    """With `adapter`, the base model below it is asked the same, through the same weights."""

    only: Literal["both", "base", "finetuned"] = "both"
    """Of a model with an adapter: both, or one of them, to be joined with another run by key."""

    questions: QuestionConfig = QuestionConfig()
    prompting: PromptConfig = PromptConfig()
    confidence: ConfidenceConfig = ConfidenceConfig()
    passes: tuple[PassName, ...] = Field(default=PASSES, min_length=1)
    states: StatesConfig = StatesConfig()
    split: Fractions = Fractions()
    gate: GateConfig = GateConfig()
    analysis: AnalysisConfig = AnalysisConfig()
    show_examples: int = Field(default=3, ge=0)
    """Questions that `inspect` shows, of each model and pass."""

    @field_validator("passes")
    @classmethod
    def _known_order(cls, passes: tuple[PassName, ...]) -> tuple[PassName, ...]:
        if len(set(passes)) < len(passes):
            raise ValueError("every pass once")
        return tuple(name for name in PASSES if name in passes)

    @model_validator(mode="after")
    def _parts_fit(self) -> IntrospectionConfig:
        if self.only == "finetuned" and self.model.adapter is None:
            raise ValueError("only: finetuned needs model.adapter")
        for name in ("self", "other"):
            template = str(getattr(self.prompting, name))
            ends = "{lowest}" in template and "{highest}" in template
            if not ends and "{scale}" not in template:
                raise ValueError(
                    f"prompting.{name} must hold {{scale}}, or {{lowest}}, {{highest}}"
                )
            if self.confidence.order == "shuffled" and "{scale}" not in template:
                raise ValueError(f"prompting.{name} needs {{scale}}: its letters are shuffled")
        return self

    @property
    def models(self) -> tuple[str, ...]:
        """Which models are asked: `base`, `adapter`."""
        if self.model.adapter is None or self.only == "base":
            return ("base",)
        return ("adapter",) if self.only == "finetuned" else ("base", "adapter")

    @property
    def named_model(self) -> ModelConfig:
        """The model to load, with `$NAME` in its names read from the environment."""
        adapter = self.model.adapter
        named = {
            "name": expand(self.model.name, "model.name"),
            "adapter": expand(adapter, "model.adapter") if adapter else None,
        }
        return self.model.model_copy(update=named)
