from __future__ import annotations

from itertools import combinations, pairwise

import numpy as np
import pytest

from augury.report.palette import (
    CATEGORICAL,
    SEQUENTIAL,
    blend,
    ink_on,
    luminance,
    ordered_colours,
)

# Machado, Oliveira and Fernandes (2009), severity 1, on linear RGB.
BLINDNESS = {
    "protan": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deutan": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.01182, 0.04294, 0.968881],
    ],
}


def linear(colour: str) -> np.ndarray:
    values = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def lab(rgb: np.ndarray) -> np.ndarray:
    to_xyz = np.array(
        [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    )
    xyz = to_xyz @ np.clip(rgb, 0, 1) / np.array([0.9505, 1.0, 1.089])
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("kind", sorted(BLINDNESS))
def test_series_that_stand_together_differ_for_the_colour_blind(kind: str) -> None:
    seen = [lab(np.array(BLINDNESS[kind]) @ linear(colour)) for colour in CATEGORICAL[:3]]
    assert min(float(np.linalg.norm(a - b)) for a, b in combinations(seen, 2)) > 20


def test_higher_values_are_always_darker() -> None:
    shades = [luminance(blend(SEQUENTIAL, at)) for at in np.linspace(0, 1, 101)]
    assert all(a > b for a, b in pairwise(shades))


def test_deeper_sites_are_always_darker() -> None:
    for count in (1, 2, 5, 40):
        shades = [luminance(colour) for colour in ordered_colours(count)]
        assert len(shades) == count and all(a > b for a, b in pairwise(shades))


def test_numbers_can_be_read_on_every_ground() -> None:
    for at in np.linspace(0, 1, 101):
        ground = blend(SEQUENTIAL, at)
        light, dark = sorted((luminance(ground), luminance(ink_on(ground))), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5


def test_blending_meets_its_ends_and_clips() -> None:
    assert blend(SEQUENTIAL, 0) == blend(SEQUENTIAL, -3) == SEQUENTIAL[0]
    assert blend(SEQUENTIAL, 1) == blend(SEQUENTIAL, 9) == SEQUENTIAL[-1]
    assert blend(("#000000", "#ffffff"), 0.5) == "#808080"
