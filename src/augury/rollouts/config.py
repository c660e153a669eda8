"""Everything that a set of rollouts can be told."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator, model_validator

from augury.config import Config
from augury.models.generate import Sampling
from augury.models.load import ModelConfig
from augury.runs.paths import expand
from augury.traces.prompts import PromptStyle
from augury.traces.sources.rollout_files import Setting

__all__ = [
    "BaseConfig",
    "EncoderConfig",
    "ForcedConfig",
    "PromptConfig",
    "QuestionConfig",
    "RolloutsConfig",
    "Solutions",
]

Solutions = Literal["correct", "incorrect", "any"]


class QuestionConfig(Config):
    """Which problems are solved."""

    source: Literal["organism", "planted", "jsonl", "gsm8k"] = "organism"
    """`organism`: its own held-out problems; `planted`: the same, with solutions whose slips its
    grammar wrote; `jsonl`: lines of `id`, `problem`, `answer` and, if given, `solution`."""

    path: str | None = None
    """The file. `$NAME` is read from the environment."""

    count: int = Field(default=24, ge=1)
    """At most so many."""

    seed: int = Field(default=0, ge=0)
    """Of the embedded model's problems."""

    @model_validator(mode="after")
    def _file_is_named(self) -> QuestionConfig:
        if (self.source in ("jsonl", "gsm8k")) != (self.path is not None):
            raise ValueError("a path belongs to the sources 'jsonl' and 'gsm8k', and is needed")
        return self


class PromptConfig(Config):
    """How a problem is put to the model."""

    style: PromptStyle = "chat"
    template: str = "{problem}"
    """The user's turn; `{problem}` stands for the problem."""

    prefill: str = "<think>\n"
    """What the solution begins with, written for the model."""

    @field_validator("template")
    @classmethod
    def _holds_the_problem(cls, template: str) -> str:
        if template.count("{problem}") != 1:
            raise ValueError("a template that holds {problem} once")
        return template


class BaseConfig(Config):
    """The solutions whose sentences are written anew."""

    take: Solutions = "correct"
    """Solutions with a right answer, with a wrong one, or all that end."""

    attempts: int = Field(default=8, ge=1)
    """Of each problem; the first that may be taken is. Given solutions are taken as they are."""

    sentences: int | None = Field(default=None, ge=2)
    """Leave out problems whose solution has more sentences than this."""


class ForcedConfig(Config):
    """Rollouts that must answer at once instead of thinking on."""

    text: str = "\n</think>\nAnswer:"
    """What stands behind the text before a sentence and asks for the answer."""

    count: int = Field(default=10, ge=0)
    """Of each sentence; 0 makes none, and forced importances are 0."""

    max_new_tokens: int = Field(default=16, ge=1)


class EncoderConfig(Config):
    """What tells whether two sentences mean the same."""

    name: str = "auto"
    """`own`: states of the model itself; else a sentence encoder: a local folder or a hub id.
    `auto`: all-MiniLM-L6-v2 where it is on this machine, else `own`; what it was is recorded."""

    revision: str | None = None
    threshold: float = Field(default=0.8, gt=-1, lt=1)
    """Of a sentence encoder: a cosine below it is another meaning."""

    site: str | None = None
    """Of `own`: where states are read; the output of the middle block when not given."""

    pooling: Literal["last", "mean"] = "last"
    """Of `own`: the state at the sentence's last token, or the mean over its tokens."""

    unrelated: float = Field(default=0.95, gt=0, lt=1)
    """Of `own`: the threshold is this quantile of the similarities between sentences of different
    problems, so 5 % of unrelated sentences pass for the same."""


class RolloutsConfig(Config):
    """Rollouts of every sentence of every solution."""

    model: ModelConfig = ModelConfig(name="organism")
    url: str | None = None
    """A server that speaks the OpenAI completions protocol writes, e.g. `http://localhost:8000/v1`;
    `model.name` is its model and names the tokenizer."""

    questions: QuestionConfig = QuestionConfig()
    prompt: PromptConfig = PromptConfig()
    base: BaseConfig = BaseConfig()
    sampling: Sampling = Sampling(max_new_tokens=400)
    """Of solutions and rollouts."""

    rollouts: int = Field(default=100, ge=2, le=100)
    """Of each sentence."""

    forced: ForcedConfig = ForcedConfig()
    encoder: EncoderConfig = EncoderConfig()
    chunk: int = Field(default=256, ge=1)
    """Continuations that are written and saved together; an interrupted job goes on at a chunk."""

    folder: str | None = None
    """Name of the model's folder; made from `model.name` when not given."""

    @property
    def setting(self) -> Setting:
        """Folders of the model and of the solutions, as they are read back."""
        plain = re.sub(r"[^a-z0-9._-]+", "-", Path(self.model.name).name.lower()).strip("-.")
        split = "base_solution" if self.base.take == "any" else f"{self.base.take}_base_solution"
        if self.questions.source == "planted":
            split = f"planted_{split}"
        return Setting(self.folder or plain or "model", split)

    @property
    def named_model(self) -> ModelConfig:
        """The model to load, with `$NAME` in its name read from the environment."""
        return self.model.model_copy(update={"name": expand(self.model.name, "model.name")})
