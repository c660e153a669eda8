"""The independent reference: transformers itself, one sequence at a time, eager attention.

Every sequence is run twice, with eager attention and with the model's own kernel. Both are right,
so what lies between them is the rounding noise of this model in this number type; deep or steep
models amplify it, and no fixed bound fits all of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from augury.errors import CheckFailed
from augury.models.hooks import capture
from augury.models.load import LoadedModel
from augury.models.sites import parse_site

__all__ = ["Reference", "distance", "reference_of"]


@dataclass(frozen=True)
class Reference:
    """One sequence, as transformers computes it alone."""

    hidden_states: tuple[torch.Tensor, ...]
    """Each [token, hidden]: the input of block 0, the output of each block but the last, and the
    state after the final norm."""

    logits: torch.Tensor
    """[token, vocabulary]."""

    own_states: tuple[torch.Tensor, ...]
    """As `hidden_states`, with the model's own attention kernel."""

    own_logits: torch.Tensor
    """As `logits`, with the model's own attention kernel."""

    loaded: LoadedModel
    """The full model."""

    ids: np.ndarray
    """int32 [token]."""

    def site(self, site: str) -> torch.Tensor:
        """States at a site [token, hidden].

        transformers shows neither sub-layers, queries and keys nor the last block before the final
        norm; there the sequence is read alone, by a hook and eager attention.
        """
        return self._states(site, self.hidden_states, self.logits, eager=True)

    def own_site(self, site: str) -> torch.Tensor:
        """As `site`, with the model's own attention kernel."""
        return self._states(site, self.own_states, self.own_logits, eager=False)

    def noise(self, site: str) -> float:
        """Distance between the two right readings of a site."""
        return distance(self.own_site(site), self.site(site))

    def attention(self, block: int) -> torch.Tensor:
        """Attention weights of a block as transformers gives them out, [head, token, token].

        Raises:
            CheckFailed: This family gives none out.
        """
        with _eager(self.loaded), torch.no_grad():
            output = self.loaded.model(
                input_ids=_alone(self.loaded, self.ids), output_attentions=True, use_cache=False
            )
        if not output.attentions:
            raise CheckFailed(
                "attention weights",
                found="none given out by eager transformers, so queries and keys are unchecked",
                fix="leave query and key sites out of reading.sites",
            )
        weights: torch.Tensor = output.attentions[block][0]
        return weights

    def _states(
        self, site: str, states: tuple[torch.Tensor, ...], logits: torch.Tensor, *, eager: bool
    ) -> torch.Tensor:
        if site == "logits":
            return logits
        index = self._index(site)
        if index is None:
            return _read_alone(self.loaded, self.ids, site, eager=eager)
        return states[index]

    def _index(self, site: str) -> int | None:
        name = parse_site(site)
        if name.kind == "embed":
            return 0
        if name.kind == "final":
            return len(self.hidden_states) - 1
        if name.kind == "resid" and name.block is not None and name.block < self.loaded.depth - 1:
            return name.block + 1
        return None


def reference_of(loaded: LoadedModel, ids: np.ndarray) -> Reference:
    """Run one sequence through the whole model: no padding, no mask, no cache, no hook of ours."""
    with _eager(loaded):
        states, logits = _whole(loaded, ids)
    own_states, own_logits = _whole(loaded, ids)
    return Reference(states, logits, own_states, own_logits, loaded, ids)


def distance(ours: torch.Tensor, reference: torch.Tensor) -> float:
    """Root mean square over rows of |ours - reference| / |reference|; both [row, hidden].

    NaN where a state is not finite, so that no bound is met.
    """
    # On the CPU: not every device knows float64.
    wanted = reference.cpu().double()
    size = wanted.norm(dim=-1)
    floor = float(size.median()) * 1e-3 + torch.finfo(torch.float32).tiny
    relative = (ours.cpu().double() - wanted).norm(dim=-1) / size.clamp_min(floor)
    return float(relative.square().mean().sqrt())


def _whole(loaded: LoadedModel, ids: np.ndarray) -> tuple[tuple[torch.Tensor, ...], torch.Tensor]:
    with torch.no_grad():
        output = loaded.model(
            input_ids=_alone(loaded, ids), output_hidden_states=True, use_cache=False
        )
    return tuple(state[0] for state in output.hidden_states), output.logits[0]


def _alone(loaded: LoadedModel, ids: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(ids.astype(np.int64))[None].to(loaded.device)


def _read_alone(loaded: LoadedModel, ids: np.ndarray, site: str, *, eager: bool) -> torch.Tensor:
    found: list[torch.Tensor] = []

    def keep(_site: str, value: torch.Tensor) -> None:
        found.append(value[0].clone())

    one = _alone(loaded, ids)
    kernel = _eager(loaded) if eager else nullcontext()
    with kernel, capture(loaded.blocks, [site], keep) as session:
        session.run(one, torch.ones_like(one), torch.arange(one.shape[1], device=one.device)[None])
    return found[0]


@contextmanager
def _eager(loaded: LoadedModel) -> Iterator[None]:
    model: Any = loaded.model
    inner = model.get_base_model() if hasattr(model, "get_base_model") else model
    before = inner.config._attn_implementation
    inner.set_attn_implementation("eager")
    try:
        yield
    finally:
        inner.set_attn_implementation(before)
