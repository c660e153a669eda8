"""Scan: what each edit at the deciding position does to what the model is about to say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from augury.activations.batches import plan_batches
from augury.causal.deciding import Deciding
from augury.causal.edits import Edit
from augury.causal.moments import Moment, Readout
from augury.models.load import LoadedModel
from augury.runs.progress import track

__all__ = ["Scan", "scan"]


@dataclass(frozen=True, eq=False, slots=True)
class Scan:
    """What every edit did at every moment."""

    names: tuple[str, ...]
    """Of the edits."""

    clean: np.ndarray
    """float64 [moment], the readout without edits."""

    change: np.ndarray
    """float64 [moment, edit], the readout with the edit minus that without; negative: the edit took
    something away."""

    kl: np.ndarray
    """float64 [moment, edit], how far the edit moved the whole next-token distribution, in nats:
    KL(clean || edited)."""

    calls: int
    """Hook calls that edited a pass."""


@torch.no_grad()
def scan(
    loaded: LoadedModel,
    moments: Sequence[Moment],
    edits: Mapping[str, Sequence[Edit]],
    readout: Readout,
    *,
    batch_tokens: int = 8192,
) -> Scan:
    """Try every edit at every moment, at the deciding position alone.

    Args:
        loaded: A model with its head.
        moments: Where. An edit that differs between sequences knows them by their place here.
        edits: Name to edits that are made together.
        readout: What is measured.
        batch_tokens: Most tokens read at once, padding included. Small batches hold texts of like
            length, and pad less.

    Raises:
        ConfigError: A site that the model does not have.
        CheckFailed: A site was not edited exactly once per pass, or a logit is not finite.
    """
    names = tuple(edits)
    clean = np.zeros(len(moments))
    change, kl = (np.zeros((len(moments), len(names))) for _ in range(2))
    calls = 0
    batches = plan_batches([len(moment.ids) for moment in moments], batch_tokens)
    for batch in track(batches, what="scanning", unit="batches", total=len(batches)):
        at = np.array(batch)
        deciding = Deciding(loaded, [moments[i].ids for i in batch], at)
        before, _ = deciding.log_probs()
        base = readout(before)
        clean[at] = _array(base)
        for column, name in enumerate(names):
            after, made = deciding.log_probs(edits[name])
            change[at, column] = _array(readout(after) - base)
            kl[at, column] = _array((before.exp() * (before - after)).sum(dim=1))
            calls += sum(made.edited.values())
    return Scan(names, clean, change, kl, calls)


def _array(values: torch.Tensor) -> np.ndarray:
    return np.asarray(values.double().cpu().numpy())
