"""The tripwires of the study: rungs on shuffled labels, and a model that must know by heart."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
from sklearn.svm import SVC

from augury.evaluate.tripwires import Tripwire, memorises, shuffled_labels_ok
from augury.probes.text_features import tfidf
from augury.runs.folder import Run
from augury.studies.thought_anchors.config import ThoughtAnchorsConfig
from augury.studies.thought_anchors.probes import SHUFFLED as SHUFFLED_PROBES
from augury.studies.thought_anchors.scores import SHUFFLED
from augury.studies.thought_anchors.sentences import SENTENCES

__all__ = ["memory", "touch_wires"]


def touch_wires(run: Run, config: ThoughtAnchorsConfig) -> list[Tripwire]:
    """What the tripwires measure in the data of a run."""
    excess = pl.read_parquet(run.path / SHUFFLED)
    wires = [shuffled_labels_ok(excess.to_numpy()), memory(pl.read_parquet(run.path / SENTENCES))]
    if config.activations:
        probes = shuffled_labels_ok(pl.read_parquet(run.path / SHUFFLED_PROBES).to_numpy())
        wires.append(replace(probes, name=f"{probes.name}, probes"))
    return wires


def memory(table: pl.DataFrame) -> Tripwire:
    """A model of words, fitted without regularisation or early stopping to each problem by itself.

    The worst problem decides. Sentences with the same words and different labels ("Correct.")
    cannot be told apart by anybody, and are left out.
    """
    worst: Tripwire | None = None
    told, left_out = 0, 0
    for _, own in table.group_by("problem", maintain_order=True):
        labels = own["anchor_binary"].to_numpy()
        words = tfidf(own["text"].to_list(), np.ones(len(own), dtype=bool)).toarray()
        alike = np.unique(words.round(5), axis=0, return_inverse=True)[1].ravel()
        share = np.bincount(alike, labels) / np.bincount(alike)
        usable = np.isin(share[alike], (0.0, 1.0))
        left_out += int((~usable).sum())
        if not labels[usable].any() or labels[usable].all():
            continue
        # So weak a penalty that rows which differ at all are told apart.
        model = SVC(kernel="rbf", C=1e6, gamma=1.0).fit(words[usable], labels[usable])
        found = memorises(labels[usable], model.decision_function(words[usable]))
        told += 1
        if worst is None or found.measured < worst.measured:
            worst = found
    if worst is None:
        return memorises(np.zeros(0, dtype=bool), np.zeros(0))
    detail = f"worst of {told} problems: {worst.detail}; {left_out} ambiguous rows left out"
    return replace(worst, detail=detail)
