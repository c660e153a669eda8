"""What the judged ladder says, in words that it supports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from augury.evaluate.group_scores import GroupLead, GroupResult
from augury.evaluate.verdict import BEYOND_BASELINES, INSUFFICIENT

__all__ = [
    "Conclusion",
    "conclude_states",
    "conclude_target",
    "measured_line",
    "measured_well",
    "states_line",
]


_CHOSEN = "best on validation"
"""One that was picked by its score on test would be quoted too high."""


@dataclass(frozen=True, slots=True)
class Conclusion:
    """The verdict on one target."""

    target: str
    headline: str
    lines: tuple[str, ...]
    """The rung that is as good as any, and what the next one adds."""

    beyond: int | None = None
    """How many predictors add to those that they have to beat; None for too little data."""


def conclude_target(
    results: Sequence[GroupResult], target: str, on_validation: Mapping[str, float]
) -> Conclusion:
    """The highest rung that adds to all below it, in the order of the ladder.

    Args:
        results: All that were judged.
        target: Of these.
        on_validation: Predictor -> score on validation problems, by which the quoted one is chosen.
    """
    own = [r for r in results if r.target == target and "@" not in r.predictor]
    beyond = [result for result in own if result.verdict == BEYOND_BASELINES]
    if all(result.verdict == INSUFFICIENT for result in own):
        return Conclusion(target, f"{target}: insufficient data", (f"because {own[0].why}",))
    if not beyond:
        best = max(own, key=lambda result: on_validation[result.predictor])
        line = f"{_CHOSEN} {best.predictor}: {_score(best)}; {best.verdict} ({best.why})"
        return Conclusion(target, f"{target}: no rung adds to those below it", (line,), 0)
    last = beyond[-1]
    above = own[own.index(last) + 1 :]
    lines = [f"enough  {last.predictor}: {_score(last)}"]
    told = [f"{r.predictor} {_lead(r.baselines[last.predictor])}" for r in above]
    if told:
        lines.append(f"more    not shown to add: {', '.join(told)}")
    headline = f"{target}: {last.predictor} is the bar that hidden states have to beat"
    return Conclusion(target, headline, tuple(lines), len(beyond))


def states_line(conclusions: Sequence[Conclusion]) -> str:
    """The answer over all targets: what hidden states add, of conclusions on states."""
    added = [one.target for one in conclusions if one.beyond]
    known = [one.target for one in conclusions if one.beyond is not None]
    if not known:
        return "Too few problems to say what hidden states add to text and place."
    if added:
        return f"Hidden states are shown to add to text and place on {', '.join(added)}."
    return f"Hidden states are not shown to add to text and place on any of {', '.join(known)}."


def conclude_states(
    results: Sequence[GroupResult], target: str, on_validation: Mapping[str, float]
) -> Conclusion:
    """What probes add to the whole ladder; arguments as of `conclude_target`."""
    own = [r for r in results if r.target == target and "@" in r.predictor]
    beyond = [result for result in own if result.verdict == BEYOND_BASELINES]
    if all(result.verdict == INSUFFICIENT for result in own):
        return Conclusion(
            target, f"{target}: insufficient data on probes", (f"because {own[0].why}",)
        )
    best = max(beyond or own, key=lambda result: on_validation[result.predictor])
    lead = best.baselines[best.best_baseline] if best.best_baseline else None
    told = f"; over {best.best_baseline} {_lead(lead)}" if lead else ""
    line = f"{_CHOSEN} {best.predictor}: {_score(best)}{told}; {best.verdict}"
    if not beyond:
        headline = f"{target}: none of {len(own)} probes is shown to add to text and place"
    else:
        headline = (
            f"{target}: {len(beyond)} of {len(own)} probes of hidden states add to text and place"
        )
    return Conclusion(target, headline, (line,), len(beyond))


def measured_line(measured: Mapping[str, float | None]) -> str:
    """What the labels are worth, in one line; empty where no error is known."""
    alone, ratio = measured.get("error_alone"), measured.get("noise_ratio")
    if alone is None or not ratio:
        return ""
    share = min(1.0, 1 / ratio)
    return (
        f"labels: {share:.0%} of their mean square is what error alone would give, and to be told "
        f"only how badly each sentence is measured gives an average precision of {alone:.3f} on "
        "anchors"
    )


def measured_well(status: Sequence[dict[str, Any]]) -> dict[str, float | None]:
    """Means over problems of how well labels are measured, by the name of the column."""
    read = [row for row in status if row["status"] == "ok"]
    names = [
        name
        for name in read[0]
        if name.startswith(("ceiling", "error_alone", "reliability", "noise"))
    ]
    found: dict[str, float | None] = {}
    for name in names:
        values = [row[name] for row in read if row[name] is not None]
        found[name] = float(np.mean(values)) if values else None
    return found


def _lead(lead: GroupLead) -> str:
    if lead.difference is None:
        return "not compared"
    spread = f" [{lead.interval.low:+.3f}, {lead.interval.high:+.3f}]" if lead.interval else ""
    return f"{lead.difference:+.3f}{spread}"


def _score(result: GroupResult) -> str:
    held = f" [{result.interval.low:.3f}, {result.interval.high:.3f}]" if result.interval else ""
    return f"{result.metric} {result.score}{held}, mean of {result.groups} problems"
