"""Day 5: a high/low confidence direction, added and taken away at the confidence position.

At every site: a dose curve, the same with random directions and with directions at right angles
that vary as states do, and all that pays for having looked at every site. Directions come from
training questions, the dose is chosen on validation, effects are reported on test.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from augury.causal.draws import orthogonal_directions, random_directions
from augury.causal.edits import Edit, add, project_out
from augury.causal.gates import broken
from augury.causal.grid_beyond import GridBeyond, grid_beyond
from augury.evaluate.cells import TEST, TRAIN, VALIDATION
from augury.probes.contrast import extremes
from augury.runs.progress import track
from augury.studies.introspection.analysis_config import AnalysisConfig
from augury.studies.introspection.bench import CONFIDENCE, Asked, ConfidenceBench
from augury.studies.introspection.questions import Questions
from augury.studies.introspection.records import Ends, held

__all__ = ["Dose", "SteeredSite", "Steering", "steer_sites"]


@dataclass(frozen=True, slots=True)
class Dose:
    """One edit along the direction itself, on test questions."""

    dose: float
    """In mean norms of the site's states; above 0 towards high confidence."""
    effect: float
    """Mean change of the expected confidence, in points."""
    gates: tuple[str, ...]
    passed: bool


@dataclass(frozen=True, slots=True)
class Effect:
    """One kind of edit at one site, beside its draws."""

    effect: float
    interval: Ends | None
    p_zero: float | None
    """Corrected for all sites."""
    p_random: float
    """Against random directions, corrected for all sites."""
    p_orthogonal: float
    """Against directions at right angles that vary as states do, corrected for all sites."""
    random: Ends
    """2.5 and 97.5 % points of the effects of random directions."""
    orthogonal: Ends


@dataclass(frozen=True, slots=True)
class SteeredSite:
    """All that was done at one site."""

    site: str
    curve: tuple[Dose, ...]
    """By rising dose."""
    dose: float | None
    """The dose above 0 with the largest effect on validation, of those that pass all gates."""
    validation: float | None
    """Its effect there."""
    added: Effect | None
    """At that dose; None where no dose passes."""
    erased: Effect
    """States set to where those of low confidence lie along the direction."""
    erased_gates: tuple[str, ...]
    erased_passed: bool


@dataclass(frozen=True, slots=True)
class Steering:
    """Of one model."""

    sites: tuple[SteeredSite, ...]
    questions: int
    """On test."""


@dataclass(frozen=True, slots=True, eq=False)
class _Direction:
    site: str
    unit: np.ndarray
    length: float
    low: np.ndarray
    """Mean state of the questions with low confidence."""
    reference: np.ndarray

    def adding(self, vector: np.ndarray, dose: float) -> list[Edit]:
        return [add(self.site, vector * dose * self.length)]

    def erasing(self, vector: np.ndarray) -> list[Edit]:
        return [project_out(self.site, vector, centre=self.low)]


def steer_sites(
    questions: Questions, bench: ConfidenceBench, sites: Sequence[str], config: AnalysisConfig
) -> Steering:
    """Steer at every site.

    Raises:
        DataError: Confidence is the same for all training questions.
    """
    return _Run(questions, bench, sites, config).result()


class _Run:
    """One model; edits are made on all units, then read on validation or on test."""

    def __init__(
        self,
        questions: Questions,
        bench: ConfidenceBench,
        sites: Sequence[str],
        config: AnalysisConfig,
    ) -> None:
        self._bench, self._config = bench, config
        self._validation, self._test = bench.side == VALIDATION, bench.side == TEST
        stated = questions.beyond_symbols(bench.model, CONFIDENCE)
        train = questions.on(TRAIN)
        high, low = extremes(stated, train, share=config.share)
        self._directions = []
        for site in sites:
            states = bench.states(site).astype(np.float64)
            vector = states[high].mean(axis=0) - states[low].mean(axis=0)
            length = float(np.linalg.norm(states[train], axis=1).mean())
            unit = vector / max(float(np.linalg.norm(vector)), 1e-12)
            centre = states[low].mean(axis=0)
            self._directions.append(_Direction(site, unit, length, centre, states[train]))

    def result(self) -> Steering:
        known = track(self._directions, what="doses", unit="sites", total=len(self._directions))
        curves = [self._curve(direction) for direction in known]
        doses = [self._chosen(curve) for curve in curves]
        # A site where no dose is bearable has its draws at the smallest, and no verdict of its own.
        tried = [min(self._config.causal.doses) if dose is None else dose for dose in doses]
        added = self._tested(
            [
                partial(direction.adding, dose=dose)
                for direction, dose in zip(self._directions, tried, strict=True)
            ],
            "adding",
        )
        erased = self._tested([direction.erasing for direction in self._directions], "erasing")
        sites = []
        for number, direction in enumerate(self._directions):
            edits = direction.erasing(direction.unit)
            # Elsewhere states lie elsewhere along the direction; setting them to where low
            # confidence lies would be a large edit there, which nobody makes.
            gates = self._bench.gates(self._bench.ask(edits), ())
            sites.append(
                SteeredSite(
                    direction.site,
                    tuple(dose for dose, _ in curves[number]),
                    doses[number],
                    next((v for d, v in curves[number] if d.dose == doses[number]), None),
                    added[number] if doses[number] is not None else None,
                    erased[number],
                    tuple(map(str, gates)),
                    not broken(gates),
                )
            )
        return Steering(tuple(sites), int(self._test.sum()))

    def _change(self, asked: Asked) -> np.ndarray:
        return np.asarray(asked.confidence - self._bench.clean.confidence)

    def _curve(self, direction: _Direction) -> list[tuple[Dose, float]]:
        """Every dose, with its effect on validation."""
        out = []
        sizes = sorted(self._config.causal.doses)
        for dose in (*(-size for size in reversed(sizes)), *sizes):
            edits = direction.adding(direction.unit, dose)
            asked = self._bench.ask(edits)
            gates = self._bench.gates(asked, edits)
            change = self._change(asked)
            told = Dose(
                dose,
                float(change[self._test].mean()),
                tuple(map(str, gates)),
                not broken(gates),
            )
            out.append((told, float(change[self._validation].mean())))
        return out

    @staticmethod
    def _chosen(curve: Sequence[tuple[Dose, float]]) -> float | None:
        sound = [(value, dose.dose) for dose, value in curve if dose.dose > 0 and dose.passed]
        return max(sound)[1] if sound else None

    def _tested(
        self, edits: Sequence[Callable[[np.ndarray], list[Edit]]], what: str
    ) -> list[Effect]:
        """One kind of edit at every site, against both families of draws."""
        own = np.stack(
            [
                self._change(self._bench.ask(make(direction.unit)))[self._test]
                for make, direction in zip(edits, self._directions, strict=True)
            ],
            axis=1,
        )
        found = {
            family: self._beyond(own, edits, family, what) for family in ("random", "orthogonal")
        }
        return [_effect(found["random"], found["orthogonal"], site) for site in range(own.shape[1])]

    def _beyond(
        self,
        own: np.ndarray,
        edits: Sequence[Callable[[np.ndarray], list[Edit]]],
        family: str,
        what: str,
    ) -> GridBeyond:
        count, seed = self._config.causal.draws, self._config.seed
        drawn = np.zeros((count, *own.shape))
        each = list(enumerate(zip(edits, self._directions, strict=True)))
        for site, (make, direction) in track(each, what=f"{what}, {family}", total=len(each)):
            if family == "random":
                vectors = random_directions(count, len(direction.unit), seed=seed)
            else:
                vectors = orthogonal_directions(
                    count, direction.unit, direction.reference, seed=seed
                )
            for number, vector in enumerate(vectors):
                drawn[number, :, site] = self._change(self._bench.ask(make(vector)))[self._test]
        return grid_beyond(own, drawn, np.arange(len(own)), seed=seed)


def _effect(random: GridBeyond, orthogonal: GridBeyond, site: int) -> Effect:
    p = float(random.p_zero[site])
    return Effect(
        float(random.effect[site]),
        held(random.intervals[site]),
        p if np.isfinite(p) else None,
        float(random.p_draws[site]),
        float(orthogonal.p_draws[site]),
        _middle(random.draws[:, site]),
        _middle(orthogonal.draws[:, site]),
    )


def _middle(values: np.ndarray) -> tuple[float, float]:
    low, high = np.quantile(values, [0.025, 0.975])
    return float(low), float(high)
