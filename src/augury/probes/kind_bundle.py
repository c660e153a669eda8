"""Save and load a fitted kind: a `bundle` whose card names the kind and holds its settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from augury.config import Config
from augury.errors import AuguryError, DataError, StorageError
from augury.probes.bundle import ProbeCard, read_bundle, write_bundle
from augury.probes.kinds import FittedKind, find_kind
from augury.probes.net_config import Net
from augury.probes.pooled import PooledProbe
from augury.probes.sequence import SequenceProbe
from augury.probes.token_net import weight_shapes
from augury.probes.train_seeds import Scale

__all__ = ["load_kind", "save_kind"]

_NET = "net."


def save_kind(folder: Path, fitted: FittedKind, card: ProbeCard) -> Path:
    """Write a bundle of a probe on spans; an earlier one in the same folder is replaced.

    Kind, settings, members and pooling of the card are filled in from the fit.

    Returns:
        The folder.

    Raises:
        DataError: A weight is not finite.
        CannotCreate: The folder cannot be written to.
        StorageError: Writing failed half-way.
    """
    facts = {
        "probe": fitted.kind,
        "settings": fitted.settings.model_dump(mode="json"),
        "members": fitted.members,
        "pooling": getattr(fitted.settings, "pooling", "tokens"),
    }
    tensors = _tensors(fitted.probe) | {"validation": fitted.validation}
    return write_bundle(folder, tensors, card.model_copy(update=facts))


def load_kind(
    folder: Path, *, model_identity: Mapping[str, str] | None = None, force: bool = False
) -> tuple[FittedKind, ProbeCard]:
    """Read a bundle of a probe on spans; its scores are those before saving, bit for bit.

    Args:
        folder: As given to `save_kind`.
        model_identity: Of the loaded model; None skips the comparison.
        force: Load in spite of another identity.

    Raises:
        MissingInput: The folder or one of its files is not there.
        StorageError: The weights are damaged, or do not fit the card.
        DataError: The card cannot be read, or is not of a probe on spans.
        ConfigError: The probe was fitted on another model; the message lists what differs.
    """
    tensors, card = read_bundle(folder, model_identity=model_identity, force=force)
    settings = _settings(folder, card)
    build = _net if isinstance(settings, Net) else _pooled
    expected, probe = build(settings, tensors, len(card.members))
    expected |= {"validation": ("float64", (len(card.members),))}
    shapes = {name: (str(array.dtype), array.shape) for name, array in tensors.items()}
    wrong = sorted(name for name in expected | shapes if expected.get(name) != shapes.get(name))
    if wrong:
        raise StorageError(
            f"{folder}: tensor {wrong[0]}",
            found=f"{shapes.get(wrong[0], 'nothing')}",
            expected=f"{expected.get(wrong[0], 'nothing')}",
            fix="copy the bundle again from where it was made",
        )
    return FittedKind(card.probe, settings, probe(), card.members, tensors["validation"]), card


_Expected = dict[str, tuple[str, tuple[int, ...]]]


def _tensors(probe: PooledProbe | SequenceProbe) -> dict[str, np.ndarray]:
    if isinstance(probe, PooledProbe):
        named = {"weight": probe.weight, "bias": probe.bias, "thresholds": probe.thresholds}
    else:
        named = {_NET + name: weight for name, weight in probe.weights.items()}
        named |= {"mean": probe.scale.mean, "inverse": probe.scale.inverse}
    return {name: np.ascontiguousarray(array) for name, array in named.items()}


def _settings(folder: Path, card: ProbeCard) -> Config:
    try:
        return find_kind(card.probe if card.members else "").settings.model_validate(card.settings)
    except (AuguryError, ValidationError) as error:
        raise DataError(
            f"{folder}: card",
            found=f"kind {card.probe!r} with {len(card.members)} members: {error}",
            expected="a probe on spans",
            fix="load a probe on tokens with load_bundle",
        ) from error


def _pooled(
    settings: Any, tensors: dict[str, np.ndarray], members: int
) -> tuple[_Expected, Callable[[], PooledProbe]]:
    hidden, levels = _last(tensors, "weight"), _last(tensors, "thresholds")
    expected: _Expected = {
        "weight": ("float32", (members, hidden)),
        "bias": ("float64", (members,)),
        "thresholds": ("float64", (levels,)),
    }
    return expected, lambda: PooledProbe(
        settings.pooling, tensors["weight"], tensors["bias"], tensors["thresholds"]
    )


def _net(
    settings: Any, tensors: dict[str, np.ndarray], members: int
) -> tuple[_Expected, Callable[[], SequenceProbe]]:
    hidden = _last(tensors, "mean")
    shapes = weight_shapes(settings, hidden)
    expected: _Expected = {
        _NET + name: ("float32", (members, *shape)) for name, shape in shapes.items()
    }
    expected |= {name: ("float64", (hidden,)) for name in ("mean", "inverse")}
    return expected, lambda: SequenceProbe(
        settings,
        {name: tensors[_NET + name] for name in shapes},
        Scale(tensors["mean"], tensors["inverse"]),
    )


def _last(tensors: dict[str, np.ndarray], name: str) -> int:
    """Length of the last axis; 0 where the tensor is missing or has none."""
    return int(np.shape(tensors.get(name, ()))[-1]) if np.ndim(tensors.get(name, ())) else 0
