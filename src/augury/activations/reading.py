"""Reading: which rows of which traces are to be read, in which form."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from augury.activations.anchors import Anchors, planned_anchors
from augury.activations.plan import ReadingPlan
from augury.traces.tokens import TokenisedTrace

__all__ = ["Reading"]


@dataclass(frozen=True, eq=False, slots=True)
class Reading:
    """A plan, and the traces that it is for. Made by `Reading.of`."""

    traces: Sequence[TokenisedTrace]
    """In the order of the store."""

    plan: ReadingPlan

    rows: Sequence[Anchors]
    """Of each trace."""

    @classmethod
    def of(
        cls,
        traces: Sequence[TokenisedTrace],
        plan: ReadingPlan,
        spans: Sequence[np.ndarray] | None = None,
    ) -> Reading:
        """The rows that the plan keeps; arguments and errors of `planned_anchors`."""
        return cls(traces, plan, planned_anchors(traces, plan, spans))
