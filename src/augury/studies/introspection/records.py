"""What the analyses find, as plain records: the report and the figures are made of these alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from augury.evaluate.intervals import Interval
from augury.evaluate.number_records import NumberBaseline

__all__ = ["Ends", "Lead", "Place", "ProbeResult", "held", "leads"]

Ends = tuple[float, float]
"""Lower and upper end of a 95 % interval."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where states were read."""

    model: str
    """`base` or `adapter`."""
    pass_: str
    """`mcq`, `self` or `other`."""
    position: str
    """Name of the token."""
    site: str

    @property
    def where(self) -> tuple[str, str, str, str]:
        """As `Collected.states` takes it: model, pass, site, position."""
        return self.model, self.pass_, self.site, self.position

    @property
    def name(self) -> str:
        """For messages and tables."""
        return f"{self.model}/{self.pass_}/{self.position}/{self.site}"


@dataclass(frozen=True, slots=True)
class Lead:
    """A predictor without states on the same test questions, and the lead over it."""

    spearman: float | None
    difference: float | None
    """Rank correlation of the probe less that of the baseline."""
    interval: Ends | None
    """Of the difference, paired."""
    sure: float | None
    """Lower bound of the difference that holds over the whole grid."""


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """One probe on test questions, which chose nothing."""

    place: Place
    target: str
    spearman: float | None
    """Rank correlation with the target; None where it does not vary."""
    interval: Ends | None
    """None under 10 test questions."""
    validation: float
    """Rank correlation on validation: what may be chosen by."""
    r2: float | None
    """After the line that validation fits."""
    auroc: float | None
    """For correctness."""
    average_precision: float | None
    """For correctness."""
    baselines: Mapping[str, Lead]
    p: float | None
    """Permutation p of this probe alone; one-sided."""
    p_corrected: float | None
    """Corrected for all places and targets."""
    shuffled: tuple[float, float, float]
    """2.5 % point, mean and 97.5 % point of probes that learned shuffled values."""
    strength: float
    """Ridge strength that validation chose."""
    verdict: str
    """From `evaluate.verdict`."""
    why: str


def held(interval: Interval | None) -> Ends | None:
    """The ends of an interval."""
    return None if interval is None else (interval.low, interval.high)


def leads(baselines: Mapping[str, NumberBaseline]) -> dict[str, Lead]:
    """The baselines of a judged cell."""
    return {
        name: Lead(
            lead.headline.value,
            lead.difference,
            held(lead.interval),
            lead.difference_low_simultaneous,
        )
        for name, lead in baselines.items()
    }
