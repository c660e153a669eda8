"""The probes of a run as bundles: one folder each, with a card that says what it was trained on."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from augury import __version__
from augury.activations.store import Store
from augury.evaluate.calibrate import Platt
from augury.evaluate.records import CellResult
from augury.evaluate.table import result_row
from augury.models.load import ModelConfig
from augury.plain import fingerprint
from augury.probes.bundle import Calibration, ProbeCard, save_bundle
from augury.probes.linear import LinearProbe
from augury.studies.scores import Scores

__all__ = ["ProbeOrigin", "probe_folder", "save_probe"]

_DO_NOT_USE_FOR = (
    "Steering, or any claim of cause: only readability was measured. Other models, revisions or "
    "adapters. Text unlike its training data: it was judged on held-out groups of the same source."
)


@dataclass(frozen=True, eq=False)
class ProbeOrigin:
    """What all probes of a run have in common."""

    model: ModelConfig
    """Whose states they read."""

    store: Store
    """The states that they were fitted on."""

    training_data: Mapping[str, Any]
    """Where the texts are from, and what they were asked."""

    split: Mapping[str, Collection[str]]
    """Groups of each side."""


def probe_folder(label: str, site: str, horizon: int) -> str:
    """Where a probe is kept, below the run. Labels are foreign text, so only a slug goes in."""
    slug = re.sub(r"[^a-z0-9]+", "-", label.lower()).strip("-")[:40]
    if slug != label:
        slug = f"{slug}-{fingerprint(label)[:8]}"
    return f"probes/{slug}/{site}_h{horizon:+d}"


def save_probe(
    run: Path, scores: Scores, number: int, result: CellResult, origin: ProbeOrigin
) -> None:
    """Save the probe of one judged cell of tokens in its `probe_folder` below `run`.

    With folds it is the first one's, and so are its groups, threshold and calibration; its scores
    are those of the procedure, from all folds.

    Args:
        run: Folder of the run.
        scores: Hold its weights.
        number: Its place among the horizons.
        result: Its cell.
        origin: What all probes of the run share.
    """
    place, identity = (result.label, result.site), origin.store.identity
    probe = LinearProbe(scores.weights[place][number], float(scores.biases[place][number]))
    threshold, calibration = _settled(scores, number, result)
    card = ProbeCard(
        site=result.site,
        horizon=result.horizon,
        lag=result.lag,
        target=result.kind,  # type: ignore[arg-type]
        label=result.label,
        model_name=origin.model.name,
        model_revision=origin.model.revision,
        model_identity=identity,
        tokenizer_hash=identity["tokenizer"],
        dtype=str(origin.store.dtype).removeprefix("torch."),
        threshold=threshold,
        calibration=calibration,
        scores={key: value for key, value in result_row(result).items() if value is not None},
        training_data=dict(origin.training_data),
        split_groups={side: fingerprint(sorted(groups)) for side, groups in origin.split.items()},
        do_not_use_for=_DO_NOT_USE_FOR,
        augury_version=__version__,
    )
    save_bundle(run / probe_folder(result.label, result.site, result.horizon), probe, card)


def _settled(
    scores: Scores, number: int, result: CellResult
) -> tuple[float | None, Calibration | None]:
    """Threshold on raw scores, and calibration; None where validation could not choose them."""
    prevalence = result.validation.prevalence
    if scores.crossed:
        slope, intercept, threshold = map(float, scores.settled[result.label, result.site][number])
        if not slope:
            return None, None
        return threshold, Calibration(slope=slope, intercept=intercept, prevalence=prevalence)
    found = result.calibration
    if not isinstance(found, Platt):
        return result.threshold.value, None
    return result.threshold.value, Calibration(
        slope=found.slope, intercept=found.intercept, prevalence=prevalence
    )
