"""Sums, maxima and running means inside the spans of a ragged batch, without padding.

All work on scores [member, token, head] of spans that lie one after the other.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float

__all__ = ["Segments"]

_TokenScores = Float[torch.Tensor, "member token head"]
_SpanScores = Float[torch.Tensor, "member span head"]


class Segments:
    """Where the spans of one batch begin and end."""

    def __init__(self, offsets: torch.Tensor) -> None:
        """Take int64 offsets [span + 1] from 0 up to the number of tokens; no span is empty."""
        self.offsets = offsets
        self.lengths = offsets.diff()
        self.span = torch.repeat_interleave(self.lengths)
        self.place = torch.arange(len(self.span), device=offsets.device) - offsets[self.span]

    def sum(self, scores: _TokenScores) -> _SpanScores:
        """Sum over the tokens of each span."""
        return self._reduce(scores, "sum")

    def max(self, scores: _TokenScores) -> _SpanScores:
        """Highest token of each span."""
        return self._reduce(scores, "max")

    def softmax(self, scores: _TokenScores) -> _TokenScores:
        """Shares of the tokens, which sum to 1 over each span."""
        raised = torch.exp(scores - self.max(scores.detach())[:, self.span])
        return raised / self.sum(raised)[:, self.span]

    def rolling_mean(self, scores: _TokenScores, window: int) -> _TokenScores:
        """Mean of the last `window` tokens.

        Tokens before the first full window get the mean of that window, and a span shorter than
        the window its own mean: an average of few tokens would be the loudest.
        """
        running = torch.cumsum(scores.double(), dim=1)
        before = torch.cat([torch.zeros_like(running[:, :1]), running], dim=1)
        size = self.lengths.clamp_max(window)[self.span]
        end = self.offsets[self.span] + torch.maximum(self.place + 1, size)
        means = (before[:, end] - before[:, end - size]) / size[None, :, None]
        return means.to(scores.dtype)

    def moving_average(self, scores: _TokenScores, half_life: float) -> _TokenScores:
        """Exponential moving average e_t = a e_(t-1) + (1 - a) s_t that starts from 0.

        Args:
            scores: Around 0 for an ordinary token, which is where the average starts from.
            half_life: Tokens after which a score counts half; a = 2^(-1 / half_life).
        """
        decay = 2 ** (-1 / half_life)
        total, reach = scores, 1
        longest = int(self.lengths.max())
        # doubling: after k rounds every token holds the last 2^k scores, decayed
        while reach < longest and reach < half_life * _NEGLIGIBLE_HALVINGS:
            seen = (self.place[reach:] >= reach)[None, :, None]
            earlier = torch.where(seen, total[:, :-reach], 0) * decay**reach
            total = torch.cat([total[:, :reach], total[:, reach:] + earlier], dim=1)
            reach *= 2
        return total * (1 - decay)

    def _reduce(self, scores: torch.Tensor, how: str) -> torch.Tensor:
        members, tokens, heads = scores.shape
        flat = scores.transpose(0, 1).reshape(tokens, members * heads)
        reduced = torch.segment_reduce(flat, how, offsets=self.offsets, axis=0)
        return reduced.reshape(-1, members, heads).transpose(0, 1)


_NEGLIGIBLE_HALVINGS = math.ceil(-math.log2(torch.finfo(torch.float64).eps))
"""Half-lives after which a score no longer changes a float64 sum."""
