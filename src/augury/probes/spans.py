"""Spans of tokens (sentences, answers, whole texts), ragged and never padded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from augury.activations.pool import Pooling, pool
from augury.errors import DataError
from augury.probes.rows import StateArray, block_rows, row_block

__all__ = ["Spans", "chunks", "pooled", "rows_as_spans"]


@dataclass(frozen=True, eq=False)
class Spans:
    """Hidden states of many spans, one span below the other."""

    tokens: StateArray
    """Raw states [token, hidden]; a memory-mapped array is read span by span."""

    offsets: np.ndarray
    """Int64 [span + 1]: span i is `tokens[offsets[i]:offsets[i + 1]]`."""

    def __post_init__(self) -> None:
        """Refuse offsets that do not cut the tokens into spans."""
        offsets = np.asarray(self.offsets)
        fits = (
            self.tokens.ndim == 2
            and offsets.ndim == 1
            and len(offsets) >= 1
            and np.issubdtype(offsets.dtype, np.integer)
        )
        if not fits or offsets[0] != 0 or offsets[-1] != self.tokens.shape[0]:
            raise DataError(
                "spans",
                found=f"{offsets.dtype} offsets of shape {offsets.shape}, "
                f"tokens of shape {tuple(self.tokens.shape)}",
                expected="tokens [token, hidden], and integer offsets from 0 up to token",
            )
        short = np.flatnonzero(np.diff(offsets) <= 0)
        if len(short):
            raise DataError(
                f"span {short[0]}",
                found="no token",
                expected="at least one token in every span",
                fix="leave such spans out of tokens, offsets and target alike",
            )
        object.__setattr__(self, "offsets", offsets.astype(np.int64))

    def __len__(self) -> int:
        """Number of spans."""
        return len(self.offsets) - 1

    @property
    def hidden(self) -> int:
        """Width of the states."""
        return int(self.tokens.shape[1])

    @property
    def device(self) -> torch.device:
        """Where the states lie, and where they are read to."""
        if isinstance(self.tokens, torch.Tensor):
            return self.tokens.device
        return torch.device("cpu")

    @property
    def lengths(self) -> np.ndarray:
        """Tokens of each span, int64 [span]."""
        return np.diff(self.offsets)

    def token_mask(self, spans: np.ndarray) -> np.ndarray:
        """Which tokens lie in the given spans; bool [span] -> bool [token]."""
        return np.repeat(spans, self.lengths)

    def read(self, numbers: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        """Copy the given spans: float32 states [token, hidden] and their offsets, on one device.

        Raises:
            DataError: A state is not finite.
        """
        lengths = self.lengths[numbers]
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        within = np.arange(offsets[-1]) - np.repeat(offsets[:-1], lengths)
        states = row_block(self.tokens, np.repeat(self.offsets[numbers], lengths) + within)
        if not bool(torch.isfinite(states).all()):
            token = int(torch.isfinite(states).all(dim=1).logical_not().nonzero()[0, 0])
            span = numbers[np.searchsorted(offsets, token, side="right") - 1]
            raise DataError(
                f"span {span}",
                found="a state that is not finite",
                expected="finite hidden states",
                fix="read the activations again in a wider dtype",
            )
        return states, torch.from_numpy(offsets).to(states.device)


def chunks(lengths: np.ndarray, *, spans: int, tokens: int) -> Iterator[slice]:
    """Cut a list of spans into runs of at most so many spans and tokens, at least one span each.

    Args:
        lengths: Tokens of each span, in the order in which they will be read; int [span].
        spans: Most spans of a run.
        tokens: Most tokens of a run, unless a single span is longer.
    """
    first, size = 0, 0
    for at, length in enumerate(lengths):
        if at > first and (at - first == spans or size + length > tokens):
            yield slice(first, at)
            first, size = at, 0
        size += int(length)
    if first < len(lengths):
        yield slice(first, len(lengths))


def pooled(spans: Spans, how: Pooling, used: np.ndarray | None = None) -> np.ndarray:
    """One row per span, float32 [span, hidden], read in pieces of bounded size.

    Args:
        spans: To be reduced.
        how: One of `activations.pool`.
        used: Bool [span]; the other spans are not looked at and their rows are 0. None = all.

    Raises:
        DataError: A state is not finite.
    """
    rows = np.zeros((len(spans), spans.hidden), dtype=np.float32)
    numbers = np.arange(len(spans)) if used is None else np.flatnonzero(used)
    most = block_rows(spans.hidden)
    for piece in chunks(spans.lengths[numbers], spans=most, tokens=most):
        states, offsets = spans.read(numbers[piece])
        rows[numbers[piece]] = pool(states, offsets, how).cpu().numpy()
    return rows


def rows_as_spans(rows: StateArray) -> Spans:
    """Every row as a span of one token."""
    return Spans(rows, np.arange(rows.shape[0] + 1))
