"""Logit lens: what the model would say next if it stopped thinking at a site.

After nostalgebraist (2020). The final norm is applied once: to the outputs of blocks, and not to
the site `final`, which lies behind it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from augury.activations.batches import plan_batches
from augury.causal.moments import Moment, Readout
from augury.errors import DataError
from augury.models.load import LoadedModel
from augury.models.packed import supports_packing
from augury.models.read import read_rows
from augury.models.sites import parse_site
from augury.runs.progress import track

__all__ = ["Lens", "lens_sites", "logit_lens"]

_ROWS = 256
"""Rows to which the head is applied at once: a row is as wide as the vocabulary."""


@dataclass(frozen=True, eq=False, slots=True)
class Lens:
    """The lens at every moment and site."""

    sites: tuple[str, ...]
    value: np.ndarray
    """float64 [moment, site], the readout of the distribution seen through the lens."""

    kl: np.ndarray
    """float64 [moment, site], KL(model || lens) in nats: how far the lens is from what the model
    says in the end; 0 at `final`."""


def lens_sites(depth: int) -> tuple[str, ...]:
    """Every place of the residual stream: `embed`, the output of each block, `final`."""
    return ("embed", *(f"resid.{block}" for block in range(depth)), "final")


@torch.no_grad()
def logit_lens(
    loaded: LoadedModel,
    moments: Sequence[Moment],
    sites: Sequence[str],
    readout: Readout,
    *,
    batch_tokens: int = 16384,
) -> Lens:
    """Look at every moment through the lens. Moments of one trace are read in one go.

    Args:
        loaded: The whole model with its head.
        moments: Where.
        sites: `embed`, `resid.I` or `final`: states of the residual stream.
        readout: What is measured.
        batch_tokens: Most tokens read at once.

    Raises:
        DataError: Two moments of one trace read different tokens; a site off the residual stream.
    """
    for site in sites:
        if parse_site(site, depth=len(loaded.blocks.layers)).kind not in (
            "embed",
            "resid",
            "final",
        ):
            raise DataError(
                f"site {site!r}",
                found="not on the residual stream",
                expected="embed, resid.I, final",
            )
    texts = _texts(moments)
    packed = supports_packing(loaded.blocks)
    wanted = list(dict.fromkeys([*sites, "final"]))
    value, kl = (np.zeros((len(moments), len(sites))) for _ in range(2))
    batches = plan_batches([len(ids) for ids, _ in texts], batch_tokens, packed=packed)
    for batch in track(batches, what="looking through the lens", unit="batches"):
        members = [number for text in batch for number in texts[text][1]]
        rows = [np.array([moments[n].position for n in texts[text][1]]) for text in batch]
        states = read_rows(loaded, [texts[text][0] for text in batch], rows, wanted, packed=packed)
        for start in range(0, len(members), _ROWS):
            chunk = slice(start, start + _ROWS)
            at = np.array(members[chunk])
            said = _seen(loaded, "final", states["final"][chunk])
            for column, site in enumerate(sites):
                seen = _seen(loaded, site, states[site][chunk])
                value[at, column] = readout(seen).double().cpu().numpy()
                apart = (said.exp() * (said - seen)).sum(dim=1)
                kl[at, column] = apart.double().cpu().numpy()
    return Lens(tuple(sites), value, kl)


def _seen(loaded: LoadedModel, site: str, states: torch.Tensor) -> torch.Tensor:
    """Log-probabilities [row, vocabulary]."""
    normed = states if site == "final" else loaded.blocks.final_norm(states)
    return torch.log_softmax(loaded.blocks.logits(normed).float(), dim=-1)


def _texts(moments: Sequence[Moment]) -> list[tuple[np.ndarray, list[int]]]:
    """Per trace its longest ids, and the numbers of its moments."""
    members: dict[str, list[int]] = {}
    for number, moment in enumerate(moments):
        members.setdefault(moment.trace, []).append(number)
    out = []
    for trace, numbers in members.items():
        longest = max((moments[n].ids for n in numbers), key=len)
        for n in numbers:
            if not np.array_equal(moments[n].ids, longest[: len(moments[n].ids)]):
                raise DataError(
                    f"moments of {trace!r}",
                    found="different tokens in the same text",
                    expected="one text, read up to different positions",
                )
        out.append((longest, numbers))
    return out
