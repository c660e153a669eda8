"""Checks that can be asked for: is the reader right, can the recorded answers be had again?"""

from __future__ import annotations

import json
from collections.abc import Sequence

from augury.errors import CheckFailed, UsageError
from augury.evaluate.tripwires import Tripwire
from augury.report.token_view import TokenView
from augury.runs.folder import Run
from augury.studies.introspection.collect import COLLECTED, head_lines
from augury.studies.introspection.config import IntrospectionConfig
from augury.studies.introspection.inspection import INSPECTION

__all__ = ["failures", "tripwires", "verify", "view"]


def tripwires(run: Run) -> Sequence[Tripwire]:
    """What a finished run says about itself: heads reproduce answers, and values are finite."""
    facts = json.loads((run.path / COLLECTED).read_text(encoding="utf-8"))
    found = json.loads((run.path / INSPECTION).read_text(encoding="utf-8"))
    worst = max(each["head_worst"] / each["head_bound"] for each in facts["collected"].values())
    bad = sum(each["not_finite"] for each in found.values())
    return [
        Tripwire(
            "the head gives the recorded answers from the stored states",
            worst <= 1,
            worst,
            1.0,
            f"worst row at {worst:.2g} of its bound",
        ),
        Tripwire(
            "every stored value is finite", bad == 0, float(bad), 0.0, f"{bad} values are not"
        ),
    ]


def failures(run: Run) -> Sequence[str]:
    """Questions that were not asked, and why."""
    facts = json.loads((run.path / COLLECTED).read_text(encoding="utf-8"))
    left: list[str] = facts["left_out"]
    more = [f"and {len(left) - 5} more"] if len(left) > 5 else []
    return [*left[:5], *more]


def verify(run: Run, config: IntrospectionConfig) -> Sequence[str]:
    """Load the model again and apply its head to every stored state.

    Raises:
        CheckFailed: A row does not give its recorded logits.
    """
    lines = head_lines(run, config)
    if not lines:
        raise CheckFailed("verify", found="no pass", expected="a finished collection")
    return lines


def view(run: Run, config: IntrospectionConfig, names: Sequence[str]) -> TokenView:
    """There is nothing that colours tokens in this study.

    Raises:
        UsageError: Always.
    """
    raise UsageError(
        "view",
        found="the study introspection, whose states are those of single tokens",
        expected="a study with probes of every token",
        fix=f"open {run.path / 'report.html'}",
    )
