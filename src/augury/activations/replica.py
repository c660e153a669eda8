"""Replica: one copy of the model in a worker process of a cluster.

An error of augury's is given back as a value: it is an answer, and trying again would not change
it. Everything else that goes wrong in a worker is its end.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from typing import Any, NamedTuple

import torch

from augury.activations.engine import Loaded
from augury.activations.layout import FORMAT
from augury.errors import AuguryError

__all__ = ["Hello", "Replica"]


class Hello(NamedTuple):
    """What a worker says once it is ready."""

    identity: dict[str, str]
    """All that can change what it computes; equal on all workers of a job."""

    device: str
    """Name of the GPU, or `cpu`."""

    host: str
    """Name of its machine."""

    process: int
    """Its process id there."""


class Replica:
    """The class of the actors; it knows nothing of Ray."""

    def __init__(self, load: Callable[[], Loaded], threads: int) -> None:
        torch.set_num_threads(threads)
        self._load = load
        self._loaded: Loaded | None = None

    def load(self) -> Hello | AuguryError:
        """Load the model; to be called once, before `run`."""
        host = socket.gethostname()
        try:
            self._loaded = self._load()
        except AuguryError as error:
            where = f"worker on {host}: {error.where}"
            return type(error)(where, found=error.found, expected=error.expected, fix=error.fix)
        device = self._loaded.device
        name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
        identity = {**self._loaded.identity, "format": str(FORMAT)}
        return Hello(identity, name, host, os.getpid())

    def run(self, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        """`function(loaded, *arguments)`, or the error of augury's that it raised."""
        try:
            return function(self._loaded, *arguments)
        except AuguryError as error:
            return error
