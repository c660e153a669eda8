"""A deferral plan: two thresholds chosen on validation, and what they do on test.

One pair for all rows, or one for each kind of row (a model, a category).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from augury.errors import DataError
from augury.evaluate.cells import TEST, VALIDATION
from augury.evaluate.deferral import Deferral, Objective, Thresholds, choose_thresholds, defer
from augury.evaluate.predictions import Predictions
from augury.plain import shown

__all__ = ["DeferralPlan", "PlannedGroup", "plan_deferrals", "plan_facts"]

EVERY_ROW = "all"


@dataclass(frozen=True, slots=True)
class PlannedGroup:
    """The thresholds of one kind of row."""

    name: str
    """`all`, or the kind."""

    thresholds: Thresholds
    """Chosen on its validation rows."""

    validation: Deferral
    """On the rows that chose the thresholds: better than it will ever be."""

    test: Deferral
    """On rows that chose nothing."""


@dataclass(frozen=True, slots=True)
class DeferralPlan:
    """A plan for one score."""

    score: str
    """Name of the score."""

    objective: Objective
    """What was wanted."""

    groups: tuple[PlannedGroup, ...]
    """By kind of row, in order of names."""

    validation: Deferral
    """All validation rows together, so that a kind counts by its rows."""

    test: Deferral
    """All test rows together."""


def plan_deferrals(
    rows: Predictions,
    score: str,
    objective: Objective,
    *,
    grid_size: int | None = None,
    draws: int = 1000,
    seed: int = 0,
) -> DeferralPlan:
    """Choose thresholds on validation, for each kind of row apart where `rows.by` names kinds.

    Args:
        rows: With validation and test rows of every kind.
        score: Name of one of its scores.
        objective: What is wanted, of every kind alike.
        grid_size: See `choose_thresholds`.
        draws: Bootstrap draws of groups for the interval of the accepted error.
        seed: Of the draws.

    Raises:
        DataError: A kind has no validation or no test row.
    """
    kinds = np.array(rows.by) if rows.by else np.full(len(rows.labels), EVERY_ROW)
    values = rows.scores[score]
    planned = []
    for name in np.unique(kinds):
        chooser, applied = (
            np.flatnonzero((kinds == name) & (rows.split == side)) for side in (VALIDATION, TEST)
        )
        _check_rows(str(name), chooser, applied)
        thresholds = choose_thresholds(
            rows.labels[chooser], values[chooser], objective, grid_size=grid_size
        )
        on = [
            defer(
                rows.labels[at],
                values[at],
                thresholds,
                groups=rows.groups[at],
                draws=draws,
                seed=seed,
            )
            for at in (chooser, applied)
        ]
        planned.append(PlannedGroup(str(name), thresholds, *on))
    return DeferralPlan(
        score,
        objective,
        tuple(planned),
        _together([each.validation for each in planned]),
        _together([each.test for each in planned]),
    )


def plan_facts(plan: DeferralPlan) -> dict[str, object]:
    """The plan as plain values, for JSON: shares beside the counts that they come from."""
    return {
        "score": plan.score,
        "objective": plan.objective.kind,
        "limit": plan.objective.limit,
        "meets_objective": all(each.thresholds.meets_objective for each in plan.groups),
        "groups": {
            each.name: {
                "t_neg": each.thresholds.negative_to,
                "t_pos": each.thresholds.positive_from,
                "meets_objective": each.thresholds.meets_objective,
                "validation": _facts(each.validation),
                "test_projection": _facts(each.test),
            }
            for each in plan.groups
        },
        "weighted": {"validation": _facts(plan.validation), "test": _facts(plan.test)},
    }


def _check_rows(name: str, chooser: np.ndarray, applied: np.ndarray) -> None:
    for side, at in (("validation", chooser), ("test", applied)):
        if not len(at):
            raise DataError(
                f"kind {shown(name)}",
                found=f"no {side} row",
                expected="validation and test rows of every kind",
                fix="use one pair of thresholds for all, or a column with fewer kinds",
            )


def _together(parts: Sequence[Deferral]) -> Deferral:
    """Counts added up; an interval only where there is a single part."""
    if len(parts) == 1:
        return parts[0]
    names = [name for name in Deferral.__slots__ if name != "error_interval"]
    return Deferral(**{name: sum(getattr(part, name) for part in parts) for name in names})


def _facts(found: Deferral) -> dict[str, object]:
    held = found.error_interval
    return {
        "rows": found.rows,
        "accepted": found.accepted,
        "deferred": found.deferred,
        "accepted_positive": found.accepted_positive,
        "accepted_negative": found.accepted_negative,
        "false_positive": found.false_positive,
        "false_negative": found.false_negative,
        "deferral": found.deferral.value,
        "accepted_error": found.error.value,
        "accepted_error_low": held.low if held else None,
        "accepted_error_high": held.high if held else None,
    }
