"""Read hidden states of a few sequences in one forward pass: what every reading is made of.

Sequences are padded on the right, with an attention mask and explicit positions, so that every
token stands where it would stand alone, for learned positions as well as rotary ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch

from augury.models.hooks import capture
from augury.models.load import LoadedModel

__all__ = ["Padded", "pad_right", "read_rows"]


class Padded(NamedTuple):
    """Inputs of one forward pass, each int64 [sequence, token]."""

    input_ids: torch.Tensor
    """Token ids; 0 in the padding."""

    attention_mask: torch.Tensor
    """1 for tokens, 0 for padding."""

    position_ids: torch.Tensor
    """Position of each token in its own sequence, from 0."""


def pad_right(sequences: Sequence[np.ndarray], device: torch.device) -> Padded:
    """Sequences of ids, one below the other, filled up on the right."""
    lengths = np.array([len(ids) for ids in sequences])
    positions = np.broadcast_to(np.arange(lengths.max()), (len(sequences), lengths.max()))
    mask = positions < lengths[:, None]
    ids = np.zeros(mask.shape, dtype=np.int64)
    ids[mask] = np.concatenate(sequences)
    columns = (ids, mask.astype(np.int64), positions.astype(np.int64))
    return Padded(*(torch.from_numpy(column).to(device) for column in columns))


def read_rows(
    loaded: LoadedModel,
    sequences: Sequence[np.ndarray],
    rows: Sequence[np.ndarray],
    sites: Sequence[str],
) -> dict[str, torch.Tensor]:
    """States at chosen tokens, selected on the device before anything is copied.

    Args:
        loaded: Must hold every block that `sites` needs.
        sequences: Token ids of each sequence.
        rows: Token indices to keep of each sequence, from 0.
        sites: Where to read.

    Returns:
        Per site [row, hidden] on the model's device, in its own number type: the rows of the first
        sequence, then of the second, and so on.

    Raises:
        ConfigError: A site that is not loaded.
        CheckFailed: A site was not read exactly once.
    """
    which = np.repeat(np.arange(len(rows)), [len(kept) for kept in rows])
    sequence = torch.from_numpy(which).to(loaded.device)
    token = torch.from_numpy(np.concatenate(rows).astype(np.int64)).to(loaded.device)
    states: dict[str, torch.Tensor] = {}

    def keep(site: str, value: torch.Tensor) -> None:
        states[site] = value[sequence, token]

    padded = pad_right(sequences, loaded.device)
    with capture(loaded.blocks, sites, keep) as session:
        session.run(padded.input_ids, padded.attention_mask, padded.position_ids)
    return states
