"""Vertical scores: how much later sentences attend to a sentence, head by head.

From queries and keys on their way to the model's own kernel, in pieces of bounded size: there is
never a weight for every pair of tokens, only one for every pair of sentences.

For head `h` let `M[i, j]` be the attention weight that a token of sentence `i` gives to a token of
sentence `j`, mean over both. The score of sentence `j` is the mean of `M[i, j]` over sentences `i`
that stand at least `proximity` behind it; its rank form takes, in place of `M[i, j]`, the rank
among the sentences that stand at least `proximity` before `i`, over their number. Early sentences
share the attention of their few readers with few others; ranks take that away (depth control).
After Bogdan et al. 2025, "Thought Anchors" (arXiv:2506.19143).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Int

from augury.activations.anchors import Anchors
from augury.models.attention import AttentionSettings, attention_settings
from augury.models.hooks import capture
from augury.models.load import LoadedModel
from augury.models.sites import parse_site

__all__ = ["mass_between", "read_vertical", "vertical_scores"]

_MOST = 1 << 22
"""Attention weights that exist at once."""


def read_vertical(
    loaded: LoadedModel,
    ids: np.ndarray,
    rows: Anchors,
    sites: Sequence[str],
    *,
    proximity: int,
) -> dict[str, torch.Tensor]:
    """Vertical scores of the spans of one text, which the model reads alone.

    Args:
        loaded: Must hold every block that `sites` needs.
        ids: The text, int [token].
        rows: Its spans, in the order in which they end.
        sites: `vertical.i`.
        proximity: See `vertical_scores`.

    Returns:
        Per site float32 [span, 2 * head] on the model's device: scores of all heads, then ranks.

    Raises:
        ConfigError: Attention of this family does not go through transformers' interface.
        CheckFailed: A block was not read exactly once.
    """
    blocks = [parse_site(site).block or 0 for site in sites]
    told = {block: attention_settings(loaded.blocks, block) for block in blocks}
    spans = torch.from_numpy(np.stack([rows.first, rows.token + 1], axis=1).astype(np.int64))
    spans = spans.to(loaded.device)
    queries: dict[int, torch.Tensor] = {}
    found: dict[str, torch.Tensor] = {}

    def see(site: str, value: torch.Tensor) -> None:
        block = parse_site(site).block or 0
        if site.startswith("query"):
            queries[block] = value[0]
            return
        mass = mass_between(queries.pop(block), value[0], told[block], spans)
        scores = vertical_scores(mass, spans[:, 1] - spans[:, 0], proximity=proximity)
        found[f"vertical.{block}"] = scores.permute(1, 2, 0).flatten(1)

    wanted = [f"{kind}.{block}" for block in blocks for kind in ("query", "key")]
    with capture(loaded.blocks, wanted, see) as session:
        one = torch.from_numpy(np.asarray(ids, dtype=np.int64))[None].to(loaded.device)
        session.run(one, None, torch.arange(one.shape[1], device=loaded.device)[None])
    return {site: found[site] for site in sites}


def mass_between(
    query: Float[torch.Tensor, "token heads"],
    key: Float[torch.Tensor, "token keys"],
    settings: AttentionSettings,
    spans: Int[torch.Tensor, "span 2"],
    *,
    most: int = _MOST,
) -> Float[torch.Tensor, "head span span"]:
    """Attention that tokens of span `i` give to all of span `j`: mean over `i`, sum over `j`.

    Args:
        query: Rows of all tokens of the text at `query.i`, [token, head * channel].
        key: Likewise, [token, key head * channel].
        settings: Of the same block.
        spans: Tokens `[first, stop)` of each span; spans may share tokens.
        most: How many attention weights may exist at once; no result depends on it beyond rounding.

    Returns:
        float32 [head, i, j].
    """
    groups = settings.heads // settings.key_heads
    heads = query.unflatten(1, (settings.key_heads, groups, -1)).permute(1, 2, 0, 3)
    keys = key.unflatten(1, (settings.key_heads, -1)).transpose(0, 1)
    token, reader, share = _readers(spans)
    result = torch.zeros((settings.heads, len(spans), len(spans)), device=query.device)
    reading = torch.unique(token)
    size = max(1, most // (settings.heads * len(query)))
    for piece in reading.split(size):
        weights, start = _weights(heads[:, :, piece], keys, piece, settings)
        total = weights.cumsum(-1, dtype=torch.float64)
        ends = ((spans[:, n] - start).clamp(0, total.shape[-1]) for n in (0, 1))
        before, upto = (total[..., (end - 1).clamp_min(0)] * (end > 0) for end in ends)
        onto = (upto - before).float()
        mine = torch.searchsorted(token, torch.stack([piece[0], piece[-1] + 1]))
        pairs = slice(int(mine[0]), int(mine[1]))
        row = torch.searchsorted(piece, token[pairs])
        result.index_add_(1, reader[pairs], onto[:, row] * share[pairs, None])
    return result


def vertical_scores(
    mass: Float[torch.Tensor, "head span span"],
    lengths: Int[torch.Tensor, " span"],
    *,
    proximity: int,
) -> Float[torch.Tensor, "head span 2"]:
    """Score of every span and head, and its rank form.

    Args:
        mass: From `mass_between`; spans in the order of the text.
        lengths: Tokens of each span.
        proximity: Only spans that stand at least so many later count, at least 1.

    Returns:
        float32; 0 for the last `proximity` spans, which nobody reads from far enough.
    """
    count = mass.shape[1]
    place = torch.arange(count, device=mass.device)
    far = (place[:, None] - place) >= proximity
    mean = mass / lengths
    readers = far.sum(dim=0).clamp_min(1)
    # A row is sorted with what it does not count at the end, where it changes no rank.
    row = torch.where(far, mean, torch.inf).contiguous()
    ordered = row.sort(dim=-1).values
    below, upto = (torch.searchsorted(ordered, row, right=right) for right in (False, True))
    known = far.sum(dim=1).clamp_min(1)[:, None]
    ranked = torch.where(far, (below + upto + 1) / 2 / known, 0.0)
    raw = torch.where(far, mean, 0.0).sum(dim=1) / readers
    return torch.stack([raw, (ranked.sum(dim=1) / readers).to(raw.dtype)], dim=-1)


def _readers(spans: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Token, span and share of every token in every span, tokens ascending."""
    lengths = spans[:, 1] - spans[:, 0]
    reader = torch.repeat_interleave(lengths)
    within = torch.arange(len(reader), device=spans.device)
    within = within - (lengths.cumsum(0) - lengths)[reader]
    token = spans[reader, 0] + within
    order = torch.argsort(token, stable=True)
    return token[order], reader[order], (1.0 / lengths)[reader][order]


def _weights(
    query: torch.Tensor, keys: torch.Tensor, tokens: torch.Tensor, settings: AttentionSettings
) -> tuple[torch.Tensor, int]:
    """Attention weights of some tokens, float32 [head, token, key], and the token of key 0."""
    stop = int(tokens[-1]) + 1
    start = 0 if settings.window is None else max(0, int(tokens[0]) + 1 - settings.window)
    seen = keys[:, start:stop].float()
    products = torch.einsum("kgtc,kuc->kgtu", query.float(), seen) * settings.scaling
    if settings.softcap is not None:
        products = torch.tanh(products / settings.softcap) * settings.softcap
    behind = tokens[:, None] - torch.arange(start, stop, device=tokens.device)
    hidden = behind < 0
    if settings.window is not None:
        hidden |= behind >= settings.window
    return products.masked_fill_(hidden, float("-inf")).softmax(-1).flatten(0, 1), start
