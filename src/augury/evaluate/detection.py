"""How well a detector finds events: precision and recall with intervals over groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from augury.errors import DataError
from augury.evaluate.intervals import Interval, group_draws, interval

__all__ = ["DetectionScore", "Place", "joined", "score_detector"]

Place = tuple[int, int]
"""Code points `[start, end)` of one text."""


@dataclass(frozen=True, slots=True)
class DetectionScore:
    """Counts over all texts, and what follows from them."""

    found: int
    right: int
    """Found events that begin inside a true one."""

    true: int
    hit: int
    """True events in which one begins."""

    precision_interval: Interval | None
    recall_interval: Interval | None

    @property
    def precision(self) -> float | None:
        return self.right / self.found if self.found else None

    @property
    def recall(self) -> float | None:
        return self.hit / self.true if self.true else None


def joined(places: Sequence[Place], text: str) -> list[Place]:
    """Places in order; those with nothing but white space between them are one."""
    out: list[Place] = []
    for start, end in sorted(places):
        if out and not text[out[-1][1] : start].strip():
            out[-1] = (out[-1][0], max(end, out[-1][1]))
        else:
            out.append((start, end))
    return out


def score_detector(
    found: Sequence[Sequence[Place]],
    true: Sequence[Sequence[Place]],
    groups: Sequence[str],
    *,
    draws: int = 2000,
    seed: int = 0,
) -> DetectionScore:
    """Compare detected events with true ones, text by text.

    Args:
        found: Per text, the detected places.
        true: Per text, the true events, `joined` where they touch.
        groups: Group of each text; intervals resample groups.
        draws: Resamples.
        seed: Of the resamples.

    Raises:
        DataError: Not as many texts on either side.
    """
    if not len(found) == len(true) == len(groups):
        found_, expected = f"{len(found)} and {len(true)} texts, {len(groups)} groups", "as many"
        raise DataError("detection", found=found_, expected=expected)
    counts = np.array([_counts(f, t) for f, t in zip(found, true, strict=True)], dtype=np.float64)
    place = np.unique(np.asarray(groups), return_inverse=True)[1]
    table = np.zeros((int(place.max(initial=-1)) + 1, 4))
    np.add.at(table, place, counts.reshape(-1, 4))
    n_found, n_right, n_true, n_hit = (int(n) for n in table.sum(axis=0))
    return DetectionScore(
        found=n_found,
        right=n_right,
        true=n_true,
        hit=n_hit,
        precision_interval=_share_interval(table[:, 1], table[:, 0], draws, seed),
        recall_interval=_share_interval(table[:, 3], table[:, 2], draws, seed),
    )


def _counts(found: Sequence[Place], true: Sequence[Place]) -> tuple[int, int, int, int]:
    hits = [[start <= place[0] < end for start, end in true] for place in found]
    right = sum(any(row) for row in hits)
    hit = sum(any(row[k] for row in hits) for k in range(len(true)))
    return len(found), right, len(true), hit


def _share_interval(top: np.ndarray, bottom: np.ndarray, draws: int, seed: int) -> Interval | None:
    rich = bottom > 0
    if not rich.any():
        return None
    weights = group_draws(int(rich.sum()), draws, seed).astype(np.float64)
    below = weights @ bottom[rich]
    shares = np.divide(weights @ top[rich], below, out=np.full(draws, np.nan), where=below > 0)
    effective = float(bottom.sum() ** 2 / (bottom**2).sum())
    share = float(top.sum() / bottom.sum())
    return interval(share, shares, int(rich.sum()), effective=effective)
