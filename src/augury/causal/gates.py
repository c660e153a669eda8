"""Capability gates: what an edit cost the model. An edit that fails one breaks the model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from pydantic import Field

from augury.config import Config

__all__ = ["Capability", "Gate", "GateLimits", "broken", "gates", "share_gate"]


_ONE_SIDED = 1.645


class GateLimits(Config):
    """What an edit may cost."""

    accuracy_drop: float = Field(default=0.1, ge=0, le=1)
    """Fall of the share of right answers."""

    degenerate_rise: float = Field(default=0.05, ge=0, le=1)
    """Rise of the share of continuations that end in a loop."""

    perplexity_ratio: float = Field(default=1.2, ge=1)
    """Perplexity on neutral text over that of the unedited model."""

    control_kl: float = Field(default=0.1, ge=0)
    """Mean KL(clean || edited) of the next token at control positions, in nats."""


@dataclass(frozen=True, eq=False, slots=True)
class Capability:
    """What a model can still do."""

    loops: np.ndarray
    """bool [unit], continuations that end in a loop."""

    perplexity: float
    """On neutral text, edited at every token."""

    control_kl: float
    """Mean KL from the unedited model at control positions, in nats; 0 without edits."""

    right: np.ndarray | None = None
    """bool [unit], continuations with the right answer; None where there are no answers."""

    @property
    def degenerate(self) -> float:
        """Share of continuations that end in a loop."""
        return float(self.loops.mean())

    @property
    def accuracy(self) -> float | None:
        """Share of continuations with the right answer."""
        return None if self.right is None else float(self.right.mean())


@dataclass(frozen=True, slots=True)
class Gate:
    """One gate."""

    name: str
    measured: float
    bound: float
    """The gate holds while `measured` is at most this."""

    @property
    def passed(self) -> bool:
        """Whether it holds."""
        return self.measured <= self.bound

    def __str__(self) -> str:
        mark = "" if self.passed else " FAILED"
        return f"{self.name} {self.measured:.3g} (at most {self.bound:.3g}){mark}"


def gates(clean: Capability, edited: Capability, limits: GateLimits) -> tuple[Gate, ...]:
    """Compare an edited model with the unedited one on the same units.

    Shares of few texts fall by chance: where chance alone reaches beyond a limit in one of twenty
    cases, its reach takes the place of the limit.
    """
    out = [
        share_gate("rise of loops", edited.loops, clean.loops, limits.degenerate_rise),
        Gate("perplexity ratio", edited.perplexity / clean.perplexity, limits.perplexity_ratio),
        Gate("KL at controls", edited.control_kl, limits.control_kl),
    ]
    if clean.right is not None and edited.right is not None:
        fall = share_gate("fall of accuracy", clean.right, edited.right, limits.accuracy_drop)
        out.insert(0, fall)
    return tuple(out)


def share_gate(name: str, more: np.ndarray, less: np.ndarray, limit: float) -> Gate:
    """A gate on the share of units (bool [unit], the same on both sides) by which `more` exceeds.

    Where chance alone reaches beyond the limit in one of twenty cases, its reach is the bound.
    """
    difference = more.astype(np.float64) - less.astype(np.float64)
    # Were it chance, each text that differs would be as likely to differ the other way (McNemar);
    # two more are added, as for shares of few (Agresti).
    chance = _ONE_SIDED * float(np.sqrt(np.count_nonzero(difference) + 2)) / len(difference)
    return Gate(name, max(0.0, float(difference.mean())), max(limit, chance))


def broken(found: tuple[Gate, ...]) -> bool:
    """Whether a gate failed."""
    return not all(gate.passed for gate in found)
