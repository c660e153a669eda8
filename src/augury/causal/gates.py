"""Capability gates: what an edit cost the model. An edit that fails one breaks the model."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import Field

from augury.config import Config

__all__ = ["Capability", "Gate", "GateLimits", "broken", "gates"]


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


@dataclass(frozen=True, slots=True)
class Capability:
    """What a model can still do."""

    degenerate: float
    """Share of continuations that end in a loop."""

    perplexity: float
    """On neutral text, edited at every token."""

    control_kl: float
    """Mean KL from the unedited model at control positions, in nats; 0 without edits."""

    accuracy: float | None = None
    """Share of continuations with the right answer; None where there are no answers."""


@dataclass(frozen=True, slots=True)
class Gate:
    """One gate."""

    name: str
    measured: float
    bound: float
    """The gate holds while `measured` is at most this."""

    @property
    def passed(self) -> bool:
        return self.measured <= self.bound

    def __str__(self) -> str:
        mark = "" if self.passed else " FAILED"
        return f"{self.name} {self.measured:.3g} (at most {self.bound:.3g}){mark}"


def gates(clean: Capability, edited: Capability, limits: GateLimits) -> tuple[Gate, ...]:
    """Compare an edited model with the unedited one."""
    out = [
        Gate(
            "rise of loops", max(0.0, edited.degenerate - clean.degenerate), limits.degenerate_rise
        ),
        Gate("perplexity ratio", edited.perplexity / clean.perplexity, limits.perplexity_ratio),
        Gate("KL at controls", edited.control_kl, limits.control_kl),
    ]
    if clean.accuracy is not None and edited.accuracy is not None:
        fall = max(0.0, clean.accuracy - edited.accuracy)
        out.insert(0, Gate("fall of accuracy", fall, limits.accuracy_drop))
    return tuple(out)


def broken(found: tuple[Gate, ...]) -> bool:
    """Whether a gate failed."""
    return not all(gate.passed for gate in found)
