"""Figures of the probes: every kind along the sites, beside the best rung of the ladder."""

from __future__ import annotations

from collections.abc import Sequence

from augury.evaluate.group_scores import GroupResult
from augury.report.figure_data import Line, Lines
from augury.report.scales import Axis, open_scale
from augury.studies.thought_anchors.probes import VERTICAL_SITE

__all__ = ["kind_and_site", "site_lines", "sites_figure"]


_GAP = " "
"""Tick without a value: attention is no depth behind the last block."""


def kind_and_site(predictor: str) -> tuple[str, str]:
    """Parts of the name of a probe; the site of a rung is empty."""
    kind, _, site = predictor.partition("@")
    return kind, site


def sites_figure(target: str) -> str:
    """Name of the figure of a target."""
    return f"sites_{target}"


def site_lines(results: Sequence[GroupResult], target: str) -> Lines:
    """Score of every kind at every site, and of attention at the right; the best rung is level."""
    own = [result for result in results if result.target == target]
    split = [(*kind_and_site(result.predictor), result.score.value) for result in own]
    sites = list(dict.fromkeys(site for _, site, _ in split if site and site != VERTICAL_SITE))
    if any(site == VERTICAL_SITE for _, site, _ in split):
        sites += [_GAP, VERTICAL_SITE]
    found = {(kind, site): value for kind, site, value in split}
    lines = [
        Line(
            kind,
            tuple(found.get((kind, site)) for site in sites),
            role="best" if kind == "position+linear" else "site",
        )
        for kind in dict.fromkeys(kind for kind, site, _ in split if site)
    ]
    rungs = [(kind, value or 0.0) for kind, site, value in split if not site]
    best = max(rungs, key=lambda each: each[1])
    lines.append(Line(f"best rung: {best[0]}", (best[1],) * len(sites), role="baseline"))
    values = [value for line in lines for value in line.values]
    return Lines(
        title=f"Probes of hidden states: {target}",
        caption="Mean within problems that the probe was not fitted on.",
        scale=open_scale(own[0].metric, values, low=0.0),
        x=Axis("site", tuple(float(n) for n in range(len(sites))), tuple(sites), numeric=False),
        lines=tuple(lines),
    )
