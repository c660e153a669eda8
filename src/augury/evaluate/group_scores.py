"""Scores within groups, groups counting alike: for labels that mean something in their group only.

An anchor is an anchor of its own problem, so precision over all problems together mixes thresholds
that mean different things. Here each problem has a score, and what is judged is their mean.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from augury.errors import DataError
from augury.evaluate.intervals import (
    FEWEST_GROUPS,
    Interval,
    group_draws,
    interval,
    simultaneous_lower,
)
from augury.evaluate.permutation import grid_p_values
from augury.evaluate.rank_columns import rank_columns
from augury.evaluate.ranks import mean_ranks, ranks_among
from augury.evaluate.reorder import reorderings
from augury.evaluate.score import Score
from augury.evaluate.verdict import best_baseline, verdict_of
from augury.shapes import RowGroups, RowScores

__all__ = [
    "GroupCell",
    "GroupLead",
    "GroupResult",
    "candidates_within",
    "judge_within_groups",
    "scores_within",
]


@dataclass(frozen=True, slots=True, eq=False)
class GroupCell:
    """One predictor of one target, on rows that it was not fitted on."""

    target: str
    predictor: str
    values: np.ndarray
    """[row]: bool is judged by average precision, numbers by rank correlation."""

    scores: RowScores
    groups: RowGroups
    """Rows of one group stand in order."""

    baselines: Mapping[str, RowScores]
    """Predictors that it has to beat, on the same rows."""


@dataclass(frozen=True, slots=True)
class GroupLead:
    """A baseline, and the lead over it."""

    headline: Score
    difference: float | None
    interval: Interval | None
    difference_low_simultaneous: float | None


@dataclass(frozen=True, slots=True)
class GroupResult:
    """The judgement of one cell."""

    target: str
    predictor: str
    metric: str
    """`average precision` or `Spearman`, within groups."""

    score: Score
    """Mean over groups."""

    by_group: tuple[float | None, ...]
    """In the order of group numbers; None where a group says nothing."""

    groups: int
    """Groups that say something."""

    rows: int
    interval: Interval | None
    """95 %, groups resampled; None under 10 groups."""

    baselines: Mapping[str, GroupLead]
    best_baseline: str | None
    p: float | None
    p_corrected: float | None
    verdict: str
    why: str


def scores_within(
    values: np.ndarray, scores: RowScores, groups: RowGroups
) -> Float[np.ndarray, " group"]:
    """Score of each group: average precision where values are bool, else Spearman.

    Nan where a group's values are all alike. Groups come in the order of their numbers. A constant
    score gets the group's share of positive rows, or 0.
    """
    members = [np.flatnonzero(groups == group) for group in np.unique(groups)]
    return np.array([_reordered(values[at][None], scores[at])[0] for at in members])


def candidates_within(
    values: np.ndarray, scores: Float[np.ndarray, "row candidate"], groups: RowGroups
) -> Float[np.ndarray, "candidate group"]:
    """`scores_within` of many scores of the same values, to choose one by: numbers are ranked once.

    Correlations are those of `scores_within` but for the last digits.
    """
    if values.dtype == bool:
        return np.stack([scores_within(values, each, groups) for each in scores.T])
    found = np.full((scores.shape[1], len(np.unique(groups))), np.nan)
    for number, group in enumerate(np.unique(groups)):
        at = np.flatnonzero(groups == group)
        if len(at) >= 3 and np.ptp(values[at]) > 0:
            same = np.broadcast_to(values[at, None], (len(at), scores.shape[1]))
            found[:, number] = rank_columns(same, scores[at])
    return found


def judge_within_groups(
    cells: Sequence[GroupCell],
    *,
    draws: int = 2000,
    permutations: int = 2000,
    seed: int,
    alpha: float = 0.05,
) -> list[GroupResult]:
    """Judge every cell by the rule of `judge_grid`, means over groups in place of pooled scores.

    The null rotates values within their group, which keeps how neighbours hang together.

    Args:
        cells: All that were looked at; all on the same rows.
        draws: Bootstrap draws of groups.
        permutations: Rotations.
        seed: Of both.
        alpha: Family-wise error rate.

    Raises:
        DataError: Cells have different rows, or a score is not finite.
    """
    groups = _checked(cells)
    of_draws, of_orders = (int(s) for s in np.random.SeedSequence(seed).generate_state(2))
    own = [scores_within(cell.values, cell.scores, groups) for cell in cells]
    weights = group_draws(len(own[0]), draws, of_draws)
    carrying = [int(np.isfinite(each).sum()) for each in own]
    judged = [n for n, count in enumerate(carrying) if count >= FEWEST_GROUPS]
    leads = [_leads(cell, each, weights) for cell, each in zip(cells, own, strict=True)]
    _bound(leads, judged, carrying, alpha)
    p = _p_values([cells[n] for n in judged], [own[n] for n in judged], permutations, of_orders)
    found = dict(zip(judged, p, strict=True))
    plain = [{name: lead for name, (lead, _) in each.items()} for each in leads]
    return [
        _result(cell, own[n], weights, plain[n], found.get(n), alpha)
        for n, cell in enumerate(cells)
    ]


def _checked(cells: Sequence[GroupCell]) -> RowGroups:
    groups = cells[0].groups
    for cell in cells:
        where = f"cell {cell.target}, {cell.predictor}"
        if not np.array_equal(cell.groups, groups):
            raise DataError(where, found="other rows", expected="the same rows in every cell")
        for scores in (cell.scores, *cell.baselines.values()):
            if not np.isfinite(scores).all():
                raise DataError(where, found="a score that is not finite", expected="numbers")
    return groups


def _leads(
    cell: GroupCell, own: np.ndarray, weights: np.ndarray
) -> dict[str, tuple[GroupLead, np.ndarray]]:
    """Each baseline, with the lead over it in every draw."""
    found = {}
    for name, scores in cell.baselines.items():
        base = scores_within(cell.values, scores, cell.groups)
        known = np.isfinite(own) & np.isfinite(base)
        if not known.any():
            found[name] = (GroupLead(_mean(base), None, None, None), np.zeros(0))
            continue
        lead = float((own - base)[known].mean())
        drawn = _drawn(own - base, weights)
        held = interval(lead, drawn, int(known.sum()))
        found[name] = (GroupLead(_mean(base), lead, held, None), drawn)
    return found


def _bound(
    leads: Sequence[dict[str, tuple[GroupLead, np.ndarray]]],
    judged: Sequence[int],
    carrying: Sequence[int],
    alpha: float,
) -> None:
    """Write the bounds that hold for all judged cells at once into `leads`."""
    for name in sorted({name for n in judged for name in leads[n]}):
        has = [n for n in judged if name in leads[n]]
        members = [n for n in has if leads[n][name][0].difference is not None]
        if not members:
            continue
        points = np.array([leads[n][name][0].difference for n in members], dtype=np.float64)
        drawn = np.stack([leads[n][name][1] for n in members], axis=1)
        size = np.array([carrying[n] for n in members], dtype=np.float64)
        lower = simultaneous_lower(points, drawn, alpha=alpha, n_groups=size)
        for n, bound in zip(members, lower, strict=True):
            lead, drawn_lead = leads[n][name]
            bounded = GroupLead(lead.headline, lead.difference, lead.interval, float(bound))
            leads[n][name] = (bounded, drawn_lead)


def _p_values(
    cells: Sequence[GroupCell], own: Sequence[np.ndarray], permutations: int, seed: int
) -> list[tuple[float, float]]:
    if not cells:
        return []
    groups = np.searchsorted(np.unique(cells[0].groups), cells[0].groups)
    share = np.random.default_rng(seed).random((permutations, int(groups.max()) + 1))
    null = np.empty((permutations, len(cells)))
    members = [np.flatnonzero(groups == group) for group in range(share.shape[1])]
    for drawn, order in reorderings(groups, share):
        for n, cell in enumerate(cells):
            each = [_reordered(cell.values[order[:, at]], cell.scores[at]) for at in members]
            null[drawn, n] = np.nanmean(each, axis=0)
    # The maximum is taken over standardised logs, which suits a ratio; a correlation is no ratio.
    is_ratio = np.array([cell.values.dtype == bool for cell in cells])
    observed = np.array([np.nanmean(each) for each in own])
    observed, null = (np.where(is_ratio, each, np.exp(each)) for each in (observed, null))
    p = grid_p_values(observed, null)
    return list(zip(p.single.tolist(), p.corrected.tolist(), strict=True))


def _result(
    cell: GroupCell,
    own: np.ndarray,
    weights: np.ndarray,
    leads: Mapping[str, GroupLead],
    p: tuple[float, float] | None,
    alpha: float,
) -> GroupResult:
    score, known = _mean(own), int(np.isfinite(own).sum())
    lack = "" if p else f"{known} groups that say something, at least {FEWEST_GROUPS} needed"
    verdict = verdict_of(lack, p[1] if p else None, leads, alpha)
    held = None
    if score.value is not None:
        held = interval(score.value, _drawn(own, weights), known)
    return GroupResult(
        target=cell.target,
        predictor=cell.predictor,
        metric="average precision" if cell.values.dtype == bool else "Spearman",
        score=score,
        by_group=tuple(float(value) if np.isfinite(value) else None for value in own),
        groups=known,
        rows=len(cell.values),
        interval=held,
        baselines=leads,
        best_baseline=best_baseline(leads),
        p=p[0] if p else None,
        p_corrected=p[1] if p else None,
        verdict=verdict.text,
        why=verdict.why,
    )


def _drawn(own: np.ndarray, weights: Int[np.ndarray, "draw group"]) -> np.ndarray:
    known = np.isfinite(own)
    total = weights[:, known].sum(axis=1)
    out = np.full(len(weights), np.nan)
    np.divide(weights[:, known] @ own[known], total, out=out, where=total > 0)
    return out


def _mean(own: np.ndarray) -> Score:
    known = own[np.isfinite(own)]
    if not len(known):
        return Score.undefined("no group with different values")
    return Score(float(known.mean()))


def _reordered(values: np.ndarray, scores: RowScores) -> Float[np.ndarray, " draw"]:
    """Score of each row of `values` [draw, row], in which the group's values are reordered."""
    if values.dtype != bool:
        if len(scores) < 3 or np.ptp(values[0]) == 0:
            return np.full(len(values), np.nan)
        middle = (len(scores) + 1) / 2
        ranks = ranks_among(values, values[0]) - middle
        right = mean_ranks(scores) - middle
        scale = np.sqrt((ranks[0] @ ranks[0]) * (right @ right))
        return np.asarray(ranks @ right / scale if scale > 0 else np.zeros(len(values)))
    positives = int(values[0].sum())
    if positives in (0, len(scores)):
        return np.full(len(values), np.nan)
    order = np.argsort(-scores, kind="stable")
    # Tied rows are accepted together, at the last of them.
    end = np.searchsorted(-scores[order], -scores[order], side="right") - 1
    hits = np.cumsum(values[:, order], axis=1)
    precision = hits[:, end] / (end + 1)
    return np.asarray((precision * values[:, order]).sum(axis=1) / positives)
