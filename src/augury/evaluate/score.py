"""Score: a number that exists, or the reason why it does not."""

from __future__ import annotations

import math
from dataclasses import dataclass

from augury.errors import CheckFailed

__all__ = ["Score"]


@dataclass(frozen=True, slots=True)
class Score:
    """A measured number, or None and why: never nan, and never 0 or 0.5 as a stand-in.

    Raises:
        CheckFailed: The value is not finite, or a value and a reason (or neither) were given.
    """

    value: float | None
    """The number; None where the rows cannot answer the question."""

    reason: str = ""
    """Why there is no number, e.g. `no positive row`; empty where there is one."""

    def __post_init__(self) -> None:
        """Refuse nan, and a missing value without its reason."""
        if self.value is not None and not math.isfinite(self.value):
            raise CheckFailed("score", found=str(self.value), expected="a finite number or None")
        if (self.value is None) != bool(self.reason):
            found = f"value {self.value} with reason {self.reason!r}"
            raise CheckFailed("score", found=found, expected="either a value or a reason")

    @classmethod
    def undefined(cls, reason: str) -> Score:
        """No number, and why."""
        return cls(None, reason)

    def __str__(self) -> str:
        """Three decimals, or why there is no number."""
        return f"undefined ({self.reason})" if self.value is None else f"{self.value:.3f}"
