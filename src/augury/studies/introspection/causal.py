"""Day 5: is the direction of high confidence what the model states its confidence by?

Three ways of intervening at the confidence position: patching a state, adding the direction, and
erasing it. A site is `readable and causal` where all three move the stated confidence as they
should, beyond zero and beyond their controls. At the last block the head reads the state itself, so
that an effect there is arithmetic: such sites are drawn, and never carry the verdict.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from augury.causal.verdict import Arm, ArmState, CausalVerdict, conclude
from augury.models.load import LoadedModel
from augury.models.sites import parse_site
from augury.studies.introspection.analysis_config import AnalysisConfig
from augury.studies.introspection.bench import CONFIDENCE, ConfidenceBench
from augury.studies.introspection.patching import PatchedSite, Patching, patch_sites
from augury.studies.introspection.questions import Questions
from augury.studies.introspection.records import Ends, ProbeResult
from augury.studies.introspection.steering import SteeredSite, Steering, steer_sites

__all__ = ["CausalResult", "SiteConclusion", "conclude_site", "intervene"]


@dataclass(frozen=True, slots=True)
class SiteConclusion:
    """What the interventions at one site show."""

    site: str
    readable: bool
    verdict: CausalVerdict
    why: str


@dataclass(frozen=True, slots=True)
class CausalResult:
    """Interventions of one model, and what they show."""

    model: str
    steering: Steering
    patching: Patching
    conclusions: tuple[SiteConclusion, ...]
    chosen: str | None
    """The site of the verdict: where adding moves most on validation, below the last block."""

    @property
    def conclusion(self) -> SiteConclusion | None:
        """Of the chosen site."""
        return next((one for one in self.conclusions if one.site == self.chosen), None)


def intervene(
    questions: Questions,
    model: str,
    loaded: LoadedModel,
    probes: Sequence[ProbeResult],
    config: AnalysisConfig,
) -> CausalResult | None:
    """Patch and steer one model; None where its self-confidences are no answers.

    Args:
        questions: The collection.
        model: Its name there.
        loaded: The model itself.
        probes: Which say where self-confidence is readable.
        config: How.
    """
    if not questions.answered(model, CONFIDENCE) or not questions.answered(model, "mcq"):
        return None
    sites = _sites(questions, config)
    bench = ConfidenceBench(questions, model, loaded, config.causal, seed=config.seed)
    steering = steer_sites(questions, bench, sites, config)
    patching = patch_sites(bench, sites, config)
    readable = _readable(model, probes, config.alpha)
    patched = {one.site: one for one in patching.sites}
    conclusions = [
        conclude_site(
            one,
            patched.get(one.site, patching.why),
            readable=readable.get(one.site, False),
            alpha=config.alpha,
        )
        for one in steering.sites
    ]
    last = len(loaded.blocks.layers) - 1
    below = [one for one in steering.sites if _is_below(one.site, last)]
    chosen = max(below, key=lambda one: one.validation or 0.0).site if below else None
    return CausalResult(model, steering, patching, tuple(conclusions), chosen)


def conclude_site(
    steered: SteeredSite, patched: PatchedSite | str, *, readable: bool, alpha: float
) -> SiteConclusion:
    """What patching, adding and erasing at one site show together.

    Args:
        steered: What adding and erasing did.
        patched: What patching did, or why nothing was patched.
        readable: Whether a probe of self-confidence is predictive there.
        alpha: Error rate of each p, which are corrected for all sites.
    """
    arms = _patching(patched, alpha), _adding(steered, alpha), _erasing(steered, alpha)
    found = conclude(readable=readable, arms=arms)
    return SiteConclusion(steered.site, readable, found.verdict, found.why)


def _sites(questions: Questions, config: AnalysisConfig) -> tuple[str, ...]:
    found = questions.collected.sites
    residual = tuple(site for site in found if parse_site(site).kind == "resid")
    return config.causal.sites or residual or found


def _is_below(site: str, last: int) -> bool:
    """Whether something of the model still comes between the site and the head."""
    parsed = parse_site(site)
    return parsed.kind == "embed" or (parsed.block is not None and parsed.block < last)


def _readable(model: str, probes: Sequence[ProbeResult], alpha: float) -> dict[str, bool]:
    """By site, whether a probe of self-confidence is predictive where it is stated."""
    return {
        probe.place.site: probe.p_corrected is not None and probe.p_corrected <= alpha
        for probe in probes
        if probe.target == "self_confidence"
        and (probe.place.model, probe.place.pass_, probe.place.position)
        == (model, CONFIDENCE, "final")
    }


def _patching(found: PatchedSite | str, alpha: float) -> Arm:
    if isinstance(found, str):
        return Arm("patching", "unclear", found)
    told = (
        f"{found.effect:+.1f} points{_range(found.interval)} beyond the control donor, "
        f"{found.share:.0%} of the gap; p {_p(found.p_zero)}, as far as random ones "
        f"{found.p_random:.3f}"
    )
    if not found.passed:
        return Arm("patching", "breaks", f"{told}; {found.gate}")
    moved = found.effect > 0 and _sure(alpha, found.p_zero, found.p_random)
    return Arm("patching", _state(moved, found.p_zero), told)


def _adding(found: SteeredSite, alpha: float) -> Arm:
    effect = found.added
    if effect is None:
        failed = [gate for dose in found.curve for gate in dose.gates if "FAILED" in gate]
        return Arm("adding", "breaks", f"no dose passes the gates ({failed[0]})")
    told = (
        f"{effect.effect:+.1f} points{_range(effect.interval)} at dose {found.dose:g}; "
        f"p {_p(effect.p_zero)}, as far as random {effect.p_random:.3f}, as state-like "
        f"{effect.p_orthogonal:.3f}"
    )
    sure = _sure(alpha, effect.p_zero, effect.p_random, effect.p_orthogonal)
    return Arm("adding", _state(effect.effect > 0 and sure, effect.p_zero), told)


def _erasing(found: SteeredSite, alpha: float) -> Arm:
    effect = found.erased
    told = (
        f"{effect.effect:+.1f} points{_range(effect.interval)}; p {_p(effect.p_zero)}, as "
        f"far as random {effect.p_random:.3f}, as state-like {effect.p_orthogonal:.3f}"
    )
    if not found.erased_passed:
        failed = [gate for gate in found.erased_gates if "FAILED" in gate]
        return Arm("erasing", "breaks", f"{told}; {'; '.join(failed)}")
    sure = _sure(alpha, effect.p_zero, effect.p_random, effect.p_orthogonal)
    return Arm("erasing", _state(effect.effect < 0 and sure, effect.p_zero), told)


def _state(moved: bool, p_zero: float | None) -> ArmState:
    if p_zero is None:
        return "unclear"
    return "moves" if moved else "does not move"


def _sure(alpha: float, *ps: float | None) -> bool:
    return all(p is not None and p <= alpha for p in ps)


def _range(ends: Ends | None) -> str:
    return "" if ends is None else f" [{ends[0]:+.1f}, {ends[1]:+.1f}]"


def _p(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.3g}"
