"""The engine that a command asked for."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from typing import Literal

from augury.activations.engine import Engine, Loaded, local_engine
from augury.activations.ray_engine import ray_engine
from augury.errors import UsageError

__all__ = ["EngineName", "chosen_engine"]

EngineName = Literal["local", "ray"]


@contextmanager
def chosen_engine(
    name: EngineName, load: Callable[[], Loaded], *, workers: int | None, use_gpus: bool
) -> Iterator[Engine]:
    """This process (`local`), or the workers of a cluster (`ray`), for the length of the block.

    Args:
        name: Which.
        load: Gives what a worker holds; its name can be imported on every node.
        workers: Of `ray`; None for one per GPU, or per node where there is none.
        use_gpus: Whether a worker of `ray` may hold a GPU.

    Raises:
        UsageError: Workers for the local engine, or more of them than devices.
        MissingInput: Ray or its cluster is not there.
    """
    if name == "ray":
        # Ray prints what it knows of a dead worker; results alone belong on standard output.
        with (
            redirect_stdout(sys.stderr),
            ray_engine(load, workers=workers, use_gpus=use_gpus) as run,
        ):
            yield run
        return
    if workers is not None:
        raise UsageError(
            "--workers", found="given for the local engine", fix="add --engine ray, or leave it out"
        )
    yield local_engine(load)
