"""The engine for clusters: Ray actors with one model replica each; see docs/cluster.md.

Ray carries calls and bytes. Which work there is, and whether it is done, only the driver knows: it
alone holds the store's lock and writes. So workers need no shared disk and can die at any instant.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from augury.activations.cluster import Shares, connected, share_out
from augury.activations.engine import Engine, Loaded, Work
from augury.activations.replica import Hello, Replica
from augury.config import difference_table
from augury.errors import AuguryError, ConfigError, PartialFailure, StorageError
from augury.runs.progress import say

__all__ = ["ATTEMPTS", "ray_engine"]

ATTEMPTS = 3
"""How many workers may die on one shard before it is given up."""

_SAY_SECONDS = 30.0
"""How often to say that nothing can run yet."""


@contextmanager
def ray_engine(
    load: Callable[[], Loaded], *, workers: int | None = None, use_gpus: bool = True
) -> Iterator[Engine]:
    """Workers that hold a model each, for the length of the block.

    A worker that dies is replaced and its shard read again, by whichever worker is free. An error
    of augury's is not tried again; the other shards are finished and kept before it is raised.

    Args:
        load: Gives the model; its name can be imported on every node.
        workers: How many; see `share_out`.
        use_gpus: Whether the model may run on a GPU.

    Raises:
        MissingInput: No Ray, or no cluster.
        UsageError: More workers than devices.
        ConfigError: (by the engine) Two workers would not compute the same.
        PartialFailure: (by the engine) A shard whose worker died `ATTEMPTS` times.
        StorageError: (by the engine) No worker gets as far as a loaded model.
    """
    with connected() as ray:
        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        shares = share_out(nodes, workers=workers, use_gpus=use_gpus)
        pool = _Pool(ray, load, shares)
        try:
            pool.start()
            yield pool.run
        finally:
            pool.stop()


@dataclass
class _Pool:
    """The workers: starting, idle, or busy with one key each."""

    ray: Any
    load: Callable[[], Loaded]
    shares: Shares
    starting: dict[Any, Any] = field(default_factory=dict)
    """Worker by the promise of its `Hello`."""
    idle: list[Any] = field(default_factory=list)
    busy: dict[Any, tuple[Any, Work, int]] = field(default_factory=dict)
    """Worker, work and key by the promise of the result."""
    first: Hello | None = None
    """What the other workers must equal."""
    failed_starts: int = 0
    """In a row."""

    def start(self) -> None:
        for _ in range(self.shares.workers):
            self._add()

    def stop(self) -> None:
        busy = [worker for worker, *_ in self.busy.values()]
        for worker in (*self.starting.values(), *self.idle, *busy):
            self._kill(worker)

    def run(self, work: Work) -> Iterator[tuple[int, Any]]:
        """See `Engine`."""
        waiting, lost = deque(work.keys), Counter[int]()
        failures: dict[int, AuguryError] = {}
        while waiting or self.busy:
            self._hand_out(waiting, work)
            promise = self._next()
            if promise in self.starting:
                self._greet(promise)
                continue
            asked_by, key, result = self._receive(promise)
            if asked_by is not work:  # of a consumer that went away
                continue
            if isinstance(result, self.ray.exceptions.RayError):
                lost[key] += 1
                if failure := _given_up(work.unit, key, lost[key], result):
                    failures[key] = failure
                else:
                    waiting.appendleft(key)
            elif isinstance(result, AuguryError):
                say(f"{work.unit} {key} failed: {result}")
                failures[key] = result
            else:
                # Whoever writes the result may take its time: the worker goes on meanwhile.
                self._hand_out(waiting, work)
                yield key, result
        if failures:
            raise failures[min(failures)]

    def _hand_out(self, waiting: deque[int], work: Work) -> None:
        while waiting and self.idle:
            worker, key = self.idle.pop(), waiting.popleft()
            promise = worker.run.remote(work.function, work.arguments(key))
            self.busy[promise] = (worker, work, key)

    def _receive(self, promise: Any) -> tuple[Work, int, Any]:
        """Work, key and result, or in its place the error of Ray's that says why there is none."""
        worker, work, key = self.busy.pop(promise)
        try:
            result = self.ray.get(promise)
        except self.ray.exceptions.RayError as error:
            self._kill(worker)
            self._add()
            return work, key, error
        self.idle.append(worker)
        return work, key, result

    def _next(self) -> Any:
        """A promise that has been kept, or broken."""
        while True:
            promises = [*self.busy, *self.starting]
            done, _ = self.ray.wait(promises, num_returns=1, timeout=_SAY_SECONDS)
            if done:
                return done[0]
            if not self.busy:
                say(f"waiting for {len(self.starting)} workers to start and load the model")

    def _add(self) -> None:
        taken = {"num_cpus": self.shares.cpus, "num_gpus": self.shares.gpus}
        # A worker that cannot be placed again must not keep its work: so no restarts by Ray.
        actor = self.ray.remote(Replica).options(**taken, max_restarts=0)
        worker = actor.remote(self.load, self.shares.cpus)
        self.starting[worker.load.remote()] = worker

    def _kill(self, worker: Any) -> None:
        with suppress(self.ray.exceptions.RayError):
            self.ray.kill(worker)

    def _greet(self, promise: Any) -> None:
        worker = self.starting.pop(promise)
        try:
            hello = self.ray.get(promise)
        except self.ray.exceptions.RayError as error:
            self._failed_to_start(worker, error)
            return
        if isinstance(hello, AuguryError):
            raise hello
        self._check_equal(hello)
        self.failed_starts = 0
        self.idle.append(worker)
        ready = len(self.idle) + len(self.busy)
        whose = f"process {hello.process} on {hello.host}, {hello.device}"
        say(f"worker ready ({ready} of {self.shares.workers}): {whose}")
        if self.shares.gpus and hello.device == "cpu":
            say("this worker holds a GPU, but its torch finds none: it reads on the CPU")

    def _failed_to_start(self, worker: Any, error: Exception) -> None:
        self._kill(worker)
        self.failed_starts += 1
        say(f"a worker died before it was ready ({_reason(error)})")
        if self.failed_starts < ATTEMPTS:
            self._add()
        elif not (self.starting or self.idle or self.busy):
            raise StorageError(
                "engine ray",
                found=f"{ATTEMPTS} workers in a row died while loading ({_reason(error)})",
                expected="augury and the model on every node, and memory for a model per worker",
                fix="read Ray's logs of these workers; ask for fewer with --workers",
            )

    def _check_equal(self, hello: Hello) -> None:
        self.first = self.first or hello
        table = difference_table(self.first.identity, hello.identity)
        if table:
            raise ConfigError(
                "engine ray",
                found=f"two workers that would not compute the same:\n{table}\n",
                expected="the same model, packages and kind of device on every node",
                fix="put the same on all nodes, and run again",
            )


def _given_up(unit: str, key: int, times: int, error: Exception) -> AuguryError | None:
    """Say that a worker was lost; the failure, where that was the last attempt."""
    say(f"a worker died with {unit} {key}, time {times} of at most {ATTEMPTS} ({_reason(error)})")
    if times < ATTEMPTS:
        return None
    return PartialFailure(
        f"{unit} {key}",
        found=f"{times} workers died with it, the last one so: {_reason(error)}",
        expected="a worker that survives it",
        fix="read Ray's logs; lower reading.batch_tokens if memory ran out; run again to resume",
    )


def _reason(error: Exception) -> str:
    cause = getattr(error, "cause", None)
    if isinstance(cause, BaseException):
        return f"{type(cause).__name__}: {cause}"
    return str(error).strip().split("\n")[0]
