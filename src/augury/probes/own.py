"""The model's own probability that an event starts next: the strongest baseline that can be had."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch

__all__ = ["Triggers", "expected_log_probability", "triggers"]


class Triggers(NamedTuple):
    """Tokens that start events in the training text."""

    ids: np.ndarray
    """Int [trigger], ascending."""

    log_share: np.ndarray
    """Float32 [trigger]: log of the share of this token's places at which an event starts."""


def triggers(ids: np.ndarray, onset: np.ndarray) -> Triggers | None:
    """What can start an event, and how often it does; None where no event starts.

    Args:
        ids: Token at each training row, int [row].
        onset: True where an event starts, bool [row].
    """
    found, starts = np.unique(ids[onset], return_counts=True)
    if not len(found):
        return None
    places = np.bincount(ids, minlength=int(found.max()) + 1)[found]
    return Triggers(found, np.log(starts / places).astype(np.float32))


def expected_log_probability(logits: torch.Tensor, known: Triggers) -> torch.Tensor:
    """Log of the probability that the next token starts an event.

    The probability of each trigger times its share: a comma that sometimes starts an event is no
    announcement by itself.

    Args:
        logits: Of the next token, [row, vocabulary].
        known: From training rows alone.

    Returns:
        Float32 [row].
    """
    wide = logits.float()
    chosen = wide[:, torch.from_numpy(known.ids).long().to(logits.device)]
    share = torch.from_numpy(known.log_share).to(logits.device)
    return (chosen + share).logsumexp(1) - wide.logsumexp(1)
