"""How much of a rank is luck: over replicates, over groups, and over draws of validation groups."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from augury.evaluate.intervals import group_draws
from augury.report.tables import CellValue
from augury.sweeps.entries import Entry, mean_of
from augury.sweeps.shortlist import ranked

__all__ = ["stability_rows"]

_DRAWS = 1000


def stability_rows(entries: Sequence[Entry]) -> list[dict[str, CellValue]]:
    """One row per entry, in the order of the leaderboard.

    Returns:
        `replicates` and the standard deviation of their test scores; `group_sd`, of the test scores
        of groups; `first`, the share of draws of the league's validation groups, with replacement,
        in which the entry is the best: the chance that other groups would have chosen it too.
    """
    rows: list[dict[str, CellValue]] = []
    for number, league in enumerate(ranked(entries).values(), start=1):
        shares = _first_shares(league)
        for rank, (entry, share) in enumerate(zip(league, shares, strict=True), start=1):
            rows.append(
                {
                    "league": number,
                    "rank": rank,
                    "target": entry.standing.target,
                    "setting": entry.standing.setting,
                    "predictor": entry.standing.predictor,
                    "replicates": len(entry.by_replicate),
                    "test": mean_of(entry.standing.test),
                    "replicate_sd": _spread(entry.by_replicate),
                    "group_sd": _spread(tuple(entry.standing.test.values())),
                    "first": share,
                    "config": " ".join(member.id for member in entry.members),
                }
            )
    return rows


def _first_shares(league: Sequence[Entry]) -> list[float | None]:
    groups = sorted({name for entry in league for name in entry.standing.validation})
    if not groups:
        return [None] * len(league)
    scores = np.array(
        [[entry.standing.validation.get(name, np.nan) for name in groups] for entry in league]
    )
    known = np.isfinite(scores)
    weights = group_draws(len(groups), _DRAWS, 0).astype(np.float64)
    total = weights @ known.T
    mean = np.full(total.shape, -np.inf)
    np.divide(weights @ np.where(known, scores, 0).T, total, out=mean, where=total > 0)
    best = mean == mean.max(axis=1, keepdims=True)
    # equals share the first place
    shares: list[float | None] = (best / best.sum(axis=1, keepdims=True)).mean(axis=0).tolist()
    return shares


def _spread(values: Sequence[float]) -> float | None:
    return float(np.std(values, ddof=1)) if len(values) > 1 else None
