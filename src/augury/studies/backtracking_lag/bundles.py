"""The probes of a run as bundles: one folder each, with a card that says what it was trained on."""

from __future__ import annotations

import json
import re

from augury import __version__
from augury.activations.store import Store
from augury.evaluate.calibrate import Platt
from augury.evaluate.records import CellResult
from augury.evaluate.table import result_row
from augury.plain import fingerprint
from augury.probes.bundle import Calibration, ProbeCard, save_bundle
from augury.probes.linear import LinearProbe
from augury.runs.folder import Run
from augury.studies.backtracking_lag.activations import STORE
from augury.studies.backtracking_lag.config import BacktrackingLagConfig
from augury.studies.backtracking_lag.scores import Scores
from augury.studies.backtracking_lag.traces import SPLIT

__all__ = ["probe_folder", "save_probe"]

_DO_NOT_USE_FOR = (
    "Steering, or any claim of cause: only readability was measured. Other models, revisions or "
    "adapters. Text unlike its training data: it was judged on held-out groups of the same source."
)


def probe_folder(label: str, site: str, horizon: int) -> str:
    """Where a probe is kept, below the run. Labels are foreign text, so only a slug goes in."""
    slug = re.sub(r"[^a-z0-9]+", "-", label.lower()).strip("-")[:40]
    if slug != label:
        slug = f"{slug}-{fingerprint(label)[:8]}"
    return f"probes/{slug}/{site}_h{horizon:+d}"


def save_probe(
    run: Run,
    config: BacktrackingLagConfig,
    scores: Scores,
    place: tuple[str, str, int],
    result: CellResult,
) -> None:
    """Save the probe of one cell: (label, site, number of the horizon)."""
    label, site, number = place
    weight, bias = scores.weights[label, site][number], float(scores.biases[label, site][number])
    split = json.loads((run.path / SPLIT).read_text(encoding="utf-8"))
    store = Store.open(run.path / STORE)
    row = result_row(result)
    identity, calibrated = store.identity, result.calibration
    card = ProbeCard(
        site=site,
        horizon=result.horizon,
        lag=result.lag,
        target=config.targets.kind,
        label=label,
        model_name=config.model.name,
        model_revision=config.model.revision,
        model_identity=identity,
        tokenizer_hash=identity["tokenizer"],
        dtype=str(store.dtype).removeprefix("torch."),
        threshold=result.threshold.value,
        calibration=Calibration(slope=calibrated.slope, intercept=calibrated.intercept)
        if isinstance(calibrated, Platt)
        else None,
        scores={key: value for key, value in row.items() if value is not None},
        training_data={
            "source": config.traces.source,
            "written_by": config.traces.written_by or config.traces.source,
            "on_policy": config.on_policy,
        },
        split_groups={side: fingerprint(sorted(groups)) for side, groups in split.items()},
        do_not_use_for=_DO_NOT_USE_FOR,
        augury_version=__version__,
    )
    save_bundle(
        run.path / probe_folder(label, site, result.horizon), LinearProbe(weight, bias), card
    )
