"""What a run asks, all of it, before any forward pass."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np

from augury.activations.plan import ReadingPlan
from augury.activations.reading import Reading
from augury.activations.spans import planned_spans
from augury.errors import DataError
from augury.models.load import LoadedModel, ModelConfig, load_model
from augury.models.twins import base_of
from augury.studies.introspection.config import IntrospectionConfig, PassName
from augury.studies.introspection.gather import Gathered, gather
from augury.studies.introspection.prompts import AskedPrompt, Symbols, ask, symbols_of
from augury.traces.tokens import TokenisedTrace

__all__ = ["Job", "as_model", "model_of", "prepared", "spans_of"]


@dataclass(frozen=True)
class Job:
    """All that is asked, before any forward pass."""

    config: IntrospectionConfig
    gathered: Gathered
    loaded: LoadedModel
    symbols: Symbols
    prompts: Mapping[PassName, list[AskedPrompt]]
    readings: Mapping[PassName, Reading]

    def options(self, pass_: PassName) -> list[list[list[int]]]:
        """Token ids of each option of each question."""
        return [self.symbols.of(prompt.symbols) for prompt in self.prompts[pass_]]


def prepared(config: IntrospectionConfig) -> Job:
    """Gather the questions, load the model, make and tokenise every prompt.

    Raises:
        MissingInput: The model, its adapter or the questions are not there.
        DataError: No question can be asked.
        CheckFailed: A named position is not where its text is.
    """
    gathered = gather(config)
    loaded = load_model(model_of(config))
    symbols = symbols_of(config, loaded.tokenizer)
    plan = config.states.plan(loaded.depth)
    every = {
        pass_: ask(gathered.questions, pass_, config, loaded.tokenizer) for pass_ in config.passes
    }
    gathered, prompts = _fitting(gathered, every, loaded.context)
    readings: dict[PassName, Reading] = {}
    for pass_ in config.passes:
        parts = [prompt.tokens for prompt in prompts[pass_]]
        readings[pass_] = Reading.of(parts, plan, spans_of(prompts[pass_], parts, plan))
    return Job(config, gathered, loaded, symbols, prompts, readings)


def _fitting(
    gathered: Gathered, prompts: Mapping[PassName, list[AskedPrompt]], context: int
) -> tuple[Gathered, dict[PassName, list[AskedPrompt]]]:
    """Leave out the questions of which some prompt is longer than the model's context."""
    longest = [
        max(len(prompt.tokens) for prompt in row) for row in zip(*prompts.values(), strict=True)
    ]
    kept = [row for row, length in enumerate(longest) if length <= context]
    left = [
        (gathered.questions[row].id, f"a prompt of {length} tokens, the context is {context}")
        for row, length in enumerate(longest)
        if length > context
    ]
    if not kept:
        raise DataError("questions", found=left[0][1], expected="prompts that the model can read")
    asked = replace(
        gathered,
        questions=tuple(gathered.questions[row] for row in kept),
        left_out=(*gathered.left_out, *left),
    )
    return asked, {pass_: [of[row] for row in kept] for pass_, of in prompts.items()}


def spans_of(
    prompts: Sequence[AskedPrompt], parts: Sequence[TokenisedTrace], plan: ReadingPlan
) -> list[np.ndarray] | None:
    """Tokens of the named positions, where a plan keeps nothing else; as `planned_spans`."""
    traces = {prompt.trace.id: prompt.trace for prompt in prompts}
    return planned_spans(traces, parts, plan)


@contextmanager
def as_model(model: str, loaded: LoadedModel) -> Iterator[LoadedModel]:
    """The model of this name: the loaded one, or the base below its adapter."""
    if model == "base" and loaded.config.adapter is not None:
        with base_of(loaded) as base:
            yield base
    else:
        yield loaded


def model_of(config: IntrospectionConfig) -> ModelConfig:
    """The model to load: without its adapter where the base alone is asked."""
    named = config.named_model
    return named.model_copy(update={"adapter": None}) if config.only == "base" else named
