"""What each site decides beside the bigram and the model itself, and what its probabilities say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import TypeAdapter
from scipy.special import expit

from augury.evaluate.decisions import (
    Agreement,
    Decisions,
    agreement,
    best_balanced_threshold,
    decide,
)
from augury.evaluate.records import CellResult
from augury.evaluate.reliability import prior_corrected
from augury.evaluate.stated import Stated, stated
from augury.report.tables import CellValue
from augury.runs.atomic import write_bytes
from augury.studies.next_token.config import NextTokenConfig
from augury.studies.next_token.train import CEILING
from augury.studies.scores import Scores

__all__ = ["BIGRAM", "PROBE", "SiteResult", "read_sites", "site_columns", "sites_of", "write_sites"]

PROBE, BIGRAM = "probe", "bigram"


@dataclass(frozen=True, slots=True)
class SiteResult:
    """One site at one horizon, on test rows at their natural prevalence."""

    site: str
    horizon: int
    """Tokens from state to target; 1 is the next token."""

    decisions: Mapping[str, Decisions]
    """By decider: the probe, the bigram and, for the next token, the model's own probability. Each
    at the threshold with the best balanced accuracy on validation; empty without both classes."""

    agreements: Mapping[str, Agreement]
    """Of probe and bigram with the model's own decisions; for the next token only."""

    stated: Sequence[Stated]
    """Probabilities of the probe as fitted, corrected and calibrated, and the model's own."""


def sites_of(
    scores: Scores,
    results: Sequence[CellResult],
    config: NextTokenConfig,
    fitted: Sequence[float | None],
) -> list[SiteResult]:
    """Decide at every site and horizon, in the order of the results.

    Args:
        scores: Of the run.
        results: Its judged cells, for the calibration of each.
        config: Of the run.
        fitted: Per horizon, the share of the training weight that was positive.
    """
    return [_site(scores, result, config, fitted) for result in results]


def write_sites(path: Path, sites: Sequence[SiteResult]) -> None:
    """Write them as JSON; floats read back exactly."""
    write_bytes(path, _SITES.dump_json(list(sites), indent=1))


def read_sites(path: Path) -> list[SiteResult]:
    """Read what `write_sites` wrote."""
    return _SITES.validate_json(path.read_bytes())


def site_columns(site: SiteResult) -> dict[str, CellValue]:
    """Flat columns: the first version's metrics of the probe, then the other deciders'."""
    row: dict[str, CellValue] = {"layer": site.site}
    for name, made in site.decisions.items():
        prefix = "" if name == PROBE else f"{name}_"
        held = made.interval
        row |= {
            f"{prefix}balanced_accuracy": made.balanced_accuracy.value,
            f"{prefix}balanced_accuracy_low": held.low if held else None,
            f"{prefix}balanced_accuracy_high": held.high if held else None,
            f"{prefix}pos_accuracy": made.recall,
            f"{prefix}neg_accuracy": made.specificity,
            f"{prefix}tp": made.true_positives,
            f"{prefix}fp": made.false_positives,
            f"{prefix}tn": made.true_negatives,
            f"{prefix}fn": made.false_negatives,
        }
    for name, found in site.agreements.items():
        row[f"{name}_kappa_with_model"] = found.kappa.value
    return row


@dataclass(frozen=True, eq=False)
class _Rows:
    """The rows of a cell on one side."""

    labels: np.ndarray
    groups: np.ndarray
    deciders: Mapping[str, np.ndarray]
    """Score of each, log-odds [row]."""


def _site(
    scores: Scores, result: CellResult, config: NextTokenConfig, fitted: Sequence[float | None]
) -> SiteResult:
    number = config.targets.horizons.index(result.horizon)
    validation, test = (_rows(scores, result, number, side) for side in (1, 2))
    settings = {"draws": config.evaluation.draws, "seed": config.evaluation.seed}
    chosen = {
        name: best_balanced_threshold(validation.labels, values).value
        for name, values in validation.deciders.items()
    }
    thresholds = {name: value for name, value in chosen.items() if value is not None}
    decisions = {
        name: decide(test.labels, test.deciders[name], test.groups, threshold=value, **settings)
        for name, value in thresholds.items()
    }
    calls = {name: test.deciders[name] >= value for name, value in thresholds.items()}
    agreements = {
        name: agreement(calls[name], calls[CEILING], test.groups, **settings)
        for name in (PROBE, BIGRAM)
        if name in calls and CEILING in calls
    }
    share = float(validation.labels.mean()) if len(validation.labels) else 0.0
    made = _probabilities(test, result, fitted[number], share)
    said = [stated(name, test.labels, p, test.groups, **settings) for name, p in made.items()]
    return SiteResult(result.site, result.horizon, decisions, agreements, said)


def _rows(scores: Scores, result: CellResult, number: int, side: int) -> _Rows:
    label = result.label
    at = np.flatnonzero(scores.use[label][:, number] & (scores.rows["side"] == side))
    deciders = {PROBE: scores.probes[label, result.site][at, number]}
    if (label, BIGRAM) in scores.baselines:
        deciders[BIGRAM] = scores.baselines[label, BIGRAM][at, number]
    if result.horizon == 1:
        deciders[CEILING] = scores.references[label, CEILING][at, 0]
    return _Rows(scores.labels[label][at, number], scores.rows["group"][at], deciders)


def _probabilities(
    test: _Rows, result: CellResult, fitted: float | None, share: float
) -> dict[str, np.ndarray]:
    if not len(test.labels):
        return {}
    raw = expit(test.deciders[PROBE].astype(np.float64))
    found = {"as fitted": raw}
    if fitted is not None and 0 < fitted < 1 and 0 < share < 1:
        found["corrected for the prevalence"] = prior_corrected(raw, fitted=fitted, used=share)
    if result.calibration is not None:
        found["calibrated on validation"] = result.calibration.probability(test.deciders[PROBE])
    if CEILING in test.deciders:
        found["the model's own"] = expit(test.deciders[CEILING].astype(np.float64))
    return found


_SITES = TypeAdapter(list[SiteResult])
