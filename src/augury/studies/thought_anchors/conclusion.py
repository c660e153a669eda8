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
]


@dataclass(frozen=True, slots=True)
class Conclusion:
    """The verdict on one target."""

    target: str
    headline: str
    lines: tuple[str, ...]
    """The rung that is as good as any, and what the next one adds."""


def conclude_target(results: Sequence[GroupResult], target: str) -> Conclusion:
    """The highest rung that adds to all below it, in the order of the ladder."""
    own = [r for r in results if r.target == target and "@" not in r.predictor]
    beyond = [result for result in own if result.verdict == BEYOND_BASELINES]
    if all(result.verdict == INSUFFICIENT for result in own):
        return Conclusion(target, f"{target}: insufficient data", (f"because {own[0].why}",))
    if not beyond:
        best = max(own, key=lambda result: result.score.value or 0.0)
        line = f"highest {best.predictor}: {_score(best)}; {best.verdict} ({best.why})"
        return Conclusion(target, f"{target}: no rung adds to those below it", (line,))
    last = beyond[-1]
    above = own[own.index(last) + 1 :]
    lines = [f"enough  {last.predictor}: {_score(last)}"]
    told = [f"{r.predictor} {_lead(r.baselines[last.predictor])}" for r in above]
    if told:
        lines.append(f"more    not shown to add: {', '.join(told)}")
    headline = f"{target}: {last.predictor} is the bar that hidden states have to beat"
    return Conclusion(target, headline, tuple(lines))


def conclude_states(results: Sequence[GroupResult], target: str) -> Conclusion:
    """What probes add to the whole ladder."""
    own = [r for r in results if r.target == target and "@" in r.predictor]
    beyond = [result for result in own if result.verdict == BEYOND_BASELINES]
    if all(result.verdict == INSUFFICIENT for result in own):
        return Conclusion(
            target, f"{target}: insufficient data on probes", (f"because {own[0].why}",)
        )
    best = max(beyond or own, key=lambda result: result.score.value or 0.0)
    lead = best.baselines[best.best_baseline] if best.best_baseline else None
    told = f"; over {best.best_baseline} {_lead(lead)}" if lead else ""
    line = f"highest {best.predictor}: {_score(best)}{told}; {best.verdict}"
    if not beyond:
        headline = f"{target}: none of {len(own)} probes is shown to add to text and place"
        return Conclusion(target, headline, (line,))
    headline = (
        f"{target}: {len(beyond)} of {len(own)} probes of hidden states add to text and place"
    )
    return Conclusion(target, headline, (line,))


def measured_line(measured: Mapping[str, float | None]) -> str:
    """What the labels are worth, in one line; empty where no error is known."""
    alone, ratio = measured.get("error_alone"), measured.get("noise_ratio")
    if alone is None or not ratio:
        return ""
    share = min(1.0, 1 / ratio)
    return (
        f"labels: {share:.0%} of their mean square is what error alone would give, and who is told "
        f"only each sentence's error has an average precision of {alone:.3f} on anchors"
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
