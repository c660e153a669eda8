"""Steer along a direction: add it at several doses, erase it, and do the same with random ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from pydantic import Field

from augury.causal.beyond import FEWEST_DRAWS, Beyond, beyond_draws
from augury.causal.draws import orthogonal_directions, random_directions
from augury.causal.edits import Edit, add, project_out
from augury.causal.gates import Capability, Gate, GateLimits, broken, gates
from augury.causal.selection import halves
from augury.causal.verdict import Arm, Conclusion, conclude
from augury.config import Config
from augury.evaluate.intervals import FEWEST_GROUPS
from augury.runs.progress import track

__all__ = ["Direction", "Dosed", "Measured", "Steering", "SteeringSettings", "steer"]


class SteeringSettings(Config):
    """How a direction is tried."""

    doses: tuple[float, ...] = (0.1, 0.2, 0.4)
    """Length of what is added, in mean norms of the site's states; above 0 is towards the event."""

    draws: int = Field(default=20, ge=1)
    """Random directions, and as many orthogonal ones."""

    seed: int = Field(default=0, ge=0)
    limits: GateLimits = GateLimits()


@dataclass(frozen=True, eq=False, slots=True)
class Direction:
    """What is tried, and where."""

    site: str
    vector: np.ndarray
    """float [hidden], of any length; its head points towards the event."""

    reference: np.ndarray
    """float [row, hidden], states of the site at places like those that are edited."""

    centre: np.ndarray | None = None
    """float [hidden]. Erasing leaves every state the part along the direction that this one has,
    e.g. the mean state where no event comes. The mean of `reference` when not given."""


@dataclass(frozen=True, eq=False, slots=True)
class Measured:
    """What the model does under some edits."""

    outcome: np.ndarray
    """float [unit], the same units in the same order under all edits."""

    capability: Capability


@dataclass(frozen=True, eq=False, slots=True)
class Dosed:
    """One edit along the direction itself."""

    dose: float | None
    """Of `SteeringSettings.doses`; None for erasing."""

    effect: float
    """Mean change of the outcome over all units."""

    gates: tuple[Gate, ...]
    measured: Measured = field(repr=False)


@dataclass(frozen=True, eq=False, slots=True)
class Steering:
    """What steering did."""

    clean: Measured
    curve: tuple[Dosed, ...]
    """Adding, by rising dose."""

    erased: Dosed
    dose: float | None
    """The dose that was tested: the one with the largest effect, in the half of the groups on which
    is selected, among those that pass all gates; None if none does."""

    tests: dict[str, Beyond]
    """`add, random`, `add, orthogonal`, `erase, random`, `erase, orthogonal`, on the other half."""

    conclusion: Conclusion


Measure = Callable[[Sequence[Edit]], Measured]


def steer(
    direction: Direction,
    measure: Measure,
    groups: Sequence[str],
    settings: SteeringSettings,
    *,
    readable: bool,
) -> Steering:
    """Try a direction and conclude.

    The dose is chosen on one half of the groups; effects are compared with those of random
    directions of the same length on the other.

    Args:
        direction: What, where.
        measure: Runs the model under edits; called without edits first.
        groups: Group of each unit.
        settings: Doses, draws, gates.
        readable: Whether a probe along the direction was predictive on held-out groups.
    """
    length = float(np.linalg.norm(direction.reference, axis=1).mean())
    unit = direction.vector / np.linalg.norm(direction.vector)
    middle = direction.reference.mean(axis=0) if direction.centre is None else direction.centre
    site = direction.site

    def added(vector: np.ndarray, dose: float) -> list[Edit]:
        return [add(site, vector * dose * length)]

    def erased(vector: np.ndarray) -> list[Edit]:
        return [project_out(site, vector, centre=middle)]

    clean = measure([])
    curve = tuple(
        _dosed(dose, measure(added(unit, dose)), clean, settings.limits)
        for dose in sorted(settings.doses)
    )
    without = _dosed(None, measure(erased(unit)), clean, settings.limits)
    half = halves(groups, seed=settings.seed)
    dose = _chosen_dose(curve, clean, half == 0)
    report = half == 1
    place = np.unique(np.asarray(groups), return_inverse=True)[1][report]
    families = {
        "random": random_directions(settings.draws, len(unit), seed=settings.seed),
        "orthogonal": orthogonal_directions(
            settings.draws, unit, direction.reference, seed=settings.seed
        ),
    }
    tests: dict[str, Beyond] = {}
    for family, drawn in families.items():
        arms: dict[str, tuple[Measured, Callable[[np.ndarray], list[Edit]]]] = {
            "erase": (without.measured, erased)
        }
        if dose is not None:
            own = next(d.measured for d in curve if d.dose == dose)
            arms["add"] = (own, partial(added, dose=dose))
        for arm, (own_measured, edits) in arms.items():
            what = f"{family} directions, {arm}"
            others = [measure(edits(vector)).outcome for vector in track(drawn, what=what)]
            tests[f"{arm}, {family}"] = beyond_draws(
                clean.outcome[report],
                own_measured.outcome[report],
                [outcome[report] for outcome in others],
                place,
                seed=settings.seed,
            )
    told = (_adding(tests, dose, curve), _erasing(tests, without, clean.outcome[report]))
    return Steering(clean, curve, without, dose, tests, conclude(readable=readable, arms=told))


def _dosed(dose: float | None, found: Measured, clean: Measured, limits: GateLimits) -> Dosed:
    effect = float((found.outcome - clean.outcome).mean())
    return Dosed(dose, effect, gates(clean.capability, found.capability, limits), found)


def _chosen_dose(curve: Sequence[Dosed], clean: Measured, chosen: np.ndarray) -> float | None:
    sound = [dosed for dosed in curve if (dosed.dose or 0) > 0 and not broken(dosed.gates)]
    if not sound:
        return None

    def effect(dosed: Dosed) -> float:
        moved = (dosed.measured.outcome - clean.outcome)[chosen]
        return float(moved.mean()) if len(moved) else 0.0

    return max(sound, key=effect).dose


def _adding(tests: dict[str, Beyond], dose: float | None, curve: Sequence[Dosed]) -> Arm:
    if dose is None:
        failed = sorted({str(g) for d in curve for g in d.gates if not g.passed})
        return Arm("adding", "breaks", f"no dose passes the gates ({failed[0]})")
    return _tested("adding", tests["add, random"], tests["add, orthogonal"], sign=1, at=dose)


def _erasing(tests: dict[str, Beyond], erased: Dosed, clean: np.ndarray) -> Arm:
    failed = [str(gate) for gate in erased.gates if not gate.passed]
    if failed:
        return Arm("erasing", "breaks", "; ".join(failed))
    if not clean.any():
        return Arm("erasing", "unclear", "there is nothing to take away: no event without edits")
    return _tested("erasing", tests["erase, random"], tests["erase, orthogonal"], sign=-1)


def _tested(
    name: str, random: Beyond, orthogonal: Beyond, *, sign: int, at: float | None = None
) -> Arm:
    dose = "" if at is None else f" at dose {at:g}"
    held = random.interval
    range_ = f" [{held.low:+.3f}, {held.high:+.3f}]" if held else ""
    told = (
        f"{random.effect:+.3f}{range_}{dose}; as far as {random.p_draws:.3f} of random and "
        f"{orthogonal.p_draws:.3f} of orthogonal directions"
    )
    if held is None or min(len(random.draws), len(orthogonal.draws)) < FEWEST_DRAWS:
        lack = f"under {FEWEST_GROUPS} groups" if held is None else f"under {FEWEST_DRAWS} draws"
        return Arm(name, "unclear", f"{told}; {lack}")
    moved = random.moves(sign=sign) and orthogonal.moves(sign=sign)
    return Arm(name, "moves" if moved else "does not move", told)
