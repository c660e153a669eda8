"""Reference states: what a site holds at places like those that are edited."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from augury.activations.batches import plan_batches
from augury.models.load import LoadedModel
from augury.models.packed import supports_packing
from augury.models.read import read_rows

__all__ = ["mean_norms", "reference_states"]


def reference_states(
    loaded: LoadedModel,
    texts: Sequence[np.ndarray],
    rows: Sequence[np.ndarray],
    sites: Sequence[str],
    *,
    batch_tokens: int = 16384,
) -> dict[str, np.ndarray]:
    """Read the unedited model.

    Args:
        loaded: Must hold every block that the sites need.
        texts: Token ids of each text.
        rows: Positions of each text whose states are wanted, from 0; may be empty.
        sites: Where.
        batch_tokens: Most tokens read at once.

    Returns:
        Per site float32 [row, hidden], text by text.
    """
    packed = supports_packing(loaded.blocks)
    counts = [len(kept) for kept in rows]
    starts = np.cumsum([0, *counts])
    out: dict[str, np.ndarray] = {}
    for batch in plan_batches([len(ids) for ids in texts], batch_tokens, packed=packed):
        kept = [rows[i] for i in batch]
        found = read_rows(loaded, [texts[i] for i in batch], kept, sites, packed=packed)
        at = np.concatenate([np.arange(starts[i], starts[i + 1]) for i in batch])
        for site, states in found.items():
            whole = out.setdefault(
                site, np.zeros((int(starts[-1]), states.shape[1]), dtype=np.float32)
            )
            whole[at] = states.float().cpu().numpy()
    return out


def mean_norms(states: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Mean length of the states of each site."""
    return {site: float(np.linalg.norm(rows, axis=1).mean()) for site, rows in states.items()}
