"""What the grammar knows at every token: how long ago a slip happened that nobody corrected yet."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from augury.organism.chains import SLIP
from augury.targets.events import token_events
from augury.traces.align import PlacedSpan
from augury.traces.tokens import TokenisedTrace

__all__ = ["AGES", "age_bucket", "open_slip_age"]

AGES = (1, 2, 4, 8, 12, 16, 20, 26, 32, 40)
"""Borders of the buckets of `age_bucket`, in tokens."""


def open_slip_age(
    tokenised: TokenisedTrace, placed: Sequence[PlacedSpan], *, label: str = "backtracking"
) -> np.ndarray:
    """Tokens since the latest slip that no `label` has answered yet, int [token]; -1 for none.

    At the token of the wrong result the age is 0; at the onset of a backtrack the slip counts as
    answered.
    """
    age = np.full(len(tokenised.ids), -1)
    onset = token_events(tokenised, placed, label).onset
    marks = [(p.first, True) for p in placed if p.span.label == SLIP and p.starts_here]
    marks += [(int(t), False) for t in np.flatnonzero(onset)]
    for at, is_slip in sorted(marks):
        age[at:] = np.arange(len(age) - at) if is_slip else -1
    return age


def age_bucket(age: np.ndarray) -> np.ndarray:
    """0 where no slip is open, else 1 + the bucket of its age; int, at most `len(AGES) + 1`."""
    return np.where(age < 0, 0, 1 + np.digitize(age, AGES))
