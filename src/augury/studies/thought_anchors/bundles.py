"""The probes of a run as bundles: those of the first fold, each with a card."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from augury import __version__
from augury.activations.store import Store
from augury.plain import fingerprint
from augury.probes.bundle import ProbeCard
from augury.probes.kind_bundle import save_kind
from augury.probes.kinds import FittedKind
from augury.runs.folder import Run
from augury.studies.thought_anchors.config import ThoughtAnchorsConfig, is_anchor
from augury.studies.thought_anchors.sentences import FACTS, FOLDS

__all__ = ["bundle_folder", "save_site_probe"]

_DO_NOT_USE_FOR = (
    "Steering, or any claim of cause. Ranking sentences of different problems against each other: "
    "importance was judged within problems. Other models, revisions, or ways to cut sentences."
)


def bundle_folder(target: str, predictor: str) -> str:
    """Where a probe is kept, below the run."""
    return f"probes/{target}/{predictor.replace('@', '_')}"


def save_site_probe(
    run: Run,
    config: ThoughtAnchorsConfig,
    store: Store,
    column: tuple[str, str],
    fitted: FittedKind,
) -> None:
    """Save the probe of the first fold.

    Args:
        run: Where to.
        config: Of the study.
        store: The states that it was fitted on.
        column: Target and predictor.
        fitted: The probe.
    """
    target, predictor = column
    facts = json.loads((run.path / FACTS).read_text(encoding="utf-8"))
    fold: dict[str, Sequence[str]] = json.loads((run.path / FOLDS).read_text(encoding="utf-8"))[0]
    identity = store.identity
    card = ProbeCard(
        site=predictor.partition("@")[2],
        horizon=0,
        lag=0,
        target="binary" if is_anchor(target) else "continuous",
        label=target,
        model_name=config.model.name,
        model_revision=config.model.revision,
        model_identity=identity,
        tokenizer_hash=identity["tokenizer"],
        dtype=str(store.dtype).removeprefix("torch."),
        threshold=None,
        training_data={name: facts[name] for name in ("dataset", "revision", "written_by")},
        split_groups={side: fingerprint(sorted(groups)) for side, groups in fold.items()},
        do_not_use_for=_DO_NOT_USE_FOR,
        augury_version=__version__,
    )
    save_kind(Path(run.path / bundle_folder(target, predictor)), fitted, card)
