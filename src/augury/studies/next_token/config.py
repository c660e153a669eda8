"""Everything that the next-token study can be told."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from augury.activations.plan import ReadingPlan
from augury.config import Config
from augury.models.load import ModelConfig
from augury.studies.reading import ReadingJob
from augury.studies.texts import TraceConfig
from augury.studies.tracking import TrackingConfig
from augury.traces.encode import Bos

__all__ = [
    "BookConfig",
    "EvaluationConfig",
    "Language",
    "NextTokenConfig",
    "ProbeConfig",
    "SplitConfig",
    "TargetConfig",
    "ViewConfig",
]

Language = Literal["de", "en", "es", "fr", "it", "nl", "pl", "pt", "ru", "sv", "zh"]


class BookConfig(Config):
    """Which books are read, and how much of each."""

    source: Literal["organism", "gutenberg", "files"] = "organism"
    """`organism`: books of the embedded model's world, written now; `gutenberg`: Project Gutenberg,
    streamed from the hub; `files`: text files, one book each."""

    path: str | None = None
    """Of `files`: a text file, or a folder of `*.txt`. `$NAME` is read from the environment."""

    dataset: str = "manu/project_gutenberg"
    """Of `gutenberg`: the data set on the hub, with columns `id` and `text`."""

    revision: str | None = None
    """Of `gutenberg`: commit of the data set."""

    language: Language = "en"
    """Of `gutenberg`: its split."""

    limit: int | None = Field(default=None, ge=1)
    """At most so many books, the first ones; for `organism`, how many to write (120)."""

    least: int = Field(default=2000, ge=20)
    """Shorter books, in code points, are left out."""

    passage: int = Field(default=6000, ge=200)
    """Code points of a passage: what is tokenised by itself. No passage holds two books."""

    passages: int = Field(default=20, ge=1)
    """At most so many passages of a book, evenly spread over it."""

    context: int = Field(default=256, ge=16)
    """Tokens of a window, the beginning-of-text token included. Windows overlap by half; every
    token is read once."""

    warm_up: int | None = Field(default=None, ge=0)
    """A token counts once so many tokens stand before it in its window; half a window, if not
    given."""

    bos: Bos = "auto"
    """Whether a window starts with the beginning-of-text token; `auto`: as the tokenizer does."""

    near_duplicate: float = Field(default=0.3, gt=0, le=1)
    """Books that share this much of the shorter one's text count as one book."""

    seed: int = Field(default=0, ge=0)
    """Of the organism's books."""

    @property
    def least_before(self) -> int:
        """Tokens that stand before one that counts, in its window."""
        return self.context // 2 if self.warm_up is None else self.warm_up

    @model_validator(mode="after")
    def _warm_up_is_reached(self) -> BookConfig:
        if self.least_before > self.context // 2:
            raise ValueError("windows overlap by half: warm_up may be half of context at most")
        return self

    @model_validator(mode="after")
    def _files_have_a_path(self) -> BookConfig:
        if (self.source == "files") != (self.path is not None):
            raise ValueError("a path belongs to source 'files', and is needed there")
        return self


class TargetConfig(Config):
    """Which token is looked for, and where."""

    tokens: tuple[str, ...] = (" the",)
    """Texts that are one token each, blanks counted; together they are one target."""

    horizons: tuple[int, ...] = (1, 0)
    """Tokens from state to target: 1 is the next token, 0 the current one, which is trivial."""

    labels: Literal["text", "model"] = "text"
    """`text`: the token that stands there; `model`: the token that the model itself finds most
    likely, which it does for the next one only."""

    @model_validator(mode="after")
    def _distinct(self) -> TargetConfig:
        for name, values in (("tokens", self.tokens), ("horizons", self.horizons)):
            if not values or len(set(values)) < len(values):
                raise ValueError(f"{name} must be distinct and not empty")
        if self.labels == "model" and self.horizons != (1,):
            raise ValueError("labels 'model' are about the next token: set horizons to [1]")
        return self

    @property
    def label(self) -> str:
        """How results call the target."""
        return " | ".join(repr(token) for token in self.tokens)


class ProbeConfig(Config):
    """Logistic probes, fitted to their optimum; the strength is chosen on validation."""

    l2: tuple[float, ...] = (0.03, 0.003, 0.0003, 0.00003)
    """Ridge strengths on standardised states, strong to weak."""

    balance: Literal["sampled", "weighted", "none"] = "sampled"
    """How training rows are balanced. `sampled`: of every passage as many rows without the target
    as with it; `weighted`: all rows, positives weighing more; `none`. Validation and test rows
    always keep their natural prevalence."""

    most_per_class: int = Field(default=50_000, ge=10)
    """Of `sampled`: at most so many training rows of each class."""

    pos_weight_cap: float = Field(default=5.0, ge=1)
    """Of `weighted`: no positive row weighs more than so many others."""

    seed: int = Field(default=0, ge=0)
    """Of the sampled rows, and of the rotated labels of the control."""

    control_draws: int = Field(default=3, ge=3)
    """How many rotations of the labels the shuffled-label control is trained on."""


class SplitConfig(Config):
    """How books are dealt to train, validation and test."""

    fractions: tuple[float, float, float] = (0.6, 0.2, 0.2)
    """Shares of the passages; books are dealt whole."""

    seed: int = Field(default=42, ge=0)


class EvaluationConfig(Config):
    """How cells are judged, and over what."""

    unit: Literal["book", "passage"] = "book"
    """What intervals rest on. Books are never split across train, validation and test; with too few
    of them, `passage` says how sure a number is for these books, and nothing about others."""

    draws: int = Field(default=1000, ge=100)
    """Resamples of groups behind every interval."""

    permutations: int = Field(default=1000, ge=100)
    """Rotations of labels behind every p value."""

    alpha: float = Field(default=0.05, gt=0, lt=1)
    seed: int = Field(default=0, ge=0)
    baselines: tuple[str, ...] | None = None
    """Baselines to compare with; all when not given."""


class ViewConfig(Config):
    """Which text the token view shows."""

    tokens: int = Field(default=4000, ge=16)
    """About so many tokens."""

    source: Literal["held-out", "gutenberg", "file"] = "held-out"
    """`held-out`: validation books of the run; `gutenberg`: the first book of the language;
    `file`: a text file."""

    path: str | None = None
    """Of `file`. `$NAME` is read from the environment."""

    @model_validator(mode="after")
    def _file_has_a_path(self) -> ViewConfig:
        if (self.source == "file") != (self.path is not None):
            raise ValueError("a path belongs to source 'file', and is needed there")
        return self


class NextTokenConfig(Config):
    """Where does the model know that the next token is X?"""

    model: ModelConfig = ModelConfig(name="organism")
    books: BookConfig = BookConfig()
    sweep: Literal["all", "auto", "listed"] = "all"
    """Which sites. `all`: `embed`, the output of every block, `final`; `auto`: of the blocks only
    the first, those at a quarter, half and three quarters, and the last; `listed`: those of
    `reading.sites`. `final` is always read: the model's own probability is computed from it."""

    reading: ReadingPlan = ReadingPlan(sites=("embed", "final"), batch_tokens=8192)
    """Its `sites` count with `sweep: listed` only."""

    targets: TargetConfig = TargetConfig()
    split: SplitConfig = SplitConfig()
    probe: ProbeConfig = ProbeConfig()
    evaluation: EvaluationConfig = EvaluationConfig()
    view: ViewConfig = ViewConfig()
    tracking: TrackingConfig = TrackingConfig()

    @model_validator(mode="after")
    def _every_token_is_read(self) -> NextTokenConfig:
        if self.reading.rows != "completion":
            raise ValueError("reading.rows is 'completion': every token of a passage is read")
        return self

    @property
    def named_model(self) -> ModelConfig:
        """The model to load, with `$NAME` in its name read from the environment."""
        return self.windows_job(self.reading).named_model

    def windows_job(self, plan: ReadingPlan) -> ReadingJob:
        """The reading of the windows of all books by this plan."""
        windows = TraceConfig(bos=self.books.bos, overflow="window", context=self.books.context)
        return ReadingJob(model=self.model, traces=windows, reading=plan)

    def plan(self, depth: int) -> ReadingPlan:
        """What is read of a model with `depth` blocks."""
        blocks = {
            "all": range(depth),
            "auto": sorted({0, depth // 4, depth // 2, 3 * depth // 4, depth - 1}),
        }
        if self.sweep == "listed":
            sites = tuple(dict.fromkeys((*self.reading.sites, "final")))
        else:
            sites = ("embed", *(f"resid.{block}" for block in blocks[self.sweep]), "final")
        return ReadingPlan.model_validate({**self.reading.model_dump(), "sites": sites})
