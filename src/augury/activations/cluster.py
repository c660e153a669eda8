"""The Ray cluster of a job: joined or started, and how its devices are shared out."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from augury.errors import Busy, MissingInput, UsageError

__all__ = ["Shares", "connected", "share_out"]

_OBJECT_STORE_BYTES = 2**30
"""Of a cluster that we start: room for shards on their way to disk. What is more, Ray spills."""


_KNOCK_SECONDS = 20.0


class Shares(NamedTuple):
    """What each worker takes."""

    workers: int
    """How many there are."""

    gpus: int
    """GPUs of each: 1, or 0 in a cluster without."""

    cpus: int
    """Cores of each, and threads of its torch."""


@contextmanager
def connected() -> Iterator[Any]:
    """Ray, connected to the cluster at `RAY_ADDRESS`, or to one of this machine's that ends here.

    A connection that the caller has made is used and left open.

    Raises:
        MissingInput: Ray is not installed, or nothing answers at `RAY_ADDRESS`.
        Busy: Ray does not come up on this machine.
    """
    # Read when Ray is loaded. It would tell its makers about each cluster, and give up where its
    # own helpers take more than half a minute to start, as they do on a busy machine.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_raylet_start_wait_time_s", "300")
    try:
        import ray
    except ImportError as error:
        raise MissingInput(
            "engine ray",
            found="the package ray is not installed",
            fix="pip install 'augury[ray]'",
        ) from error
    if ray.is_initialized():
        yield ray
        return
    _join_or_start(ray)
    try:
        yield ray
    finally:
        ray.shutdown()


def _join_or_start(ray: Any) -> None:
    address = os.environ.get("RAY_ADDRESS")
    # Without an address Ray would join whatever cluster it finds on this machine.
    own = {"include_dashboard": False, "object_store_memory": _OBJECT_STORE_BYTES}
    settings: dict[str, Any] = {"address": address} if address else {"address": "local", **own}
    try:
        if address:
            _knock(address)
        ray.init(**settings, log_to_driver=False, logging_level=logging.ERROR)
    except Exception as error:  # Ray raises bare ones
        found = str(error).strip().split("\n")[0]
        if not address:
            raise Busy(
                "engine ray",
                found=f"Ray did not start on this machine ({found})",
                fix="try again when the machine is less busy, or read the logs in /tmp/ray",
            ) from error
        raise MissingInput(
            f"RAY_ADDRESS={address}",
            found=f"no cluster that can be joined ({found})",
            expected="HOST:PORT of a running Ray head, of this Ray and Python version",
            fix="start it, or unset RAY_ADDRESS to use this machine alone",
        ) from error


def _knock(address: str) -> None:
    """Ray tries for minutes to reach a port where nobody listens; this fails at once."""
    host, _, port = address.rpartition(":")
    if port.isdigit():
        socket.create_connection((host.strip("[]"), int(port)), timeout=_KNOCK_SECONDS).close()


def share_out(
    nodes: Sequence[Mapping[str, float]], *, workers: int | None, use_gpus: bool
) -> Shares:
    """Divide a cluster among workers.

    Where there are GPUs each worker has one. Otherwise each has as many cores as all of them can
    have, on whichever node they stand.

    Args:
        nodes: Resources of each living node: `CPU`, `GPU`.
        workers: How many; None for one per GPU, or one per node with cores where there is none.
        use_gpus: Whether the model may run on a GPU.

    Raises:
        UsageError: More workers than GPUs or cores: some would wait for ever.
    """
    gpus = sum(int(node.get("GPU", 0)) for node in nodes) if use_gpus else 0
    cores = [int(node.get("CPU", 0)) for node in nodes if node.get("CPU", 0) >= 1]
    most, unit = (gpus, "GPUs") if gpus else (sum(cores), "cores")
    count = workers if workers is not None else (gpus or len(cores))
    if not 1 <= count <= most:
        raise UsageError(
            "--workers",
            found=f"{count}",
            expected=f"from 1 to {most}, the {unit} of the cluster",
            fix="ask for fewer, or wait until all nodes have joined",
        )
    if gpus:
        return Shares(count, gpus=1, cpus=1)
    widest = max(k for k in range(1, max(cores) + 1) if sum(n // k for n in cores) >= count)
    return Shares(count, gpus=0, cpus=widest)
