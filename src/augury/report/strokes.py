"""How each line of a figure is drawn: one rule for both drawing libraries, so that they agree."""

from __future__ import annotations

from dataclasses import dataclass

from augury.report.figure_data import Line, Lines
from augury.report.palette import CATEGORICAL, DASHES, INK, ordered_colours

__all__ = ["Stroke", "panel_grid", "strokes"]

_MOST_NAMED_SITES = 12
_MARKERS = ("s", "^", "D", "v", "P", "X", "*")


def panel_grid(count: int) -> tuple[int, int]:
    """Rows and columns of `count` panels: at most three side by side, four as two by two."""
    columns = 2 if count == 4 else min(count, 3)
    return -(-count // columns), columns


@dataclass(frozen=True, slots=True)
class Stroke:
    """A line with its looks."""

    line: Line
    colour: str
    width: float
    """In points."""

    dash: tuple[float, ...] = ()
    """Ink and gap by turns, in points; empty for a solid line."""

    marker: str = ""
    """Matplotlib's letter; empty for none."""

    in_legend: bool = True
    layer: int = 3
    """Greater is nearer to the reader."""


def strokes(figure: Lines) -> list[Stroke]:
    """Looks of every line: sites by depth, the best one heavy, baselines dashed, floors dotted.

    Of more than twelve sites the legend names the first, the middle, the last and the best; colour
    tells the depth of the others.
    """
    sites = [line for line in figure.lines if line.role in ("site", "best")]
    colours = ordered_colours(len(sites)) if sites else ()
    named = set(range(len(sites)))
    if len(sites) > _MOST_NAMED_SITES:
        named = {0, len(sites) // 2, len(sites) - 1}
    result, n_sites, n_baselines = [], 0, 0
    for line in figure.lines:
        if line.role == "baseline":
            result.append(_baseline(line, n_baselines))
            n_baselines += 1
        elif line.role == "floor":
            result.append(Stroke(line, INK, 1.3, dash=(1.3, 1.8), layer=2))
        else:
            best = line.role == "best"
            result.append(
                Stroke(
                    line,
                    colours[n_sites],
                    2.4 if best else 1.2,
                    marker="o" if best else ".",
                    in_legend=best or n_sites in named,
                    layer=5 if best else 4,
                )
            )
            n_sites += 1
    return result


def _baseline(line: Line, number: int) -> Stroke:
    # Sites are blue, so baselines start at the first colour that is not.
    warm = (CATEGORICAL[5], CATEGORICAL[2], CATEGORICAL[1], CATEGORICAL[3], CATEGORICAL[6])
    return Stroke(
        line,
        warm[number % len(warm)],
        1.2,
        dash=DASHES[number % len(DASHES)],
        marker=_MARKERS[number % len(_MARKERS)],
        layer=3,
    )
