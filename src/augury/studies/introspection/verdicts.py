"""The questions of the study, answered from closed lists by rules that are written down here.

Places are chosen on validation and answered on test, with p values that pay for every place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from augury.causal.verdict import CausalVerdict
from augury.evaluate.verdict import BEYOND_BASELINES, EXPLAINED_BY, INSUFFICIENT
from augury.studies.introspection.causal import CausalResult
from augury.studies.introspection.directions import TransferResult
from augury.studies.introspection.fine_tuning import Calibration
from augury.studies.introspection.questions import TARGETS
from augury.studies.introspection.records import Ends, ProbeResult
from augury.studies.introspection.self_other import SelfOther

__all__ = [
    "ANSWERS",
    "Answer",
    "answer_causal",
    "answer_fine_tuning",
    "answer_layers",
    "answer_self",
    "answer_surface",
    "answer_transfer",
    "chosen_probe",
    "chosen_transfer",
]

Layers = Literal["readable", "not readable", "insufficient data"]
Surface = Literal["beyond the surface", "told by the surface", "not readable", "insufficient data"]
Transfer = Literal[
    "carries over",
    "carries over, as random directions do",
    "carries over, as the surface does",
    "does not carry over",
    "insufficient data",
]
Self = Literal["about itself", "no more than about others", "does not track", "insufficient data"]
Tuning = Literal["better calibrated", "worse calibrated", "no sure difference", "insufficient data"]

ANSWERS: dict[str, tuple[str, ...]] = {
    "layers": get_args(Layers),
    "surface": get_args(Surface),
    "transfer": get_args(Transfer),
    "self": get_args(Self),
    "causal": (*get_args(CausalVerdict), "insufficient data"),
    "fine-tuning": get_args(Tuning),
}
"""All that may be answered, by question."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer and its evidence."""

    question: str
    """Key of `ANSWERS`."""
    about: str
    """Which model, target or pair of passes."""
    answer: str
    why: str


def chosen_probe(probes: Sequence[ProbeResult], model: str, target: str) -> ProbeResult | None:
    """The best on validation, in the target's own pass."""
    own = [
        probe
        for probe in probes
        if (probe.place.model, probe.target, probe.place.pass_)
        == (model, target, TARGETS[target][0])
    ]
    return max(own, key=lambda probe: probe.validation, default=None)


def answer_layers(probe: ProbeResult, alpha: float) -> Answer:
    """Readable: the probe that validation chose is better on test than the best of a null grid."""
    about = f"{probe.place.model}, {probe.target}"
    if probe.verdict == INSUFFICIENT or probe.p_corrected is None:
        return Answer("layers", about, "insufficient data", probe.why)
    low, _, high = probe.shuffled
    told = (
        f"rank correlation {_number(probe.spearman)}{_range(probe.interval)} at "
        f"{probe.place.site}, {probe.place.position}; corrected p {probe.p_corrected:.3g}; "
        f"shuffled values {low:+.2f} to {high:+.2f}"
    )
    if probe.auroc is not None:
        told += f"; AUROC {probe.auroc:.3f}"
    readable = probe.p_corrected <= alpha
    return Answer("layers", about, "readable" if readable else "not readable", told)


def answer_surface(probe: ProbeResult) -> Answer:
    """Beyond the surface: ahead of every predictor without states, over the whole grid."""
    about = f"{probe.place.model}, {probe.target}"
    if probe.verdict == INSUFFICIENT:
        return Answer("surface", about, "insufficient data", probe.why)
    others = "; ".join(
        f"{name} {_number(lead.spearman)} (lead {_number(lead.difference)}{_range(lead.interval)})"
        for name, lead in probe.baselines.items()
    )
    told = f"probe {_number(probe.spearman)}; {others}"
    if probe.verdict == BEYOND_BASELINES:
        return Answer("surface", about, "beyond the surface", told)
    if probe.verdict.startswith(EXPLAINED_BY):
        name = probe.verdict.removeprefix(EXPLAINED_BY)
        return Answer("surface", about, "told by the surface", f"{told}; no sure lead over {name}")
    return Answer("surface", about, "not readable", told)


def chosen_transfer(
    found: Sequence[TransferResult], source: tuple[str, str], target: tuple[str, str]
) -> TransferResult | None:
    """The site and kind of direction that carry over best on validation."""
    own = [one for one in found if (one.source, one.target) == (source, target)]
    return max(own, key=lambda one: one.validation, default=None)


def answer_transfer(found: TransferResult, alpha: float) -> Answer:
    """Carries over: beyond a null grid, and beyond random directions in which states vary."""
    about = f"{'/'.join(found.source)} to {'/'.join(found.target)}"
    if found.verdict == INSUFFICIENT or found.p_corrected is None:
        return Answer("transfer", about, "insufficient data", found.why)
    told = (
        f"rank correlation {_number(found.spearman)}{_range(found.interval)} at {found.site} "
        f"({found.kind}); corrected p {found.p_corrected:.3g}; random directions reach "
        f"{found.random_high:.2f}, p {found.p_random:.3g}"
    )
    if found.p_corrected > alpha:
        return Answer("transfer", about, "does not carry over", told)
    if found.p_random > alpha:
        return Answer("transfer", about, "carries over, as random directions do", told)
    if found.verdict == BEYOND_BASELINES:
        return Answer("transfer", about, "carries over", told)
    name = found.verdict.removeprefix(EXPLAINED_BY)
    return Answer(
        "transfer", about, "carries over, as the surface does", f"{told}; no sure lead over {name}"
    )


def answer_self(found: SelfOther, alpha: float) -> Answer:
    """About itself: what is left beyond the confidence in others is surely above zero."""
    alone, beyond = found.self_alone, found.beyond_other
    if alone.interval is None or beyond.interval is None:
        return Answer("self", found.model, "insufficient data", f"{alone.rows} questions")
    told = (
        f"self-confidence and certainty {alone.value:+.3f} "
        f"[{alone.interval.low:+.3f}, {alone.interval.high:+.3f}], confidence in others "
        f"{found.other_alone.value:+.3f}; beyond others {beyond.value:+.3f} "
        f"[{beyond.interval.low:+.3f}, {beyond.interval.high:+.3f}], p {beyond.p:.3g}; beyond the "
        f"surface too {found.beyond_surface.value:+.3f}"
    )
    if not (alone.value > 0 and alone.p <= alpha):
        return Answer("self", found.model, "does not track", told)
    sure = beyond.p <= alpha and beyond.interval.low > 0
    return Answer(
        "self", found.model, "about itself" if sure else "no more than about others", told
    )


def answer_causal(found: CausalResult) -> Answer:
    """The verdict at the site that validation chose, below the last block."""
    conclusion = found.conclusion
    if conclusion is None:
        return Answer("causal", found.model, "insufficient data", "no site below the last block")
    elsewhere = [
        one.site
        for one in found.conclusions
        if one.verdict == "readable and causal" and one.site != conclusion.site
    ]
    also = f"; also readable and causal: {', '.join(elsewhere)}" if elsewhere else ""
    return Answer(
        "causal", found.model, conclusion.verdict, f"{conclusion.site}: {conclusion.why}{also}"
    )


def answer_fine_tuning(found: Calibration, alpha: float) -> Answer:
    """By the calibration error of stated self-confidence, adapter less base.

    It was named before anything was looked at, so its own p decides; the other measures are
    evidence, and their p values in the table pay for one another.
    """
    if not found.differences:
        missing = [model for model in ("base", "adapter") if model not in found.models]
        why = f"answers or self-confidences of {' and '.join(missing)} are not on the options"
        return Answer("fine-tuning", "adapter", "insufficient data", why)
    own = found.differences["calibration error"]
    if own.interval is None or own.value is None or own.p is None:
        return Answer("fine-tuning", "adapter", "insufficient data", "too few questions")
    told = [
        f"{name} {_number(found.models['base'].values[name])} to "
        f"{_number(found.models['adapter'].values[name])} ({_number(one.value, sign=True)}"
        f"{_range(None if one.interval is None else (one.interval.low, one.interval.high))})"
        for name, one in found.differences.items()
    ]
    why = f"{'; '.join(told)}; p of the calibration error {own.p:.3g}"
    sure = own.p <= alpha and not own.interval.low <= 0 <= own.interval.high
    if not sure:
        return Answer("fine-tuning", "adapter", "no sure difference", why)
    answer = "better calibrated" if own.value < 0 else "worse calibrated"
    return Answer("fine-tuning", "adapter", answer, why)


def _number(value: float | None, *, sign: bool = False) -> str:
    if value is None:
        return "undefined"
    return f"{value:+.3f}" if sign else f"{value:.3f}"


def _range(ends: Ends | None) -> str:
    return "" if ends is None else f" [{ends[0]:.3f}, {ends[1]:.3f}]"
