"""Random draws that an edit has to beat: directions and sets of sites like its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.optimize import linear_sum_assignment

from augury.errors import DataError
from augury.models.sites import parse_site

__all__ = ["SiteDraw", "matched_site_draws", "orthogonal_directions", "random_directions"]

_TRIES = 2000


@dataclass(frozen=True, slots=True)
class SiteDraw:
    """One set of sites that was not chosen."""

    sites: tuple[str, ...]
    depth_apart: float
    """Mean distance from the chosen sites that they stand for, in blocks."""

    norm_apart: float
    """Mean absolute log ratio of the norms of what the two add to the residual."""


def random_directions(count: int, width: int, *, seed: int) -> Float[np.ndarray, "draw hidden"]:
    """Unit vectors, uniform over all directions."""
    drawn = np.random.default_rng(seed).standard_normal((count, width))
    return np.asarray(drawn / np.linalg.norm(drawn, axis=1, keepdims=True))


def orthogonal_directions(
    count: int,
    own: Float[np.ndarray, " hidden"],
    reference: Float[np.ndarray, "row hidden"],
    *,
    seed: int,
) -> Float[np.ndarray, "draw hidden"]:
    """Unit vectors at right angles to `own` that vary as real states do.

    Each is a random mixture of centred states, made orthogonal to `own`: a harder control than a
    direction in which states never move, above all for erasing.

    Raises:
        DataError: States that do not vary, or only along `own`.
    """
    centred = reference - reference.mean(axis=0)
    mixed = np.random.default_rng(seed).standard_normal((count, len(centred))) @ centred
    unit = own / np.linalg.norm(own)
    mixed = mixed - (mixed @ unit)[:, None] * unit
    length = np.linalg.norm(mixed, axis=1, keepdims=True)
    if not len(centred) or length.min() < 1e-6 * np.abs(centred).max() or length.min() == 0:
        raise DataError(
            "reference states", found="no variation beside the direction", expected="more states"
        )
    return np.asarray(mixed / length)


def matched_site_draws(
    chosen: Sequence[str],
    norms: Mapping[str, float],
    *,
    count: int,
    seed: int,
) -> list[SiteDraw]:
    """Different sets of sites with as many of each kind as `chosen`, and none of its members.

    Of many random sets those are kept whose members, paired with the chosen ones, stand at the most
    similar depths and add vectors of the most similar norm.

    Args:
        chosen: Sites of one or more kinds.
        norms: Mean norm of what every site of the model adds to the residual.
        count: How many sets; fewer where there are not as many.
        seed: Of the draws.

    Raises:
        DataError: The model has too few other sites of a kind.
    """
    rng = np.random.default_rng(seed)
    pools: dict[str, list[str]] = {}
    wanted: dict[str, list[str]] = {}
    for site in chosen:
        wanted.setdefault(parse_site(site).kind, []).append(site)
    for kind, own in wanted.items():
        pools[kind] = [s for s in norms if parse_site(s).kind == kind and s not in own]
        if len(pools[kind]) < len(own):
            raise DataError(
                f"random draws of {kind} sites",
                found=f"{len(pools[kind])} that were not chosen",
                expected=f"at least {len(own)}",
                fix="choose fewer sites",
            )
    found: dict[tuple[str, ...], SiteDraw] = {}
    for _ in range(_TRIES):
        picked = {k: rng.choice(pools[k], len(own), replace=False) for k, own in wanted.items()}
        sites = tuple(sorted(str(s) for drawn in picked.values() for s in drawn))
        if sites not in found:
            apart = [_apart(own, [str(s) for s in picked[k]], norms) for k, own in wanted.items()]
            depth, norm = np.mean(np.concatenate(apart), axis=0)
            found[sites] = SiteDraw(sites, float(depth), float(norm))
    depth_scale = max(1.0, max(float(parse_site(s).block or 0) for s in norms))
    best = sorted(
        found.values(), key=lambda d: (d.depth_apart / depth_scale + d.norm_apart, d.sites)
    )
    return best[:count]


def _apart(own: Sequence[str], drawn: Sequence[str], norms: Mapping[str, float]) -> np.ndarray:
    """Distance in blocks and in log norm of each pair [pair, 2], paired as well as can be."""
    block = np.array([[float(parse_site(s).block or 0) for s in sites] for sites in (own, drawn)])
    size = np.log([[max(norms[s], 1e-12) for s in sites] for sites in (own, drawn)])
    depth = np.abs(block[0][:, None] - block[1][None])
    norm = np.abs(size[0][:, None] - size[1][None])
    rows, columns = linear_sum_assignment(depth / max(1.0, depth.max()) + norm)
    return np.stack([depth[rows, columns], norm[rows, columns]], axis=1)
