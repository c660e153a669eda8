"""What a stated probability is worth: against what happened, and where events are as frequent."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from augury.errors import UsageError
from augury.evaluate.ranking import check_rows
from augury.shapes import Labels, RowScores

__all__ = ["ReliabilityBin", "prior_corrected", "reliability"]


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """Rows with similar stated probabilities."""

    stated: float
    """Mean stated probability."""

    observed: float
    """Share of positive rows."""

    rows: int
    """How many."""


def reliability(
    labels: Labels, probabilities: RowScores, *, bins: int = 15
) -> tuple[ReliabilityBin, ...]:
    """Bins of equal mass, lowest first: the table behind `expected_calibration_error`.

    Equal probabilities share a bin, so there may be fewer than `bins`. The mean distance of stated
    and observed, weighted by rows, is the calibration error.
    """
    check_rows(labels, probabilities, where="probabilities")
    given = np.asarray(probabilities, dtype=np.float64)
    if not len(given):
        return ()
    cuts = np.sort(given)[np.arange(1, bins) * len(given) // bins]
    place = np.searchsorted(np.unique(cuts), given, side="right")
    rows, stated, hits = (np.bincount(place, weights=each) for each in (None, given, labels))
    return tuple(
        ReliabilityBin(float(stated[n] / rows[n]), float(hits[n] / rows[n]), int(rows[n]))
        for n in np.flatnonzero(rows)
    )


def prior_corrected(probabilities: RowScores, *, fitted: float, used: float) -> RowScores:
    """Probabilities for a place where events are more or less frequent than where they were fitted.

    Bayes' rule with likelihoods unchanged (Saerens, Latinne and Decaestecker 2002):
    the odds are multiplied by `used / (1 - used)` over `fitted / (1 - fitted)`. It holds where only
    the frequency of events differs, as after balancing; not where texts differ.

    Args:
        probabilities: In [0, 1].
        fitted: Share of positive rows, weights counted, where the probability was fitted.
        used: Share of positive rows where it is used.

    Raises:
        UsageError: A share is not between 0 and 1.
    """
    if not (0 < fitted < 1 and 0 < used < 1):
        found = f"fitted {fitted:g}, used {used:g}"
        raise UsageError("prior", found=found, expected="shares between 0 and 1")
    given = np.asarray(probabilities, dtype=np.float64)
    yes, no = given * (used / fitted), (1 - given) * ((1 - used) / (1 - fitted))
    return np.asarray(yes / (yes + no))
