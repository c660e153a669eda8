"""The figures of the analyses, from their records alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from augury.report.figure_data import Cell, Figure, Heatmap, Line, Lines, Panels
from augury.report.reliability_figure import reliability_panels
from augury.report.scales import Axis, Scale, open_scale, site_axis, unit_scale
from augury.studies.introspection.directions import Source, TransferResult
from augury.studies.introspection.findings import Findings
from augury.studies.introspection.patching import Patching
from augury.studies.introspection.records import ProbeResult
from augury.studies.introspection.similarity import Likeness
from augury.studies.introspection.steering import Steering
from augury.studies.introspection.verdicts import answer_transfer, chosen_transfer

__all__ = ["Drawn", "analysis_figures"]


_FAMILIES: dict[str, tuple[str, Literal["floor", "baseline"]]] = {
    "random": ("random", "floor"),
    "orthogonal": ("as states vary", "baseline"),
}


@dataclass(frozen=True, slots=True)
class Drawn:
    """A figure, its file name and the section where it stands."""

    name: str
    section: str
    alt: str
    figure: Figure


def analysis_figures(found: Findings, alpha: float) -> Iterator[Drawn]:
    """All figures that the findings allow, in the order of the report."""
    for model, target in dict.fromkeys((one.place.model, one.target) for one in found.probes):
        own = [o for o in found.probes if (o.place.model, o.target) == (model, target)]
        yield Drawn(
            f"layers_{model}_{target}",
            "layers",
            f"Where {target} is readable, {model}",
            _layers(model, target, own),
        )
    if found.transfers:
        yield Drawn(
            "transfer_matrix",
            "transfer",
            "How far the direction of each pass orders the states of each other one",
            _matrix(found.transfers, alpha),
        )
    for model in dict.fromkeys(one.source[0] for one in found.transfers):
        curves = _curves(model, found.transfers)
        if curves is not None:
            alt = f"Transfer of confidence directions by site, {model}"
            yield Drawn(f"transfer_{model}", "transfer", alt, curves)
    for position in dict.fromkeys(one.position for one in found.likenesses):
        own_likeness = [one for one in found.likenesses if one.position == position]
        alt = f"Likeness of states of two passes by site, {position}"
        yield Drawn(f"cka_{position}", "self", alt, _likeness(position, own_likeness))
    for result in found.causal:
        model = result.model
        yield Drawn(
            f"steering_{model}",
            "causal",
            f"Steering along the confidence direction by site, {model}",
            _steering(model, result.steering),
        )
        if result.chosen:
            alt = f"Dose curve at {result.chosen}, {model}"
            yield Drawn(
                f"doses_{model}", "causal", alt, _doses(model, result.steering, result.chosen)
            )
        if result.patching.sites:
            alt = f"Patching of states by site, {model}"
            yield Drawn(f"patching_{model}", "causal", alt, _patching(model, result.patching))
    if found.calibration and found.calibration.models:
        bins = {name: one.bins for name, one in found.calibration.models.items()}
        yield Drawn(
            "reliability",
            "fine-tuning",
            "Stated self-confidence beside the share of right answers",
            reliability_panels(
                "Stated self-confidence and right answers",
                bins,
                shares=unit_scale("share that was right"),
            ),
        )


def _layers(model: str, target: str, own: Sequence[ProbeResult]) -> Panels:
    sites = list(dict.fromkeys(one.place.site for one in own))
    values = [value for one in own for value in (one.spearman, *one.shuffled)]
    values += [lead.spearman for one in own for lead in one.baselines.values()]
    values += [end for one in own for end in one.interval or ()]
    parts = []
    for pass_ in dict.fromkeys(one.place.pass_ for one in own):
        here = [one for one in own if one.place.pass_ == pass_]
        scale = open_scale(f"rank correlation, {pass_}", values, low=0.0)
        lines = tuple(_layer_lines(here, sites))
        parts.append(Lines(f"pass {pass_}", "", scale, site_axis(sites), lines))
    return Panels(
        f"Where is {target} readable? {model}",
        "Rank correlation on test of ridge probes, one per site; a panel for each pass that was "
        "read, a line for each token. Heavy: the token that validation chose, with its 95 % "
        "interval over questions. Dashed: predictors that see no state. Dotted, with 95 %: "
        "probes that learned shuffled values.",
        tuple(parts),
    )


def _layer_lines(here: Sequence[ProbeResult], sites: Sequence[str]) -> Iterator[Line]:
    positions = dict.fromkeys(one.place.position for one in here)
    best = max(here, key=lambda one: one.validation).place.position
    for position in positions:
        by_site = {one.place.site: one for one in here if one.place.position == position}
        values = tuple(by_site[site].spearman for site in sites)
        if position != best:
            yield Line(position, values)
            continue
        yield Line(position, values, tuple(by_site[site].interval for site in sites), "best")
        for name, lead in here[0].baselines.items():
            yield Line(name, (lead.spearman,) * len(sites), role="baseline")
        shuffled = [by_site[site].shuffled for site in sites]
        band = tuple((low, high) for low, _, high in shuffled)
        yield Line("shuffled values", tuple(mean for _, mean, _ in shuffled), band, "floor")


def _matrix(found: Sequence[TransferResult], alpha: float) -> Heatmap:
    sources = list(dict.fromkeys(one.source for one in found))
    rows = []
    for source in reversed(sources):
        row = []
        for target in sources:
            chosen = chosen_transfer(found, source, target)
            if chosen is None:
                row.append(Cell(None, "not compared: other model and other pass"))
                continue
            answer = answer_transfer(chosen, alpha)
            note = f"{answer.answer}: {answer.why}"
            row.append(Cell(chosen.spearman, note, outlined=answer.answer == "carries over"))
        rows.append(tuple(row))
    values = [cell.value for row in rows for cell in row]
    return Heatmap(
        "Do confidence directions carry over?",
        "Rank correlation, on test questions, of the target's own certainty with its states along "
        "the source's direction; site and kind of direction chosen on validation. Certainty is "
        "minus the entropy of the answer (mcq) or the stated confidence (self, other).",
        open_scale("rank correlation", values, low=0.0),
        _names("states and certainty of", [_name(source) for source in sources]),
        _names("direction of", ["/".join(source) for source in reversed(sources)]),
        tuple(rows),
        "carries over: beyond chance, random directions and the surface",
    )


def _curves(model: str, found: Sequence[TransferResult]) -> Panels | None:
    own = [o for o in found if o.source[0] == o.target[0] == model and o.source[1] != o.target[1]]
    if not own:
        return None
    sites = list(dict.fromkeys(one.site for one in own))
    values = [value for one in own for value in (one.spearman, one.random_high)]
    parts = []
    for target in dict.fromkeys(one.target for one in own):
        lines = []
        for source in dict.fromkeys(one.source for one in own if one.target == target):
            best = {
                site: max(
                    (o for o in own if (o.source, o.target, o.site) == (source, target, site)),
                    key=lambda one: one.validation,
                )
                for site in sites
            }
            lines.append(Line(f"from {source[1]}", tuple(best[site].spearman for site in sites)))
        highs = {one.site: one.random_high for one in own if one.target == target}
        floor = tuple(highs[site] for site in sites)
        lines.append(Line("random directions, 95 %", floor, role="floor"))
        scale = open_scale(f"rank correlation, {target[1]}", values, low=0.0)
        parts.append(Lines(f"on {target[1]}", "", scale, site_axis(sites), tuple(lines)))
    return Panels(
        f"Directions of one pass on the states of another: {model}",
        "Rank correlation on test; at each site the kind of direction that validation chose. "
        "Dotted: what 95 % of random mixtures of states stay below.",
        tuple(parts),
    )


def _likeness(position: str, found: Sequence[Likeness]) -> Heatmap:
    pairs = list(dict.fromkeys((one.left, one.right) for one in found))
    sites = list(dict.fromkeys(one.site for one in found))
    by = {(one.site, one.left, one.right): one for one in found}
    rows = tuple(
        tuple(
            Cell(
                by[site, *pair].cka,
                f"95 % {by[site, *pair].low:.3f} to {by[site, *pair].high:.3f}; questions "
                f"shuffled {by[site, *pair].shuffled:+.3f}; {by[site, *pair].rows} questions",
            )
            for pair in pairs
        )
        for site in sites
    )
    return Heatmap(
        f"How alike are the states of two passes? {position}",
        "Debiased linear CKA of the same questions: 1 is the same geometry up to a turn and a "
        "scale, and unrelated states are at 0.",
        Scale("debiased CKA", min(0.0, *(one.cka for one in found)), 1.0),
        _names("pair", [_pair(*pair) for pair in pairs]),
        site_axis(sites),
        rows,
    )


def _steering(model: str, found: Steering) -> Panels:
    sites = [one.site for one in found.sites]
    parts = []
    for kind in ("added", "erased"):
        effects = [one.added if kind == "added" else one.erased for one in found.sites]
        own = tuple(None if effect is None else effect.effect for effect in effects)
        band = tuple(None if effect is None else effect.interval for effect in effects)
        lines = [Line("direction", own, band, "best")]
        for family in ("random", "orthogonal"):
            ends = tuple(None if e is None else getattr(e, family) for e in effects)
            middle = tuple(None if pair is None else sum(pair) / 2 for pair in ends)
            name, role = _FAMILIES[family]
            lines.append(Line(name, middle, ends, role))
        parts.append(_points(kind, sites, lines))
    return Panels(
        f"Steering the stated self-confidence: {model}",
        f"Mean change of the expected confidence over {found.questions} test questions, edited at "
        "the confidence position alone. Added: the direction at the dose that validation chose. "
        "Erased: states set along it to where those of low confidence lie. Dotted and dashed, with "
        "95 % of the draws: random directions of the same length, and mixtures of states at right "
        "angles to the direction. At the last block the head reads the state itself.",
        tuple(parts),
    )


def _doses(model: str, found: Steering, site: str) -> Lines:
    curve = next(one.curve for one in found.sites if one.site == site)
    values = (
        *(d.effect for d in curve if d.dose < 0),
        0.0,
        *(d.effect for d in curve if d.dose > 0),
    )
    doses = (*(d.dose for d in curve if d.dose < 0), 0.0, *(d.dose for d in curve if d.dose > 0))
    failed = [f"{dose.dose:g}" for dose in curve if not dose.passed]
    told = f" Doses that fail a gate: {', '.join(failed)}." if failed else ""
    return Lines(
        f"Dose curve at {site}: {model}",
        "Dose in mean norms of the site's states, above 0 towards high confidence; mean over "
        f"{found.questions} test questions.{told}",
        open_scale("change of expected confidence (points)", values),
        Axis("dose", doses, tuple(_signed(dose) for dose in doses)),
        (Line("direction", values, role="best"),),
    )


def _patching(model: str, found: Patching) -> Lines:
    sites = [one.site for one in found.sites]
    band = tuple(one.interval for one in found.sites)
    ends = tuple(one.random for one in found.sites)
    lines = [
        Line("patch less control", tuple(one.effect for one in found.sites), band, "best"),
        Line("state of a sure question", tuple(one.patched for one in found.sites)),
        Line("state of an unsure one", tuple(one.control for one in found.sites), role="baseline"),
        Line("random change", tuple(sum(pair) / 2 for pair in ends), ends, "floor"),
    ]
    part = _points("patched", sites, lines)
    return Lines(
        f"Patching the state at the confidence position: {model}",
        f"Mean change of the expected confidence of {found.pairs} questions with low confidence "
        "that get, at one site, the state of another question. Heavy: what a "
        "sure donor does beyond an unsure one, with its 95 % interval. Dotted, with 95 % of the "
        "draws: random changes of the state of the same length.",
        part.scale,
        part.x,
        part.lines,
    )


def _points(name: str, sites: Sequence[str], lines: Sequence[Line]) -> Lines:
    values = [v for line in lines for v in line.values]
    ends = [end for line in lines for pair in line.band if pair is not None for end in pair]
    scale = open_scale(f"{name}: change of confidence (points)", [*values, *ends, 0.0])
    return Lines(name, "", scale, site_axis(sites), tuple(lines))


def _signed(dose: float) -> str:
    return f"{dose:+g}".replace("-", "\u2212") if dose else "0"


def _names(label: str, names: Sequence[str]) -> Axis:
    return Axis(label, tuple(float(i) for i in range(len(names))), tuple(names), numeric=False)


def _name(source: Source) -> str:
    return f"{source[0]}\n{source[1]}"


def _pair(left: Source, right: Source) -> str:
    same, one, other = (
        (left[0], left[1], right[1]) if left[0] == right[0] else (left[1], left[0], right[0])
    )
    return f"{same}:\n{one}\n{other}"
