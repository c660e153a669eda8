"""The texts of a study: where they come from, and their tokens, made once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from augury.config import Config
from augury.errors import UsageError
from augury.models.generate import Sampling
from augury.models.load import (
    NO_WEIGHTS,
    ModelConfig,
    context_of,
    load_model,
    load_tokenizer,
)
from augury.organism.chains import held_out_problems, sample_chains
from augury.runs.paths import expand
from augury.runs.progress import say, track
from augury.traces.align import place_spans
from augury.traces.context import fit_to_context
from augury.traces.sources.annotated_chains import read_annotated_chains
from augury.traces.table import check_unique_ids, read_trace_file
from augury.traces.tokens import TokenisedTrace, tokenise
from augury.traces.trace import Trace

__all__ = ["Gathered", "TraceConfig", "gather", "tokenise_all"]

_ORGANISM_CHAINS = 1000


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

    @model_validator(mode="after")
    def _source_has_its_file(self) -> TraceConfig:
        if (self.source == "organism") != (self.path is None):
            raise ValueError("a path belongs to sources other than 'organism', and is needed there")
        return self


@dataclass(frozen=True)
class Gathered:
    """Texts, as their source gave them."""

    traces: list[Trace]
    """No two with the same id."""

    repairs: tuple[str, ...] = ()
    """What had to be mended, in words."""


def gather(config: TraceConfig, model: ModelConfig) -> Gathered:
    """Read the texts, or let the embedded model write them.

    Raises:
        MissingInput: The file, or a variable in its name, is not there.
        DataError: The file does not hold what the source says; two traces with the same id.
        UsageError: The model writes the texts, and has no weights.
    """
    gathered = _gather(config, model)
    check_unique_ids(gathered.traces)
    return gathered


def tokenise_all(
    traces: Sequence[Trace], config: TraceConfig, model: ModelConfig
) -> list[list[TokenisedTrace]]:
    """Tokens of each trace: one piece, or its windows; every span is placed and read back.

    Raises:
        DataError: A text is longer than the model's context, and `overflow` is `error`; a span
            cannot be placed.
    """
    tokenizer = load_tokenizer(model)
    context = config.context or context_of(model)
    out = []
    for trace in track(list(traces), what="tokenising", unit="chains"):
        whole = tokenise(trace, tokenizer, bos=config.bos)
        fitted = list(fit_to_context(whole, context, overflow=config.overflow))
        for part in fitted:
            place_spans(trace, part, tokenizer)
        out.append(fitted)
    return out


def _gather(config: TraceConfig, model: ModelConfig) -> Gathered:
    if config.source == "organism":
        count = config.limit or _ORGANISM_CHAINS
        if model.device == NO_WEIGHTS:
            raise UsageError(
                "traces.source",
                found="organism: the model writes these texts, and --no-weights leaves it none",
                expected="texts that are there",
                fix="leave --no-weights out, or name a source with a path",
            )
        say(f"the embedded model thinks about {count} problems")
        settings = Sampling(temperature=config.temperature, max_new_tokens=400, seed=config.seed)
        loaded = load_model(model)
        return Gathered(sample_chains(loaded, held_out_problems(count, config.seed), settings))
    path = Path(expand(str(config.path), "traces.path"))
    if config.source == "annotated-chains":
        chains = read_annotated_chains(
            path,
            tokenizer=load_tokenizer(model) if config.prompt_style == "chat" else None,
            prompt_style=config.prompt_style,
            model=config.written_by,
        )
        return Gathered(chains.traces[: config.limit], tuple(chains.repairs.summary()))
    return Gathered(read_trace_file(path)[: config.limit])
