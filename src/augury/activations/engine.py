"""Engine: who runs a function on a loaded model, for many keys; here, this process.

The other engine is `ray_engine`. What an engine runs is the same function, whole shard by whole
shard, so the bytes that come back do not depend on who ran it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Protocol

import torch

from augury.models.load import LoadedModel
from augury.models.twins import base_of

__all__ = ["Engine", "Loaded", "Work", "below", "local_engine", "on_a_model"]


class Loaded(Protocol):
    """What a worker holds: a model, as far as an engine has to know it."""

    @property
    def identity(self) -> dict[str, str]:
        """All that can change what it computes."""

    @property
    def device(self) -> torch.device:
        """Where it computes."""


@dataclass(frozen=True, slots=True)
class Work:
    """One function, to be run once per key."""

    function: Callable[..., Any]
    """Called as `function(loaded, *arguments(key))`; its name can be imported everywhere."""

    arguments: Callable[[int], tuple[Any, ...]]
    """Asked for when the key's turn comes, so they need not all exist at once."""

    keys: Sequence[int]
    """Each exactly once, in the order in which they should start."""

    unit: str
    """What a key numbers, for messages: `shard`."""


Engine = Callable[[Work], Iterator[tuple[int, Any]]]
"""Yields every key with its result, in the order in which they finish.

It runs ahead of its consumer by no more than one result per model replica. An error of augury's is
raised: at once, or after the other keys have been yielded.
"""


def local_engine(load: Callable[[], Loaded]) -> Engine:
    """One key after the other on a model of this process; the first error ends it.

    Args:
        load: Gives the model; called once, when the first work comes.
    """
    loaded = cache(load)

    def run(work: Work) -> Iterator[tuple[int, Any]]:
        for key in work.keys:
            yield key, work.function(loaded(), *work.arguments(key))

    return run


@dataclass(frozen=True, slots=True)
class _OnBase:
    """A function, run on the base model below the adapter of what it is called with."""

    function: Callable[..., Any]

    def __call__(self, loaded: LoadedModel, *arguments: object) -> Any:
        with base_of(loaded) as base:
            return self.function(base, *arguments)


def below(engine: Engine) -> Engine:
    """The same engine, on the base model below the adapter of its own; see `base_of`."""
    return lambda work: engine(replace(work, function=_OnBase(work.function)))


def on_a_model(engine: Engine, function: Callable[..., Any], *arguments: object) -> Any:
    """`function(loaded, *arguments)`, run once where the engine has a model; raises as it does."""
    work = Work(function, lambda _: arguments, keys=(0,), unit=function.__name__)
    ((_, result),) = engine(work)
    return result
