"""Reading and rewriting states while a model runs. The only file that registers hooks.

`capture` and `rewrite` are the only ways in. Hooks of `capture` never change a value, and every
forward pass proves that each of them fired exactly once. All hooks are removed when the block ends
or when its set-up fails. Queries and keys are no module's output; they are seen on their way to the
model's kernel (`attention`), and cannot be rewritten.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import nn
from torch.utils.hooks import RemovableHandle

from augury.errors import CheckFailed, ConfigError
from augury.models.attention import Seen, watched_attention
from augury.models.blocks import Blocks
from augury.models.sites import is_vertical, parse_site, sites_in_order

__all__ = ["Capture", "OnValue", "Rewriter", "capture", "rewrite"]

OnValue = Callable[[str, torch.Tensor], None]
"""Called inside the forward pass with a site and its states [sequence, token, hidden]."""

Rewriter = Callable[[str, torch.Tensor], torch.Tensor]
"""Given a site and its states [sequence, token, hidden], gives what the model goes on with."""

_ATTENTION = ("query", "key")


class _EverythingRead(Exception):
    """Leaves the forward pass once the last planned site has been read."""


class Capture:
    """A decoder whose planned sites are being read. Made by `capture`."""

    def __init__(self, decoder: nn.Module, sites: Sequence[str], *, early_exit: bool) -> None:
        self.sites = tuple(sites)
        self._decoder, self._early_exit = decoder, early_exit
        self._fired: Counter[str] = Counter()

    def run(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor | None,
        position_ids: torch.Tensor,
    ) -> None:
        """One forward pass over [sequence, token] inputs, without a cache, without gradients.

        Raises:
            CheckFailed: A site was not read exactly once.
        """
        self._fired.clear()
        try:
            with torch.no_grad():
                self._decoder(
                    input_ids=input_ids,
                    attention_mask=attention_mask,
                    position_ids=position_ids,
                    use_cache=False,
                )
        except _EverythingRead:
            pass
        wrong = {site: self._fired[site] for site in self.sites if self._fired[site] != 1}
        if wrong:
            raise CheckFailed(
                "hooks",
                found=", ".join(f"{site} fired {times} times" for site, times in wrong.items()),
                expected="every planned site once per forward pass",
                fix=_fix(wrong),
            )

    def fired(self, site: str) -> None:
        """Count one firing; leaves the forward pass when nothing is left to read."""
        self._fired[site] += 1
        if self._early_exit and len(self._fired) == len(self.sites):
            raise _EverythingRead


@contextmanager
def capture(
    blocks: Blocks, sites: Sequence[str], on_value: OnValue, *, early_exit: bool = True
) -> Iterator[Capture]:
    """Read `sites` in every `Capture.run` inside the block.

    Args:
        blocks: The model.
        sites: Places to read; valid for this model.
        on_value: Takes each site's states. They are what the model computes with: copy or select,
            never write.
        early_exit: Compute nothing after the last planned site.

    Raises:
        ConfigError: A site that this model does not have, or `logits`: the head is applied to rows
            of `final`, not inside the decoder. No hook is left behind.
    """
    ordered = sites_in_order(sites, depth=len(blocks.layers))
    for site in ordered:
        if site == "logits" or is_vertical(site):
            raise ConfigError(
                f"site {site!r}",
                found="not a place inside the decoder",
                fix="read `final` and apply Blocks.logits to its rows, as read_rows does"
                if site == "logits"
                else "read it of spans, as activations.vertical does",
            )
    session = Capture(blocks.decoder, ordered, early_exit=early_exit)
    with ExitStack() as stack:
        for site in ordered:
            if parse_site(site).kind not in _ATTENTION:
                stack.callback(_register(blocks, site, session, on_value).remove)
        heads = frozenset(site for site in ordered if parse_site(site).kind in _ATTENTION)
        if heads:
            see = _head_reader(heads, session, on_value)
            stack.enter_context(watched_attention(blocks, see))
        yield session


@contextmanager
def rewrite(blocks: Blocks, sites: Sequence[str], rewriter: Rewriter) -> Iterator[None]:
    """Put other states in the place of those of `sites`, in every forward pass inside the block.

    A `capture` inside the block reads the new states.

    Args:
        blocks: The model.
        sites: `embed`, `attn.I`, `mlp.I`, `resid.I` or `final`; valid for this model.
        rewriter: Gives new states of the same shape and type. It must not write into the old ones.

    Raises:
        ConfigError: A site that this model does not have, or that cannot be rewritten. No hook is
            left behind.
    """
    ordered = sites_in_order(sites, depth=len(blocks.layers))
    fixed = [s for s in ordered if parse_site(s).kind in (*_ATTENTION, "vertical", "logits")]
    if fixed:
        raise ConfigError(
            f"site {fixed[0]!r}",
            found="no output of a module",
            expected="embed, attn.I, mlp.I, resid.I or final",
        )
    with ExitStack() as stack:
        for site in ordered:
            stack.callback(_register_rewriter(blocks, site, rewriter).remove)
        yield


def _head_reader(
    sites: frozenset[str], session: Capture, on_value: OnValue
) -> Callable[[Seen], None]:
    def see(seen: Seen) -> None:
        for kind, heads in (("query", seen.query), ("key", seen.key)):
            site = f"{kind}.{seen.block}"
            if site in sites:
                on_value(site, _in_rows(heads))
                session.fired(site)

    return see


def _in_rows(heads: torch.Tensor) -> torch.Tensor:
    """[sequence, head, token, channel] as [sequence, token, head * channel]."""
    return heads.transpose(1, 2).flatten(2)


def _fix(sites: Iterable[str]) -> str:
    if all(parse_site(site).kind in _ATTENTION for site in sites):
        return "leave query and key out: this attention does not use transformers' interface"
    return "set module_names in the model's config to the modules that really run"


def _register(blocks: Blocks, site: str, session: Capture, on_value: OnValue) -> RemovableHandle:
    def take(value: torch.Tensor) -> None:
        on_value(site, value)
        session.fired(site)

    def before(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        take(args[0] if args else kwargs["hidden_states"])

    def after(module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
        take(output[0] if isinstance(output, tuple) else output)

    return _hook(blocks, site, before, after)


def _register_rewriter(blocks: Blocks, site: str, rewriter: Rewriter) -> RemovableHandle:
    def before(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if args:
            return (rewriter(site, args[0]), *args[1:]), kwargs
        return args, {**kwargs, "hidden_states": rewriter(site, kwargs["hidden_states"])}

    def after(module: nn.Module, args: tuple[Any, ...], output: Any) -> Any:
        if isinstance(output, tuple):
            return (rewriter(site, output[0]), *output[1:])
        return rewriter(site, output)

    return _hook(blocks, site, before, after)


def _hook(
    blocks: Blocks, site: str, before: Callable[..., Any], after: Callable[..., Any]
) -> RemovableHandle:
    """Register `before` where the site is an input (`embed`), else `after` at its module."""
    name = parse_site(site)
    if name.block is None:
        if name.kind == "embed":
            return blocks.layers[0].register_forward_pre_hook(before, with_kwargs=True)
        return blocks.final_norm.register_forward_hook(after)
    if name.kind == "resid":
        return blocks.layers[name.block].register_forward_hook(after)
    part = blocks.attn(name.block) if name.kind == "attn" else blocks.mlp(name.block)
    return part.register_forward_hook(after)
