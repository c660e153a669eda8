"""Read hidden states of a few sequences in one forward pass: what every reading is made of.

Sequences are packed into one row (see `packed`), or padded on the right with an attention mask.
Either way with explicit positions, so that every token stands where it would stand alone, for
learned positions as well as rotary ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from augury.models.attention import attention_settings
from augury.models.hooks import capture
from augury.models.load import NO_WEIGHTS, LoadedModel
from augury.models.packed import pack, packed_attention
from augury.models.sites import is_vertical, parse_site

__all__ = ["Padded", "pad_right", "read_rows", "site_widths"]


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
    *,
    packed: bool = False,
) -> dict[str, torch.Tensor]:
    """States at chosen tokens, selected on the device before anything is copied.

    Args:
        loaded: Must hold every block that `sites` needs, and the head for `logits`.
        sequences: Token ids of each sequence.
        rows: Token indices to keep of each sequence, from 0.
        sites: Where to read.
        packed: Without padding; for models that `supports_packing` says yes to.

    Returns:
        Per site [row, hidden] on the model's device, in its own number type: the rows of the first
        sequence, then of the second, and so on. The head is applied to these rows and no others.

    Raises:
        ConfigError: A site that is not loaded; logits of a model without its head.
        CheckFailed: A site was not read exactly once; the model's attention cannot be packed.
    """
    lengths = [len(ids) for ids in sequences]
    counts = [len(kept) for kept in rows]
    which = np.repeat(np.arange(len(rows)), counts)
    token = np.concatenate(rows).astype(np.int64)
    if packed:
        starts = np.cumsum([0, *lengths[:-1]], dtype=np.int64)
        token = token + starts[which]
        which = which * 0
    at = tuple(torch.from_numpy(index).to(loaded.device) for index in (which, token))
    states: dict[str, torch.Tensor] = {}

    def keep(site: str, value: torch.Tensor) -> None:
        states[site] = value[at]

    inside = [site for site in sites if site != "logits"]
    if "logits" in sites and "final" not in inside:
        inside.append("final")
    with capture(loaded.blocks, inside, keep) as session:
        if packed:
            row = pack(sequences, loaded.device)
            with packed_attention(loaded.blocks, lengths):
                session.run(row.input_ids, None, row.position_ids)
        else:
            padded = pad_right(sequences, loaded.device)
            session.run(padded.input_ids, padded.attention_mask, padded.position_ids)
    if "logits" in sites:
        with torch.no_grad():
            states["logits"] = loaded.blocks.logits(states["final"])
    return {site: states[site] for site in sites}


def site_widths(loaded: LoadedModel, sites: Sequence[str]) -> dict[str, int]:
    """Columns of a row at each site, found by reading one token.

    Of a model without weights, which cannot read, they are what its config says.

    Raises:
        ConfigError: As `read_rows`.
        CheckFailed: A site that this model's forward pass never comes by.
    """
    if loaded.device.type == NO_WEIGHTS:
        return {site: _promised_width(loaded.blocks.config, site) for site in sites}
    one = np.zeros(1, dtype=np.int64)
    blocks = {site: parse_site(site).block or 0 for site in sites if is_vertical(site)}
    widths = {s: 2 * attention_settings(loaded.blocks, block).heads for s, block in blocks.items()}
    states = [site for site in sites if site not in widths]
    if states:
        found = read_rows(loaded, [one], [one], states)
        widths |= {site: row.shape[1] for site, row in found.items()}
    return {site: widths[site] for site in sites}


def _promised_width(config: Any, site: str) -> int:
    hidden, heads = int(config.hidden_size), int(config.num_attention_heads)
    channels = getattr(config, "head_dim", None) or hidden // heads
    key_heads = getattr(config, "num_key_value_heads", None) or heads
    others = {
        "query": heads * channels,
        "key": key_heads * channels,
        "vertical": 2 * heads,
        "logits": config.vocab_size,
    }
    return int(others.get(parse_site(site).kind, hidden))
