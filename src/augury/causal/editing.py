"""Run a model with edits, at tokens that are named, and prove that they were made."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

import torch

from augury.causal.edits import Edit
from augury.errors import CheckFailed, UsageError
from augury.models.blocks import Blocks
from augury.models.hooks import rewrite
from augury.models.sites import Site

__all__ = ["Calls", "Places", "editing"]

Places = Literal["every token", "new tokens", "last token"]
"""`every token`; `new tokens`: only passes that read one token per sequence, so prompts are read
unedited; `last token`: the last one of each sequence of every pass."""


@dataclass
class Calls:
    """What the hooks did."""

    edited: Counter[Site] = field(default_factory=Counter)
    """Site to forward passes in which it was edited."""

    passed_over: Counter[Site] = field(default_factory=Counter)
    """Site to forward passes that were left alone."""

    lengths: Counter[int] = field(default_factory=Counter)
    """Tokens per sequence of a pass to how often the hooks saw such a pass, over all sites."""

    def check(self, sites: Sequence[Site]) -> None:
        """Refuse a job whose hooks did not all fire equally often.

        Raises:
            CheckFailed: A site never fired, or not as often as another.
        """
        seen = {site: self.edited[site] + self.passed_over[site] for site in sites}
        if not seen or min(seen.values()) < 1 or len(set(seen.values())) > 1:
            raise CheckFailed(
                "edits",
                found=", ".join(f"{site} fired {times} times" for site, times in seen.items()),
                expected="every edited site once per forward pass, and at least one pass",
                fix="set module_names in the model's config to the modules that really run",
            )


@contextmanager
def editing(
    blocks: Blocks,
    edits: Sequence[Edit],
    at: Places | torch.Tensor,
    *,
    numbers: torch.Tensor | None = None,
) -> Iterator[Calls]:
    """Make `edits` in every forward pass inside the block; edits of one site follow each other.

    Args:
        blocks: The model.
        edits: What to change where; none at all is allowed, and nothing is then counted.
        at: Which tokens; or a mask bool [sequence, token] for passes of exactly that shape.
        numbers: Number of each sequence of the batch, for edits that differ between sequences.

    Raises:
        UsageError: An edit needs numbers and there are none.
        ConfigError: A site that the model does not have; no hook is left behind.
        CheckFailed: The block ended, and a site had not fired as often as the others.
    """
    by_site: dict[Site, list[Edit]] = {}
    for edit in edits:
        if edit.numbered and numbers is None:
            raise UsageError(
                f"edit {edit.kind!r} at {edit.site}",
                found="sequences without numbers",
                expected="one number per sequence",
                fix="use mean, zero or scale where sequences come and go, as in sampling",
            )
        by_site.setdefault(edit.site, []).append(edit)
    calls = Calls()

    def rewriter(site: str, states: torch.Tensor) -> torch.Tensor:
        calls.lengths[states.shape[1]] += 1
        mask = _mask(states, at)
        if mask is None:
            calls.passed_over[site] += 1
            return states
        calls.edited[site] += 1
        return _changed(states, mask, by_site[site], numbers)

    with rewrite(blocks, list(by_site), rewriter):
        yield calls
    if by_site:
        calls.check(list(by_site))


def _mask(states: torch.Tensor, at: Places | torch.Tensor) -> torch.Tensor | None:
    """Which tokens of this pass are edited, bool [sequence, token]; None for none of them."""
    shape = states.shape[:2]
    if isinstance(at, torch.Tensor):
        if at.shape != shape:
            raise UsageError("edits", found=f"a pass over {shape}", expected=f"{at.shape}")
        return at.to(states.device)
    if at == "new tokens" and shape[1] > 1:
        return None
    mask = torch.ones(shape, dtype=torch.bool, device=states.device)
    if at == "last token":
        mask[:, :-1] = False
    return mask


def _changed(
    states: torch.Tensor, mask: torch.Tensor, edits: Sequence[Edit], numbers: torch.Tensor | None
) -> torch.Tensor:
    rows = states[mask]
    of_row = mask.nonzero()[:, 0]
    named = of_row if numbers is None else numbers.to(of_row.device)[of_row]
    for edit in edits:
        rows = edit.change(rows, named).to(states.dtype)
    out = states.clone()
    out[mask] = rows
    return out
