"""Axes and scales of figures: a quantity has a name, a unit and limits before anything is drawn."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from augury.errors import DataError

__all__ = [
    "SIGN_CONVENTION",
    "Axis",
    "Scale",
    "horizon_axis",
    "open_scale",
    "site_axis",
    "unit_scale",
]

SIGN_CONVENTION = "h > 0 looks ahead from the state at token t; lag = -h."
"""Stated under every figure that has a horizon axis."""


@dataclass(frozen=True, slots=True)
class Scale:
    """What is measured, in which unit, and the range that is drawn."""

    name: str
    """E.g. `average precision`."""

    low: float
    """Lower end of what is drawn, in `unit`."""

    high: float
    """Upper end of what is drawn, in `unit`; above `low`."""

    unit: str = ""
    """Empty for a pure number."""

    def __post_init__(self) -> None:
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise DataError(
                f"scale {self.name!r}",
                found=f"limits {self.low} to {self.high}",
                expected="two finite numbers, the lower one first",
            )

    @property
    def label(self) -> str:
        """Name with its unit in brackets."""
        return f"{self.name} ({self.unit})" if self.unit else self.name

    def fraction(self, value: float) -> float:
        """Place of `value` between the limits: 0 at `low`, 1 at `high`, clipped outside."""
        return min(max((value - self.low) / (self.high - self.low), 0.0), 1.0)


@dataclass(frozen=True, slots=True)
class Axis:
    """A drawn axis: where its ticks stand and what is written at them."""

    label: str
    ticks: tuple[float, ...]
    """Strictly increasing, in the axis' own unit."""

    names: tuple[str, ...]
    """One per tick."""

    numeric: bool = True
    """Whether distances between ticks mean something; if not, ticks are 0, 1, 2, ..."""

    def __post_init__(self) -> None:
        rising = all(a < b for a, b in zip(self.ticks, self.ticks[1:], strict=False))
        if not self.ticks or len(self.ticks) != len(self.names) or not rising:
            raise DataError(
                f"axis {self.label!r}",
                found=f"ticks {list(self.ticks)} named {list(self.names)}",
                expected="at least one tick, strictly increasing, with one name each",
            )


def horizon_axis(horizons: Sequence[int]) -> Axis:
    """Axis of horizons in tokens with the lag written under each; `h > 0` looks ahead, `lag = -h`.

    Args:
        horizons: Strictly increasing.
    """
    return Axis(
        label="horizon h, and lag = \u2212h in brackets (tokens)",
        ticks=tuple(float(horizon) for horizon in horizons),
        names=tuple(f"{_signed(horizon)}\n({_signed(-horizon)})" for horizon in horizons),
    )


def site_axis(sites: Sequence[str]) -> Axis:
    """Axis of sites in the order of the model, shallow first."""
    ticks = tuple(float(number) for number in range(len(sites)))
    return Axis(label="site", ticks=ticks, names=tuple(sites), numeric=False)


def _signed(number: int) -> str:
    # A true minus sign, not a hyphen, is what a paper prints.
    return f"{number:+d}".replace("-", "\u2212") if number else "0"


def unit_scale(name: str) -> Scale:
    """Scale from 0 to 1, for shares and scores whose size matters in itself."""
    return Scale(name, 0.0, 1.0)


def open_scale(
    name: str, values: Iterable[float | None], *, low: float | None = None, high: float = 1.0
) -> Scale:
    """Scale from `low`, or the smallest value if that lies below, to the next round number.

    Scores of rare events are small, so a scale to 1 would show nothing. A scale that would
    come within 15 % of `high` ends there.

    Args:
        name: What is measured.
        values: All that will be drawn; None is skipped.
        low: Where the scale starts unless a value lies below; by default the smallest value.
        high: Where a scale of shares and scores ends; values above it still widen the scale.
    """
    seen = [value for value in values if value is not None]
    floor = min([*seen, low]) if low is not None else min(seen, default=0.0)
    step = _step(max(seen, default=high) - floor)
    bottom = low if low is not None and floor == low else math.floor(floor / step) * step
    greatest = max(seen, default=high)
    top = math.ceil(greatest / step) * step
    if greatest <= high and top > 0.85 * high:
        top = high
    # Steps are decimal numbers, so ends are freed of the rounding errors of binary ones.
    bottom, top = round(bottom, 10), round(top, 10)
    return Scale(name, bottom, top if top > bottom else bottom + step)


def _step(span: float) -> float:
    """A round number (1, 2 or 5 times a power of ten) near a tenth of `span`."""
    if span < 1e-8:
        return 0.1
    power: float = 10.0 ** math.floor(math.log10(span / 5))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= span / 10)
