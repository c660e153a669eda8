"""Are the sentences important of which the grammar knows that they are? Slips and corrections.

Each kind of marked sentence is compared, within its problem, with the unmarked sentences near it,
so that neither the problem nor the place in it can make the difference. Unmarked is what is
written while no slip is open: while one is, every sentence is a chance to notice it that was
taken or missed. Sizes are pushed up by
measurement error where answers are uncertain; signed means are not, so both are told.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from augury.evaluate.intervals import Interval, group_draws, interval
from augury.targets.importance import PUBLISHED_SIGN
from augury.traces.sources.math_rollouts import ESTIMATORS, Estimator, RolloutProblem

__all__ = ["KINDS", "TOGETHER", "PlantedResult", "judge_planted", "planted_lines"]

TOGETHER = "slips, alarms, corrections"
"""The kind that holds all that must be important."""

KINDS: dict[str, tuple[str, ...]] = {
    "slips, to be noticed": ("noticed slip",),
    "slips, never noticed": ("unnoticed slip",),
    "alarms on a slip": ("alarm",),
    "corrections": ("correction",),
    "false alarms": ("false alarm",),
    "others while a slip is open": ("slip open",),
    TOGETHER: ("noticed slip", "unnoticed slip", "alarm", "correction"),
}
"""Kind of sentence to the marks of `organism.sentence_truth` that make it one."""

NEAR = 4
"""Sentences further apart are not compared."""

_DRAWS = 2000


@dataclass(frozen=True, slots=True)
class PlantedResult:
    """One kind of sentence under one importance."""

    kind: str
    estimator: Estimator
    sentences: int
    problems: int
    """That have such a sentence and an unmarked one near it."""

    auroc: float
    """Chance that such a sentence has the larger |importance| than an unmarked one near it; mean
    over problems, 1/2 if neither is more important."""

    auroc_interval: Interval | None
    p: float
    """Marks rotated within their problem; one-sided."""

    size: float
    size_unmarked: float
    """Mean |importance|, of these and of the unmarked ones."""

    signed: float
    """Mean importance, above 0 where the sentence helps."""

    signed_interval: Interval | None


def judge_planted(problems: Sequence[RolloutProblem], *, seed: int = 0) -> list[PlantedResult]:
    """Judge every kind of marked sentence under every importance; problems counting alike.

    The last sentence of a problem, of which nothing is measured, is left out.

    Args:
        problems: With `truth` of their sentences.
        seed: Of resamples and rotations.
    """
    found = []
    for estimator in ESTIMATORS:
        signed = [_signed(problem, estimator) for problem in problems]
        if not any(each.any() for each in signed):
            continue
        for kind, marks in KINDS.items():
            marked = [_marked(problem, marks) for problem in problems]
            plain = [~_marked(problem) for problem in problems]
            if sum(each.sum() for each in marked):
                found.append(_judged(kind, estimator, signed, marked, plain, seed))
    return found


def planted_lines(results: Sequence[PlantedResult]) -> list[str]:
    """A table for a terminal."""
    from augury.report.text_table import text_table

    columns = ("sentences", "importance", "n", "problems", "AUROC", "95 %", "p", "size", "unmarked")
    rows = [
        (
            *(r.kind, r.estimator, r.sentences, r.problems),
            *(f"{r.auroc:.3f}", _shown(r.auroc_interval), f"{r.p:.4f}"),
            *(f"{r.size:.3f}", f"{r.size_unmarked:.3f}"),
            *(f"{r.signed:+.3f}", _shown(r.signed_interval)),
        )
        for r in results
    ]
    return text_table((*columns, "signed", "95 %"), rows)


def _judged(
    kind: str,
    estimator: Estimator,
    signed: Sequence[np.ndarray],
    marked: Sequence[np.ndarray],
    plain: Sequence[np.ndarray],
    seed: int,
) -> PlantedResult:
    sizes = [np.abs(each) for each in signed]
    wins = np.array([_wins(s, m, p) for s, m, p in zip(sizes, marked, plain, strict=True)])
    means = np.array([_mean(s, m) for s, m in zip(signed, marked, strict=True)])
    weights = group_draws(len(signed), _DRAWS, seed)
    auroc, auroc_interval = _over_problems(wins, weights)
    mean, mean_interval = _over_problems(means, weights)
    null = _null(sizes, marked, plain, np.random.default_rng(seed))
    return PlantedResult(
        kind=kind,
        estimator=estimator,
        sentences=int(sum(each.sum() for each in marked)),
        problems=int(np.isfinite(wins).sum()),
        auroc=auroc,
        auroc_interval=auroc_interval,
        p=float((1 + np.sum(null >= auroc - 1e-12)) / (1 + _DRAWS)),
        size=float(np.concatenate([s[m] for s, m in zip(sizes, marked, strict=True)]).mean()),
        size_unmarked=float(
            np.concatenate([s[m] for s, m in zip(sizes, plain, strict=True)]).mean()
        ),
        signed=mean,
        signed_interval=mean_interval,
    )


def _signed(problem: RolloutProblem, estimator: Estimator) -> Float[np.ndarray, " row"]:
    values = [chunk.importance[estimator] for chunk in problem.chunks[:-1]]
    return np.array(values, dtype=np.float64) * PUBLISHED_SIGN[estimator] + 0.0


def _marked(problem: RolloutProblem, marks: Sequence[str] = ()) -> Bool[np.ndarray, " row"]:
    """Sentences with one of the marks; with any, where none is named."""
    return np.array(
        [bool(set(c.truth) & set(marks) if marks else c.truth) for c in problem.chunks[:-1]]
    )


def _wins(size: np.ndarray, marked: np.ndarray, plain: np.ndarray) -> float:
    """Share of near pairs that the marked sentence wins, ties half; nan without a pair."""
    one, other = np.flatnonzero(marked), np.flatnonzero(plain & ~marked)
    near = np.abs(one[:, None] - other) <= NEAR
    ahead = (size[one][:, None] > size[other]) + 0.5 * (size[one][:, None] == size[other])
    return float(ahead[near].mean()) if near.any() else float("nan")


def _null(
    sizes: Sequence[np.ndarray],
    marked: Sequence[np.ndarray],
    plain: Sequence[np.ndarray],
    rng: np.random.Generator,
) -> Float[np.ndarray, " draw"]:
    """AUROC with the importances of each problem rotated, as often as there are draws."""
    total, problems = np.zeros(_DRAWS), 0
    for size, m, p in zip(sizes, marked, plain, strict=True):
        by_turn = np.array([_wins(np.roll(size, turn), m, p) for turn in range(len(size))])
        if np.isfinite(by_turn).all():
            total += by_turn[rng.integers(len(size), size=_DRAWS)]
            problems += 1
    return np.asarray(total / max(problems, 1))


def _mean(values: np.ndarray, at: np.ndarray) -> float:
    return float(values[at].mean()) if at.any() else float("nan")


def _over_problems(of: np.ndarray, weights: np.ndarray) -> tuple[float, Interval | None]:
    known = np.isfinite(of)
    if not known.any():
        return float("nan"), None
    total = weights[:, known].sum(axis=1)
    drawn = np.full(len(weights), np.nan)
    np.divide(weights[:, known] @ of[known], total, out=drawn, where=total > 0)
    point = float(of[known].mean())
    return point, interval(point, drawn, int(known.sum()))


def _shown(held: Interval | None) -> str | None:
    return f"[{held.low:.3f}, {held.high:.3f}]" if held else None
