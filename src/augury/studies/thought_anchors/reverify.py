"""Do the probes that a run has saved score as it says?"""

from __future__ import annotations

import numpy as np
import polars as pl

from augury.activations.store import Store
from augury.errors import CheckFailed
from augury.evaluate.tripwires import reload_is_exact
from augury.probes.kind_bundle import load_kind
from augury.runs.folder import Run
from augury.studies.thought_anchors.activations import STORE
from augury.studies.thought_anchors.bundles import bundle_folder
from augury.studies.thought_anchors.config import ThoughtAnchorsConfig
from augury.studies.thought_anchors.net_probes import some_spans
from augury.studies.thought_anchors.probes import PROBES, site_spans
from augury.studies.thought_anchors.scores import read_folds
from augury.studies.thought_anchors.sentences import SENTENCES

__all__ = ["verify_bundles"]


def verify_bundles(run: Run, config: ThoughtAnchorsConfig) -> int:
    """Score the stored states with every saved probe; how many there are.

    Raises:
        CheckFailed: A score is not the stored one, bit for bit; or no probe was saved.
    """
    table = pl.read_parquet(run.path / SENTENCES)
    first, store = read_folds(run, table)[0], Store.open(run.path / STORE)
    stored = pl.read_parquet(run.path / PROBES).filter(pl.col("fold") == "fold 0")
    checked = 0
    for site in store.sites:
        spans = site_spans(run, table, store, site)
        held = some_spans(spans.tokens, spans.offsets, ~first.train)
        for column in stored.columns:
            target, _, predictor = column.partition(":")
            folder = run.path / bundle_folder(target, predictor)
            if not predictor.endswith(f"@{site}") or not folder.is_dir():
                continue
            fitted, _ = load_kind(folder, model_identity=store.identity)
            again = fitted.score(held).astype(np.float64).mean(axis=1)
            wire = reload_is_exact(stored[column].to_numpy(), again)
            if not wire.passed:
                raise CheckFailed(
                    f"probe {folder}", found=wire.detail, expected="the stored scores"
                )
            checked += 1
    if not checked:
        raise CheckFailed("probes", found="none saved", expected="one per site and target")
    return checked
