"""Every kind of probe on spans by name: what it can learn, its settings, how it is fitted.

| kind                  | reads                 | targets                  |
|-----------------------|-----------------------|--------------------------|
| `logistic`            | a pooled row          | binary                   |
| `lda`                 | a pooled row          | binary                   |
| `difference_of_means` | a pooled row          | binary                   |
| `ridge`               | a pooled row          | continuous               |
| `huber`               | a pooled row          | continuous               |
| `pairwise`            | a pooled row          | rank                     |
| `multiclass`          | a pooled row          | classes                  |
| `ordinal`             | a pooled row          | ordinal                  |
| `mlp`                 | a pooled row          | binary, continuous, rank |
| `attention`           | every token           | binary, continuous, rank |
| `multimax`            | every token           | binary, continuous, rank |
| `softmax`             | every token           | binary, continuous, rank |
| `rolling`             | every token           | binary, continuous, rank |
| `ema`                 | every token           | binary, continuous, rank |
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from augury.config import Config
from augury.errors import UsageError
from augury.probes import net_config, pooled_fits
from augury.probes.pooled import PooledProbe
from augury.probes.sequence import SequenceProbe, fit_sequence
from augury.probes.span_task import SpanTask, TargetKind
from augury.probes.spans import Spans

__all__ = ["KINDS", "LINEAR", "FittedKind", "Kind", "find_kind", "fit_kind"]


@dataclass(frozen=True, eq=False)
class FittedKind:
    """A fitted probe, and how it did on the validation spans that chose it."""

    kind: str
    """Name in `KINDS`."""

    settings: Config
    """Of that kind."""

    probe: PooledProbe | SequenceProbe
    """Scores spans."""

    members: tuple[str, ...]
    """Name of each column of its scores: a seed, a class, or just `score`."""

    validation: np.ndarray
    """Metric of `span_metric` on the validation spans, float64 [member]. It chose the probe, so it
    is no estimate of how good the probe is."""

    def score(self, spans: Spans) -> np.ndarray:
        """Score spans -> float32 [span, member]."""
        return self.probe.score(spans)


@dataclass(frozen=True)
class Kind:
    """One entry of the registry."""

    targets: tuple[TargetKind, ...]
    """What it can learn."""

    settings: type[Config]
    """Its settings; the defaults are meant to be used."""

    fit: Callable[[SpanTask, Any, tuple[int, ...]], tuple[Any, np.ndarray]]
    """(task, settings, seeds) -> probe, validation metric [member]."""

    seeded: bool = False
    """Whether a seed changes the result; the others have one optimum."""


def fit_kind(
    name: str, task: SpanTask, *, settings: Config | None = None, seeds: tuple[int, ...] = (0,)
) -> FittedKind:
    """Fit a kind of probe to the training spans, choosing on the validation spans.

    Args:
        name: One of `KINDS`.
        task: Spans, target, groups and split.
        settings: Of the kind; None = its defaults.
        seeds: One member each, for kinds that are trained from random weights; all are trained at
            once. Others ignore them.

    Raises:
        UsageError: There is no such kind, it cannot learn this target, or the settings are of
            another kind.
        DataError: A used state is not finite, or no feature varies over the training spans.
        CheckFailed: A convex fit did not reach its optimum at any strength.
    """
    kind = find_kind(name)
    settings = kind.settings() if settings is None else settings
    if task.target not in kind.targets:
        others = [other for other, entry in KINDS.items() if task.target in entry.targets]
        raise UsageError(
            f"kind {name}",
            found=f"a {task.target} target",
            expected=" or ".join(kind.targets),
            fix=f"for this target take one of {', '.join(others)}",
        )
    if type(settings) is not kind.settings:
        raise UsageError(
            f"settings of {name}",
            found=type(settings).__name__,
            expected=kind.settings.__name__,
        )
    if not seeds or len(set(seeds)) < len(seeds):
        raise UsageError("seeds", found=f"{seeds}", expected="at least one, all different")
    probe, metric = kind.fit(task, settings, seeds)
    return FittedKind(name, settings, probe, _members(kind, task, seeds, len(metric)), metric)


def find_kind(name: str) -> Kind:
    """Look a kind up by name.

    Raises:
        UsageError: There is none; the nearest names are told.
    """
    if name not in KINDS:
        near = difflib.get_close_matches(name, KINDS, n=1)
        raise UsageError(
            "kind",
            found=repr(name),
            expected=f"one of {', '.join(KINDS)}",
            fix=f"did you mean {near[0]}?" if near else "",
        )
    return KINDS[name]


def _members(kind: Kind, task: SpanTask, seeds: tuple[int, ...], count: int) -> tuple[str, ...]:
    if kind.seeded:
        return tuple(f"seed {seed}" for seed in seeds)
    if task.target == "classes":
        return tuple(f"class {number}" for number in range(count))
    return ("score",)


def _linear(
    target: TargetKind, settings: type[Config], fit: Callable[..., tuple[PooledProbe, np.ndarray]]
) -> Kind:
    return Kind((target,), settings, lambda task, chosen, seeds: fit(task, chosen))


def _net(settings: type[net_config.Net]) -> Kind:
    def fit(
        task: SpanTask, net: net_config.Net, seeds: tuple[int, ...]
    ) -> tuple[SequenceProbe, np.ndarray]:
        probe, trained = fit_sequence(task, net, seeds)
        return probe, trained.best

    return Kind(("binary", "continuous", "rank"), settings, fit, seeded=True)


KINDS: dict[str, Kind] = {
    "logistic": _linear("binary", pooled_fits.RidgeSettings, pooled_fits.logistic),
    "lda": _linear("binary", pooled_fits.LdaSettings, pooled_fits.lda),
    "difference_of_means": _linear(
        "binary", pooled_fits.PooledSettings, pooled_fits.difference_of_means
    ),
    "ridge": _linear("continuous", pooled_fits.RidgeSettings, pooled_fits.ridge),
    "huber": _linear("continuous", pooled_fits.HuberSettings, pooled_fits.huber),
    "pairwise": _linear("rank", pooled_fits.RidgeSettings, pooled_fits.pairwise),
    "multiclass": _linear("classes", pooled_fits.RidgeSettings, pooled_fits.multiclass),
    "ordinal": _linear("ordinal", pooled_fits.RidgeSettings, pooled_fits.ordinal),
    "mlp": _net(net_config.MlpNet),
    "attention": _net(net_config.AttentionNet),
    "multimax": _net(net_config.MultiMaxNet),
    "softmax": _net(net_config.SoftmaxNet),
    "rolling": _net(net_config.RollingNet),
    "ema": _net(net_config.EmaNet),
}
"""Name -> kind."""

LINEAR: dict[TargetKind, str] = {
    "binary": "logistic",
    "continuous": "ridge",
    "rank": "pairwise",
    "classes": "multiclass",
    "ordinal": "ordinal",
}
"""The plain linear kind of each target."""
