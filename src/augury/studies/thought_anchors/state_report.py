"""The part of the report that is about hidden states: what was read, and what probes add."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from augury.evaluate.group_scores import GroupResult
from augury.evaluate.intervals import Interval
from augury.report.blocks import Bullets, FigureRef, Section, Table
from augury.report.tables import CellValue
from augury.studies.thought_anchors.config import ThoughtAnchorsConfig, is_anchor
from augury.studies.thought_anchors.evaluation import CSV
from augury.studies.thought_anchors.probes import VERTICAL_SITE
from augury.studies.thought_anchors.site_figures import kind_and_site, sites_figure

__all__ = ["limits_of_reading", "on_policy", "read_lines", "states_section"]

_COLUMNS = ("probe", "score [95 %]", "lead [95 %]", "p", "verdict")
_KINDS = {
    "linear": "ridge regression on the sentence's state",
    "position+linear": "the position at full weight, and what a probe of the rest adds to it",
    "logistic": "logistic regression of anchors",
    "mlp": "one hidden layer on the sentence's state",
    "attention": "attention over the sentence's tokens",
    "multimax": "the highest token of each of four heads",
    "receivers": "mean of the receiver heads; nothing is fitted",
}


def states_section(
    results: Sequence[GroupResult], summary: Mapping[str, Any], config: ThoughtAnchorsConfig
) -> Section:
    """What probes find, target by target: of each kind the site that did best on validation."""
    blocks: list[Any] = [Bullets(_told(results))]
    targets = [*config.labels.targets, *config.residuals.values()]
    for target in targets:
        own = {r.predictor: r for r in results if r.target == target}
        best = summary["best_sites"][target]
        blocks.append(FigureRef(sites_figure(target), f"Probes along the sites: {target}"))
        blocks.append(
            Table(
                _COLUMNS,
                tuple(_row(own[name]) for name in best.values()),
                caption=_caption(target, list(own.values()), summary),
            )
        )
    return Section("What hidden states add", blocks)


def read_lines(reading: Mapping[str, Any], config: ThoughtAnchorsConfig) -> tuple[str, ...]:
    """What was read of the model, a line each."""
    pilot = reading["pilot"]
    who = "which wrote them" if on_policy(reading, config) else "which did not write them"
    lines = [
        f"Read by {config.model.name}, {who}.",
        *(
            f"{folder}: {each['rows']} rows at each of {len(each['sites'])} sites "
            f"({each['sites'][0]} to {each['sites'][-1]})."
            for folder, each in reading["stores"].items()
        ),
        f"Pooling {config.reading.pooling}. Nothing of it depends on labels: other labels, kinds "
        "and settings of the evaluation read nothing again.",
        f"Pilot of {len(pilot['problems'])} problems before the rest: "
        f"{sum(check['passed'] for check in pilot['doctor'])} checks of the doctor passed; "
        f"sentences told apart: {pilot['told_apart']['detail']}.",
    ]
    return tuple(lines)


def on_policy(reading: Mapping[str, Any], config: ThoughtAnchorsConfig) -> bool:
    """Whether the model that reads is the one that wrote, by their names."""
    return Path(config.model.name).name.lower() == str(reading["written_by"]).lower()


def limits_of_reading(reading: Mapping[str, Any], config: ThoughtAnchorsConfig) -> tuple[str, ...]:
    """What the way of reading keeps the probes from showing."""
    lines = [
        "Readable is not causal: a probe shows what can be told from states, not what they do."
    ]
    if not on_policy(reading, config):
        lines.append(
            f"Off-policy: {reading['written_by']} wrote, {config.model.name} reads. What a probe "
            "finds is what a reader can tell, not what the writer knew."
        )
    if config.reading.overflow == "window":
        lines.append("Long solutions were read in windows: a state knows of one window at most.")
    return tuple(lines)


def _told(results: Sequence[GroupResult]) -> tuple[str, ...]:
    """The kinds that are there, in words."""
    kinds = dict.fromkeys(kind_and_site(r.predictor)[0] for r in results if "@" in r.predictor)
    lines = [f"{kind}: {_KINDS[kind]}." for kind in kinds]
    if any(kind_and_site(r.predictor)[1] == VERTICAL_SITE for r in results):
        lines.append(
            f"{VERTICAL_SITE}: how much later sentences attend to a sentence, of every head read."
        )
    return tuple(lines)


def _caption(target: str, judged: Sequence[GroupResult], summary: Mapping[str, Any]) -> str:
    over = dict.fromkeys(r.best_baseline for r in judged if "@" in r.predictor)
    chosen = "of each kind the site that does best on validation problems"
    left = _left(target, summary["taken_away"])
    spread = [
        f"{name.partition(':')[2]}: {min(known):.3f} to {max(known):.3f}"
        for name, values in summary["seeds"].items()
        if name.partition(":")[0] == target
        and (known := [value for value in values if value is not None])
    ]
    seeds = f" Single seeds: {'; '.join(spread)}." if spread else ""
    return (
        f"{target}.{left} {len(judged)} predictors were judged, {chosen} is shown; all are in "
        f"{CSV}. lead: over {', '.join(map(str, over))}, the best rung.{seeds}"
    )


def _left(target: str, taken_away: Mapping[str, float]) -> str:
    """What a residual target is, and how much is gone; nothing of other targets."""
    if not target.endswith("_residual"):
        return ""
    seen = "place and words" if target.endswith("_text_residual") else "place"
    fit = f"a ridge regression on {seen} of other problems leaves over"
    if is_anchor(target):
        return f" The top share of each problem by what {fit} of the size."
    share = taken_away.get(target)
    told = f"{share:.0%} of the variance within problems is gone" if share and share > 0 else ""
    return f" What {fit}: {told or 'everything; it foretells nothing'}."


def _row(result: GroupResult) -> tuple[CellValue, ...]:
    best = result.best_baseline
    lead = result.baselines[best] if best else None
    return (
        result.predictor,
        f"{result.score}{_range(result.interval)}",
        f"{lead.difference:+.3f}{_range(lead.interval)}"
        if lead and lead.difference is not None
        else None,
        result.p_corrected,
        result.verdict,
    )


def _range(held: Interval | None) -> str:
    return f" [{held.low:.2f}, {held.high:.2f}]" if held else ""
