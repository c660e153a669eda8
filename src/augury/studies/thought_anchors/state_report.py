"""The part of the report that is about hidden states: what was read, and what probes add."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from augury.evaluate.group_scores import GroupResult
from augury.report.blocks import Bullets, FigureRef, Section, Table
from augury.report.tables import CellValue
from augury.studies.thought_anchors.config import ThoughtAnchorsConfig, residual_name
from augury.studies.thought_anchors.evaluation import CSV
from augury.studies.thought_anchors.probes import VERTICAL_SITE
from augury.studies.thought_anchors.site_figures import kind_and_site, sites_figure

__all__ = ["read_lines", "states_section"]

_COLUMNS = ("probe", "score", "95 %", "lead over", "by", "95 %", "sure lead", "p", "verdict")
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
    targets = [*config.labels.targets, *map(residual_name, config.residuals)]
    for target in targets:
        own = {r.predictor: r for r in results if r.target == target}
        best = summary["best_sites"][target]
        blocks.append(FigureRef(sites_figure(target), f"Probes along the sites: {target}"))
        blocks.append(
            Table(
                _COLUMNS,
                tuple(_row(own[name]) for name in best.values()),
                caption=_caption(target, len(own), summary),
            )
        )
    return Section("What hidden states add", blocks)


def read_lines(reading: Mapping[str, Any], config: ThoughtAnchorsConfig) -> tuple[str, ...]:
    """What was read of the model, a line each."""
    model, wrote = config.model.name, reading["written_by"]
    alike = "the model that wrote them" if model == wrote else f"not by the one that wrote, {wrote}"
    pilot = reading["pilot"]
    lines = [
        f"Read by {model}: {alike}.",
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


def _told(results: Sequence[GroupResult]) -> tuple[str, ...]:
    """The kinds that are there, in words."""
    kinds = dict.fromkeys(kind_and_site(r.predictor)[0] for r in results if "@" in r.predictor)
    lines = [f"{kind}: {_KINDS[kind]}." for kind in kinds]
    if any(kind_and_site(r.predictor)[1] == VERTICAL_SITE for r in results):
        lines.append(
            f"{VERTICAL_SITE}: how much later sentences attend to a sentence, of every head read."
        )
    return tuple(lines)


def _caption(target: str, predictors: int, summary: Mapping[str, Any]) -> str:
    chosen = "of each kind the site that does best on validation problems"
    left = " What a ridge regression on place leaves over." if target.endswith("_residual") else ""
    spread = [
        f"{name.partition(':')[2]}: {min(known):.3f} to {max(known):.3f}"
        for name, values in summary["seeds"].items()
        if name.partition(":")[0] == target
        and (known := [value for value in values if value is not None])
    ]
    seeds = f" Single seeds: {'; '.join(spread)}." if spread else ""
    return (
        f"{target}.{left} {predictors} predictors were judged, {chosen} is shown; all are in {CSV}."
        f"{seeds}"
    )


def _row(result: GroupResult) -> tuple[CellValue, ...]:
    best = result.best_baseline
    lead = result.baselines[best] if best else None
    return (
        result.predictor,
        str(result.score),
        _range(result.interval),
        best,
        f"{lead.difference:+.3f}" if lead and lead.difference is not None else None,
        _range(lead.interval) if lead else None,
        lead.difference_low_simultaneous if lead else None,
        result.p_corrected,
        result.verdict,
    )


def _range(held: Any) -> str | None:
    return f"{held.low:.3f} to {held.high:.3f}" if held else None
