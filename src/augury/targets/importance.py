"""How much a sentence matters: labels from rollouts, their sign, and how well they are measured.

Sign: **above 0, the sentence helps**: the answer is right more often with it than without it. The
published data has two signs: its counterfactual importance is the accuracy *without* the sentence
less the one with it, its resampling importance the accuracy with it less the one without it.

Measurement error is that of a difference of two shares of finite many rollouts. Neighbouring
sentences share an accuracy, so their errors hang together; within-problem ranks see little of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Int

from augury.errors import UsageError
from augury.shapes import Labels, RowScores
from augury.targets.rollout_counts import RolloutCounts

__all__ = [
    "PUBLISHED_SIGN",
    "Estimator",
    "Importance",
    "LabelRule",
    "anchors",
    "blind_error",
    "label_sentences",
    "measurement_error",
    "noise_ratio",
]

Estimator = Literal["counterfactual", "resampling", "forced"]

PUBLISHED_SIGN: dict[Estimator, int] = {"counterfactual": -1, "resampling": 1, "forced": 1}
"""What a published value is multiplied by, so that above 0 means that the sentence helps."""


@dataclass(frozen=True, slots=True)
class LabelRule:
    """Which importance, and what of it is a label."""

    estimator: Estimator = "counterfactual"
    """`counterfactual`: against rollouts that write something else in its place; `resampling`:
    against all that write it anew; `forced`: the same with an answer forced at once."""

    percentile: float = 90.0
    """Of the importances of a problem; anchors are at or above it."""

    drop_last: bool = True
    """Leave the last sentence out: it has no successor, so nothing is measured of it."""


@dataclass(frozen=True, slots=True, eq=False)
class Importance:
    """The sentences of one problem, in order."""

    signed: RowScores
    """Above 0: the sentence helps. A difference of shares, in [-1, 1]."""

    error: RowScores
    """Standard error of `signed`; nan where no counts are known."""

    blind_error: RowScores
    """The same if the sentence did not matter, see `blind_error`; nan where unknown."""

    anchor: Labels
    """True where |signed| is high for this problem, see `anchors`."""

    threshold: float
    """Smallest |signed| of an anchor; differs from problem to problem."""

    @property
    def absolute(self) -> RowScores:
        """Size without direction."""
        return np.asarray(np.abs(self.signed))


def label_sentences(published: RowScores, counts: RolloutCounts, rule: LabelRule) -> Importance:
    """Labels of the sentences of one problem from its published importances.

    Args:
        published: Of one estimator, in the published sign.
        counts: Of the same sentences.
        rule: Which labels.

    Raises:
        UsageError: As `anchors`.
    """
    kept = slice(0, -1 if rule.drop_last else None)
    signed = np.asarray(published * PUBLISHED_SIGN[rule.estimator], dtype=np.float64)[kept]
    signed = signed + 0.0  # no negative zero
    chosen, threshold = anchors(np.abs(signed), percentile=rule.percentile)
    error = measurement_error(counts, rule.estimator)[kept]
    blind = blind_error(counts, rule.estimator)[kept]
    return Importance(signed, error, blind, chosen, threshold)


def anchors(absolute: RowScores, *, percentile: float) -> tuple[Labels, float]:
    """Sentences at or above a percentile of their problem's importances, and where that lies.

    A sentence without measured importance is no anchor, even where so many are 0 that the
    percentile is 0. Ties at the threshold are all anchors, so there may be more than asked for.

    Args:
        absolute: Importances of the sentences of one problem, 0 or above.
        percentile: In (0, 100); 90 makes about a tenth anchors.

    Raises:
        UsageError: The percentile is out of range, or there is no sentence.
    """
    if not 0 < percentile < 100 or not len(absolute):
        found = f"percentile {percentile:g} of {len(absolute)} sentences"
        raise UsageError("anchors", found=found, expected="0 to 100, and a sentence")
    threshold = float(np.percentile(absolute, percentile))
    chosen: Bool[np.ndarray, " row"] = (absolute >= threshold) & (absolute > 0)
    return chosen, float(absolute[chosen].min()) if chosen.any() else threshold


def measurement_error(counts: RolloutCounts, estimator: Estimator) -> RowScores:
    """Standard error of each importance; nan where nothing was measured, as at the last sentence.

    Two independent sets of rollouts: those of the next sentence, which keep this one, and those
    that write it anew, for `counterfactual` only the different ones. Shares are moved a little, so
    that 2 of 2 is not taken for certain: of all rollouts by half a one on each side (Jeffreys), of
    the different ones by one that is right as often as all are. Forced importances have no counts.
    """
    out = np.full(len(counts.rollouts), np.nan)
    if estimator == "forced":
        return out
    among_all = (counts.right + 0.5) / (counts.rollouts + 1.0)
    every = _variance(among_all, counts.rollouts)
    anew = every
    if estimator == "counterfactual":
        among_different = (counts.different_right + among_all) / (counts.different + 1.0)
        anew = _variance(among_different, _compared(counts))
    out[:-1] = np.sqrt(every[1:] + anew[:-1])
    return out


def blind_error(counts: RolloutCounts, estimator: Estimator) -> RowScores:
    """The standard error that each importance would have if the sentence did not matter.

    Then the answer is right as often with it as without it, in all rollouts of this sentence and
    the next together. The outcome among the different ones, which is the label, plays no part.
    """
    out = np.full(len(counts.rollouts), np.nan)
    if estimator == "forced":
        return out
    total = np.maximum(counts.rollouts, 0)
    both = total[:-1] + total[1:]
    share = (counts.right[:-1] + counts.right[1:]) / np.maximum(both, 1)
    anew = _compared(counts) if estimator == "counterfactual" else total
    spread = _variance(share, total[1:]) + _variance(share, anew[:-1])
    out[:-1] = np.sqrt(np.where(total[:-1] > 0, spread, np.nan))
    return out


def noise_ratio(of: Importance) -> float | None:
    """Mean square of the importances over that of their `blind_error`; None where none is known.

    1 is what sentences that do not matter would give; above 1, some of them matter.
    """
    known = np.isfinite(of.blind_error)
    expected = float(np.sum(of.blind_error[known] ** 2))
    return float(np.sum(of.signed[known] ** 2)) / expected if expected > 0 else None


def _compared(counts: RolloutCounts) -> Int[np.ndarray, " row"]:
    """Different rollouts; 0 where it is not known how many of them were right."""
    return np.where(counts.different_right >= 0, counts.different, 0)


def _variance(share: RowScores, rollouts: Int[np.ndarray, " row"]) -> RowScores:
    """Of a share of so many rollouts; nan without one."""
    out = np.full(len(share), np.nan)
    np.divide(share * (1 - share), rollouts, out=out, where=rollouts > 0)
    return out
