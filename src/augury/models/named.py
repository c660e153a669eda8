"""The models that a config names."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar

from pydantic import BaseModel

from augury.models.load import NO_WEIGHTS, ModelConfig
from augury.runs.paths import expand

__all__ = ["models_in", "without_weights"]

C = TypeVar("C", bound=BaseModel)


def without_weights(config: C) -> C:
    """The same config with its `model` loaded as shapes alone: to be counted, and never run."""
    model: ModelConfig = config.model  # type: ignore[attr-defined]
    return config.model_copy(update={"model": model.model_copy(update={"device": NO_WEIGHTS})})


def models_in(config: BaseModel) -> Iterator[ModelConfig]:
    """Every model that a config names, `$NAME` in it read from the environment.

    Raises:
        MissingInput: A variable is not set.
    """
    for name in type(config).model_fields:
        value = getattr(config, name)
        if isinstance(value, ModelConfig):
            yield value.model_copy(update={"name": expand(value.name, f"{name}.name")})
        elif isinstance(value, BaseModel):
            yield from models_in(value)
