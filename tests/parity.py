"""Is a batch what each text would have been alone? Every family, side, size, packing, number type.

    python -m tests.parity [family ...]

Ours are states read in batches: padded on the right (as `read_rows` pads), padded on the left with
our position ids through `capture`, and packed. The reference is transformers, one text at a time,
with eager attention. A number is the worst relative L2 distance, |ours - reference| /
|reference| over all rows of a text at a site, over all sites and texts of the batch.

The line `rounding` is a yardstick that has nothing of ours in it: the same distance between the
reference in this number type and the reference in float64. Two right readings that round at other
places are about as far apart as each is from the exact result, so twice that is the bound; in
float32 never less than 1e-6, so that families with little rounding do not fail for nothing.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from tests.families import FAMILIES, family_model, in_dtype, loaded_from

from augury.models.blocks import Blocks
from augury.models.hooks import capture
from augury.models.load import LoadedModel
from augury.models.read import Padded, pad_right, read_rows
from augury.models.reference import reference_of

SITES = (
    *("embed", "query.0", "key.0", "attn.0", "mlp.0", "resid.0"),
    *("query.1", "key.1", "attn.1", "mlp.1", "resid.1", "final", "logits"),
)
SIZES = (1, 3, 8)
WAYS = ("right", "left", "packed")
FLOORS = {"float32": 1e-6, "bfloat16": 0.0}
"""Relative L2 distance that always passes."""


class Worst(NamedTuple):
    """The worst place of one cell of the matrix."""

    distance: float
    """Relative L2."""

    site: str
    """Where."""


def texts(size: int) -> list[np.ndarray]:
    """The first of eight texts of very different lengths, one of them a single token."""
    random = np.random.default_rng(0)
    lengths = (23, 0, 9, 30, 5, 14, 17, 2)
    return [np.r_[1, random.integers(3, 64, length)].astype(np.int32) for length in lengths][:size]


@functools.cache
def tiny(family: str, dtype: str) -> LoadedModel:
    """The family's tiny model."""
    loaded = loaded_from(family_model(family))
    return loaded if dtype == "float32" else in_dtype(loaded, getattr(torch, dtype))


@functools.cache
def references(family: str, dtype: str) -> list[dict[str, torch.Tensor]]:
    """Each of the eight texts alone, per site [token, hidden]."""
    alone = [reference_of(tiny(family, dtype), ids) for ids in texts(max(SIZES))]
    return [{site: one.site(site) for site in SITES} for one in alone]


def pad_left(sequences: Sequence[np.ndarray], device: torch.device) -> Padded:
    """As `pad_right`, filled up on the left; positions are still those of each text alone."""
    right = pad_right(sequences, device)
    shifts = [right.input_ids.shape[1] - len(ids) for ids in sequences]
    return Padded(
        *(
            torch.stack([row.roll(k) for row, k in zip(column, shifts, strict=True)])
            for column in right
        )
    )


def read_left(loaded: LoadedModel, sequences: Sequence[np.ndarray]) -> dict[str, torch.Tensor]:
    """States of all tokens of a left-padded batch, [token of all texts, hidden]."""
    padded = pad_left(sequences, loaded.device)
    states: dict[str, torch.Tensor] = {}

    def keep(site: str, value: torch.Tensor) -> None:
        states[site] = value[padded.attention_mask.bool()]

    with capture(loaded.blocks, [site for site in SITES if site != "logits"], keep) as session:
        session.run(padded.input_ids, padded.attention_mask, padded.position_ids)
    blocks: Blocks = loaded.blocks
    return states | {"logits": blocks.logits(states["final"])}


def relative_l2(ours: torch.Tensor, reference: torch.Tensor) -> float:
    """|ours - reference| / |reference| over all rows."""
    wanted = reference.double()
    return float((ours.double() - wanted).norm() / wanted.norm())


@functools.cache
def rounding(family: str, dtype: str) -> Worst:
    """How far eager transformers in this number type is from itself in float64."""
    pairs = zip(references(family, dtype), references(family, "float64"), strict=True)
    return max(
        Worst(relative_l2(rough[site], exact[site]), site)
        for rough, exact in pairs
        for site in SITES
    )


def bound(family: str, dtype: str) -> float:
    """Largest relative L2 distance that passes."""
    return max(FLOORS[dtype], 2 * rounding(family, dtype).distance)


def worst(family: str, dtype: str, way: str, size: int) -> Worst:
    """One cell of the matrix."""
    loaded, sequences = tiny(family, dtype), texts(size)
    if way == "left":
        states = read_left(loaded, sequences)
    else:
        rows = [np.arange(len(ids)) for ids in sequences]
        states = read_rows(loaded, sequences, rows, SITES, packed=way == "packed")
    lengths = [len(ids) for ids in sequences]
    alone = references(family, dtype)[:size]
    return max(
        Worst(relative_l2(ours, reference[site]), site)
        for site in SITES
        for ours, reference in zip(states[site].split(lengths), alone, strict=True)
    )


def table(families: Sequence[str]) -> tuple[list[str], bool]:
    """The matrix in lines, and whether every cell is within its bound."""
    columns = [(dtype, size) for dtype in FLOORS for size in SIZES]
    lines = [_line("family", "padding", [f"{dtype} x{size}" for dtype, size in columns])]
    highest: dict[str, dict[str, float]] = {dtype: {} for dtype in FLOORS}
    passed = True
    for family in families:
        for way in WAYS:
            cells = [worst(family, *place) for place in _places(way)]
            lines.append(_line(family, way, [f"{c.distance:.1e} {c.site:7}" for c in cells]))
            for (dtype, _), cell in zip(columns, cells, strict=True):
                passed &= cell.distance <= bound(family, dtype)
                highest[dtype][family] = max(highest[dtype].get(family, 0.0), cell.distance)
        own = {(dtype, max(SIZES)): rounding(family, dtype) for dtype in FLOORS}
        shown = [f"{own[at].distance:.1e} {own[at].site:7}" if at in own else "" for at in columns]
        lines.append(_line(family, "rounding", shown))
    for dtype, of_family in highest.items():
        named = ", ".join(f"{family} {distance:.1e}" for family, distance in of_family.items())
        lines.append(f"{dtype}, worst of each family: {named}")
    lines.append("every cell is within its bound" if passed else "CELLS ARE BEYOND THEIR BOUND")
    return lines, passed


def _places(way: str) -> list[tuple[str, str, int]]:
    return [(dtype, way, size) for dtype in FLOORS for size in SIZES]


def _line(family: str, way: str, cells: Sequence[str]) -> str:
    return f"{family:12} {way:9}" + " ".join(f"{cell:>15}" for cell in cells)


def main(arguments: Sequence[str]) -> int:
    """Print the matrix; exit code 1 when a cell is beyond its bound."""
    lines, passed = table(list(arguments) or sorted(FAMILIES))
    print("\n".join(lines))
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
