"""Site names: which place of the model a row of hidden states was read at.

| name         | the state there                                                        |
|--------------|------------------------------------------------------------------------|
| `embed`      | input of block 0: embeddings, with learned positions or scaling if any |
| `query.i`    | queries of block `i` as attention uses them, [head * channel]          |
| `key.i`      | keys of block `i` as attention uses them, [key head * channel]         |
| `vertical.i` | attention that a span gets from later ones in block `i`, [2 * head]    |
| `attn.i`     | what attention of block `i` adds to the residual                       |
| `mlp.i`      | what the MLP of block `i` adds to the residual                         |
| `resid.i`    | output of block `i`, before any final norm                             |
| `final`      | after the final norm: what the head reads                              |
| `logits`     | what the head gives, with its scaling and soft cap, [token id]         |

Blocks count from 0. `resid.i` is `hidden_states[i + 1]` of transformers, except at the last block,
where transformers shows the state after the final norm. Queries and keys are those behind rotary
positions and their norms, before key heads are repeated; channel `c` of head `h` is in column
`h * channels + c`. See `augury.models.attention` for what turns them into weights, and
`augury.activations.vertical` for `vertical.i`, which is of spans and of no single token.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from augury.errors import ConfigError

__all__ = [
    "Site",
    "SiteKind",
    "SiteName",
    "blocks_needed",
    "deepest_block",
    "is_vertical",
    "parse_site",
    "sites_in_order",
]

Site = str
SiteKind = Literal["embed", "query", "key", "vertical", "attn", "mlp", "resid", "final", "logits"]

_BEHIND_BLOCKS = ("final", "logits")
_WITHOUT_BLOCK = ("embed", *_BEHIND_BLOCKS)
_BY_BLOCK = ("query", "key", "vertical", "attn", "mlp", "resid")
_DEPTH = {kind: depth for depth, kind in enumerate(_BY_BLOCK)}


@dataclass(frozen=True, slots=True)
class SiteName:
    """A site, taken apart. `str(name)` puts it together again."""

    kind: SiteKind
    """Which kind of place."""

    block: int | None
    """Block it belongs to, from 0; None for `embed`, `final` and `logits`."""

    def __str__(self) -> str:
        return self.kind if self.block is None else f"{self.kind}.{self.block}"

    @property
    def depth(self) -> tuple[float, int]:
        """Sorts sites in the order in which a forward pass computes them."""
        if self.kind == "embed":
            return (-1, 0)
        if self.block is None:
            return (float("inf"), _BEHIND_BLOCKS.index(self.kind))
        return (self.block, _DEPTH[self.kind])


def parse_site(text: str, *, depth: int | None = None) -> SiteName:
    """Take a site name apart.

    Args:
        text: For example `resid.3`.
        depth: Number of blocks of the model, where known; sites beyond it are refused.

    Raises:
        ConfigError: No such kind of site, no such block; the nearest valid name is given.
    """
    kind, dot, number = text.partition(".")
    plain = number.isascii() and number.isdecimal() and str(int(number)) == number
    if kind in _WITHOUT_BLOCK and not dot:
        return SiteName(kind, None)  # type: ignore[arg-type]
    if kind in _DEPTH and plain:
        if depth is not None and int(number) >= depth:
            raise ConfigError(
                f"site {text!r}",
                found=f"block {number} of a model with {depth} blocks",
                expected=f"a block from 0 to {depth - 1}",
                fix=f"the last one is {kind}.{depth - 1}",
            )
        return SiteName(kind, int(number))  # type: ignore[arg-type]
    raise ConfigError(
        f"site {text!r}",
        found="no such site",
        expected=f"embed, final, logits, or {', '.join(_BY_BLOCK)} with .I (block I, from 0)",
        fix=f"did you mean {_nearest(kind, number if plain else '0')!r}?",
    )


def is_vertical(site: str) -> bool:
    """Whether the site is made of attention between spans, and no state of a token."""
    return parse_site(site).kind == "vertical"


def sites_in_order(sites: Iterable[str], *, depth: int | None = None) -> tuple[Site, ...]:
    """The sites in the order in which a forward pass computes them.

    Raises:
        ConfigError: A bad name, or one named twice.
    """
    names = [parse_site(site, depth=depth) for site in sites]
    twice = sorted({str(name) for name in names if names.count(name) > 1})
    if twice:
        raise ConfigError("sites", found=f"{', '.join(twice)} named twice", fix="name it once")
    return tuple(str(name) for name in sorted(names, key=lambda name: name.depth))


def deepest_block(sites: Sequence[str]) -> int | None:
    """Index of the last block that must run: -1 if none must, None if all (`final`, `logits`)."""
    names = [parse_site(site) for site in sites]
    if any(name.kind in _BEHIND_BLOCKS for name in names):
        return None
    return max((-1 if name.block is None else name.block for name in names), default=-1)


def blocks_needed(sites: Sequence[str]) -> int | None:
    """Number of blocks to load for these sites, at least 1; None for the whole model."""
    deepest = deepest_block(sites)
    return None if deepest is None else max(1, deepest + 1)


def _nearest(kind: str, number: str) -> str:
    names = {"layer": "resid", "block": "resid", "hidden": "resid", "norm": "final"}
    names |= {"q": "query", "k": "key", "head": "logits"}
    found = difflib.get_close_matches(kind.lower(), [*get_args(SiteKind), *names], n=1, cutoff=0.4)
    near = names.get(found[0], found[0]) if found else "resid"
    return near if near in _WITHOUT_BLOCK else f"{near}.{number}"
