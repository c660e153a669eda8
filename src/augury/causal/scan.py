"""Scan: what each edit at the deciding position does to what the model is about to say.

All but the last token of each text is read once, without edits, into a cache. Every edit then costs
one pass over one token per text: what was read before the deciding position cannot depend on an
edit made there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from augury.activations.batches import plan_batches
from augury.causal.editing import editing
from augury.causal.edits import Edit
from augury.causal.moments import Moment, Readout
from augury.errors import CheckFailed
from augury.models.load import LoadedModel
from augury.models.running import Running
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
        running = Running(loaded, [moments[i].ids[:-1].tolist() for i in batch])
        running.next_states()
        running.append(np.array([moments[i].ids[-1] for i in batch], dtype=np.int64))
        before = _log_p(running.branch())
        base = readout(before)
        clean[at] = _array(base)
        for column, name in enumerate(names):
            numbers = torch.from_numpy(at)
            with editing(loaded.blocks, edits[name], "last token", numbers=numbers) as made:
                after = _log_p(running.branch())
            change[at, column] = _array(readout(after) - base)
            kl[at, column] = _array((before.exp() * (before - after)).sum(dim=1))
            calls += sum(made.edited.values())
    return Scan(names, clean, change, kl, calls)


def _log_p(running: Running) -> torch.Tensor:
    """Log-probabilities of the next token [sequence, vocabulary]."""
    logits = running.next_logits().float()
    if not bool(torch.isfinite(logits).all()):
        raise CheckFailed(
            "scan", found="logits that are not finite", fix="run the model in float32 or bfloat16"
        )
    return torch.log_softmax(logits, dim=-1)


def _array(values: torch.Tensor) -> np.ndarray:
    return np.asarray(values.double().cpu().numpy())
