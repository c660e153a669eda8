"""The models that a config names, wherever in it."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import BaseModel

from augury.models.load import ModelConfig
from augury.runs.paths import expand

__all__ = ["models_in"]


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
