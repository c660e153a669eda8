"""The closed list of verdicts, and the rule that picks one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from augury.evaluate.intervals import FEWEST_GROUPS
from augury.evaluate.records import SplitScores
from augury.evaluate.score import Score

__all__ = [
    "BEYOND_BASELINES",
    "EXPLAINED_BY",
    "FEWEST_POSITIVES",
    "INSUFFICIENT",
    "NOT_PREDICTIVE",
    "Lead",
    "Verdict",
    "best_baseline",
    "insufficiency",
    "verdict_of",
]

BEYOND_BASELINES = "predictive beyond baselines"
EXPLAINED_BY = "predictive, explained by "
NOT_PREDICTIVE = "not predictive"
INSUFFICIENT = "insufficient data"
FEWEST_POSITIVES = 10


class Lead(Protocol):
    """What the rule must know of a baseline, whatever the target and its metric."""

    @property
    def headline(self) -> Score:
        """The baseline's own score on test: average precision, or a rank correlation."""
        ...

    @property
    def difference_low_simultaneous(self) -> float | None:
        """Lower bound of the cell's lead over it, valid for the whole grid at once."""
        ...


@dataclass(frozen=True, slots=True)
class Verdict:
    """A conclusion and the evidence for it."""

    text: str
    """One of the constants of this file; `EXPLAINED_BY` is followed by a baseline's name."""

    why: str
    """The evidence, in a phrase."""


def insufficiency(train: SplitScores, validation: SplitScores, test: SplitScores) -> str:
    """Why these rows cannot carry a verdict; empty where they can.

    A verdict rests on test rows. Saved scores may come without training or validation rows; only
    where such rows are there must they be of both classes, or nothing was fitted or chosen on them.
    """
    for name, split in (("train", train), ("validation", validation), ("test", test)):
        if not split.rows and name != "test":
            continue
        if split.positives in (0, split.rows):
            which = "no positive" if split.positives == 0 else "no negative"
            return f"{which} row in {name} ({split.rows} rows)"
    if test.positives < FEWEST_POSITIVES:
        return f"{test.positives} positive test rows, at least {FEWEST_POSITIVES} needed"
    if test.positive_groups < FEWEST_GROUPS:
        return f"positives in {test.positive_groups} test groups, at least {FEWEST_GROUPS} needed"
    return ""


def best_baseline(baselines: Mapping[str, Lead]) -> str | None:
    """Name of the baseline with the highest headline on test; the first of equals."""
    scores = {name: baseline.headline.value for name, baseline in baselines.items()}
    known = {name: value for name, value in scores.items() if value is not None}
    return max(known, key=lambda name: known[name]) if known else None


def verdict_of(
    lack: str, p_corrected: float | None, baselines: Mapping[str, Lead], alpha: float
) -> Verdict:
    """The verdict of one cell.

    `predictive` needs a grid-corrected p of at most alpha. `beyond baselines` needs, for every
    baseline, a simultaneous lower bound of the paired difference above 0; no correction over
    baselines is due because all of them must be beaten. Otherwise the cell is explained by the
    best baseline (on test) among those that are not beaten.
    """
    if lack or p_corrected is None:
        return Verdict(INSUFFICIENT, lack or "no permutation p")
    p = f"corrected p {p_corrected:.3g}"
    if p_corrected > alpha:
        return Verdict(NOT_PREDICTIVE, f"{p} above {alpha:g}")
    unbeaten = {
        name: result
        for name, result in baselines.items()
        if result.difference_low_simultaneous is None or result.difference_low_simultaneous <= 0
    }
    if not unbeaten:
        return Verdict(BEYOND_BASELINES, f"{p}; ahead of every baseline over the whole grid")
    name = best_baseline(unbeaten) or next(iter(unbeaten))
    lead = unbeaten[name]
    bound = lead.difference_low_simultaneous
    shown = "unknown" if bound is None else f"{bound:+.3f}"
    return Verdict(f"{EXPLAINED_BY}{name}", f"{p}; lead over {name} at least {shown}")
