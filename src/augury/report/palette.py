"""Colours that people with any colour vision can tell apart, shared by both drawing libraries."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

__all__ = [
    "CATEGORICAL",
    "DASHES",
    "DEPTH",
    "INK",
    "MUTED",
    "OUTLINE",
    "SEQUENTIAL",
    "UNDEFINED",
    "blend",
    "ink_on",
    "luminance",
    "ordered_colours",
]

# Okabe and Ito (2008), without yellow, which vanishes on white paper.
CATEGORICAL = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#5C5C5C")
"""Unordered series: splits, baselines."""

# ColorBrewer YlGnBu: luminance falls steadily, so it also survives a grey photocopy.
SEQUENTIAL = (
    "#ffffd9",
    "#edf8b1",
    "#c7e9b4",
    "#7fcdbb",
    "#41b6c4",
    "#1d91c0",
    "#225ea8",
    "#253494",
    "#081d58",
)
"""Low to high, light to dark."""

DEPTH = ("#a6cee3", "#5aaed6", "#2f82bd", "#3b54a4", "#3a2f7d", "#2a1245")
"""First site to last site; even the lightest can be seen on white."""

DASHES = ((5.0, 2.0), (2.0, 1.5), (7.0, 2.0, 1.5, 2.0), (4.0, 1.5, 1.0, 1.5, 1.0, 1.5), (9.0, 3.0))
"""Dash patterns in points, ink and gap by turns: baselines differ in grey print too."""

OUTLINE = "#D55E00"
"""Frame of a cell that is predictive beyond its baselines."""

UNDEFINED = "#d9d9d9"
"""Ground of a cell without a value; hatched as well."""

INK = "#1a1a1a"
MUTED = "#6b6b6b"


def _channels(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def blend(colours: Sequence[str], at: float) -> str:
    """Colour at `at` in [0, 1] along evenly spaced `colours`; values outside are clipped."""
    position = min(max(at, 0.0), 1.0) * (len(colours) - 1)
    left = min(bisect_right(range(len(colours)), position) - 1, len(colours) - 2)
    part = position - left
    pairs = zip(_channels(colours[left]), _channels(colours[left + 1]), strict=True)
    return "#" + "".join(f"{round(a + (b - a) * part):02x}" for a, b in pairs)


def ordered_colours(count: int) -> tuple[str, ...]:
    """`count` colours from light to dark for things with an order, such as sites by depth."""
    if count == 1:
        return (DEPTH[3],)
    return tuple(blend(DEPTH, number / (count - 1)) for number in range(count))


def luminance(colour: str) -> float:
    """Relative luminance of `#rrggbb` in [0, 1] (WCAG 2.2)."""
    linear = [
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4
        for c in (channel / 255 for channel in _channels(colour))
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def ink_on(ground: str) -> str:
    """Black or white, whichever has the higher contrast on `ground`."""
    light = luminance(ground)
    # Contrast is (brighter + 0.05) / (darker + 0.05); the two are equal at this luminance.
    return "#ffffff" if light < (1.05 * 0.05) ** 0.5 - 0.05 else "#000000"
