"""Edits: what is put in the place of the states of one site."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
import xxhash

from augury.errors import DataError
from augury.models.sites import Site
from augury.plain import fingerprint

__all__ = [
    "Change",
    "Edit",
    "EditKind",
    "add",
    "mean",
    "patch",
    "project_out",
    "resample",
    "scale",
    "zero",
]

Change = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""Given states [row, hidden] and the number of the sequence of each row, gives other states."""

EditKind = Literal["zero", "scale", "mean", "resample", "patch", "project out", "add"]


@dataclass(frozen=True, eq=False)
class Edit:
    """One change at one site. `editing` says at which tokens."""

    site: Site
    kind: EditKind
    change: Change
    """New states; never writes into the old ones."""

    identity: str
    """Equal for edits that do the same: a hash of site, kind and all values."""

    numbered: bool = False
    """Whether it needs to know which sequence a row belongs to (`resample`, `patch`)."""


def zero(site: Site) -> Edit:
    """Nothing at all. Far from anything that the site ever holds: prefer `mean`."""
    return Edit(site, "zero", lambda states, _: torch.zeros_like(states), _identity(site, "zero"))


def scale(site: Site, factor: float) -> Edit:
    """`factor` times the state; 0 is `zero`, 1 changes nothing."""
    return Edit(site, "scale", lambda states, _: states * factor, _identity(site, "scale", factor))


def mean(site: Site, reference: np.ndarray) -> Edit:
    """The mean state of the site.

    Args:
        site: Where.
        reference: States of the site [row, hidden] at places like the ones that are edited.
    """
    centre = _checked(site, reference, 2).mean(axis=0)
    return Edit(
        site,
        "mean",
        lambda states, _: _like(centre, states).expand_as(states),
        _identity(site, "mean", centre),
    )


def resample(site: Site, reference: np.ndarray, *, seed: int) -> Edit:
    """The state of the site at another place, drawn once per sequence.

    Args:
        site: Where.
        reference: States of the site [row, hidden] to draw from.
        seed: With the number of the sequence it decides the draw, whatever the batch.
    """
    pool = torch.from_numpy(_checked(site, reference, 2))

    def change(states: torch.Tensor, numbers: torch.Tensor) -> torch.Tensor:
        drawn = [
            int(np.random.Generator(np.random.Philox(key=[seed, number])).integers(len(pool)))
            for number in numbers.tolist()
        ]
        return pool[torch.tensor(drawn)].to(states)

    identity = _identity(site, "resample", pool.numpy(), seed)
    return Edit(site, "resample", change, identity, numbered=True)


def patch(site: Site, states: np.ndarray) -> Edit:
    """Given states, one per sequence.

    Args:
        site: Where.
        states: [sequence, hidden], by the number of the sequence.
    """
    given = torch.from_numpy(_checked(site, states, 2))
    return Edit(
        site,
        "patch",
        lambda old, numbers: given[numbers.cpu()].to(old),
        _identity(site, "patch", given.numpy()),
        numbered=True,
    )


def project_out(site: Site, direction: np.ndarray, *, centre: np.ndarray | None = None) -> Edit:
    """Everything but the part along a direction.

    Args:
        site: Where.
        direction: [hidden], of any length but 0.
        centre: [hidden]; states keep the part along the direction that this one has, so that they
            stay where such states are. 0 when not given.

    Raises:
        DataError: The direction is 0, or not finite.
    """
    unit = _unit(site, direction)
    middle = np.zeros_like(unit) if centre is None else _checked(site, centre, 1)
    if middle.shape != unit.shape:
        raise DataError(f"centre at {site}", found=f"{middle.shape}", expected=f"{unit.shape}")
    kept = float(middle @ unit)

    def change(states: torch.Tensor, _: torch.Tensor) -> torch.Tensor:
        along = _like(unit, states)
        return states - ((states @ along) - kept)[:, None] * along

    return Edit(site, "project out", change, _identity(site, "project out", unit, kept))


def add(site: Site, vector: np.ndarray) -> Edit:
    """The state plus a vector [hidden]."""
    given = _checked(site, vector, 1)
    return Edit(
        site,
        "add",
        lambda states, _: states + _like(given, states),
        _identity(site, "add", given),
    )


def _identity(site: Site, kind: EditKind, *values: np.ndarray | float) -> str:
    told = [
        [list(value.shape), xxhash.xxh3_128_hexdigest(value.tobytes())]
        if isinstance(value, np.ndarray)
        else value
        for value in values
    ]
    return fingerprint([str(site), kind, told])


def _like(values: np.ndarray, states: torch.Tensor) -> torch.Tensor:
    return torch.from_numpy(values).to(states)


def _unit(site: Site, direction: np.ndarray) -> np.ndarray:
    found = _checked(site, direction, 1)
    length = float(np.linalg.norm(found))
    if length == 0:
        raise DataError(f"direction at {site}", found="a vector of length 0", expected="another")
    return np.asarray(found / length)


def _checked(site: Site, values: np.ndarray, dimensions: int) -> np.ndarray:
    found = np.ascontiguousarray(values, dtype=np.float32)
    if found.ndim != dimensions or not found.size or not np.isfinite(found).all():
        raise DataError(
            f"edit at {site}",
            found=f"values of shape {found.shape}"
            + ("" if np.isfinite(found).all() else ", some not finite"),
            expected=f"finite values with {dimensions} axes, not empty",
        )
    return found
