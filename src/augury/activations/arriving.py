"""Arriving: the rows of a shard on their way from the device to the CPU, each to its place.

On a GPU nothing waits for a copy but the end of the shard: rows go to pinned memory on a stream of
their own while the next batch is computed. Elsewhere a copy is a copy.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate

import torch

__all__ = ["Arriving"]


class Arriving:
    """States of one shard, filled batch by batch.

    Args:
        counts: Rows of each trace, traces in the order in which the shard holds them.
        dtype: Number type to arrive in.
    """

    def __init__(self, counts: Mapping[int, int], dtype: torch.dtype) -> None:
        self.states: dict[str, torch.Tensor] = {}
        self._counts, self._dtype = counts, dtype
        self._rows = sum(counts.values())
        ends = accumulate(counts.values())
        self._places = {
            name: slice(end - count, end)
            for (name, count), end in zip(counts.items(), ends, strict=True)
        }
        self._finite: dict[str, list[torch.Tensor]] = {}
        self._largest: dict[str, list[torch.Tensor]] = {}
        self._stream: torch.cuda.Stream | None = None

    def send(self, names: Sequence[int], read: Mapping[str, torch.Tensor]) -> None:
        """Send the rows of a batch on their way.

        Args:
            names: Its traces.
            read: Per site [row, hidden] on the device: the rows of the first trace, and so on.
        """
        for site, value in read.items():
            stored = value.to(self._dtype)
            # Not looked at before all is there: that would wait for the device.
            self._finite.setdefault(site, []).append(torch.isfinite(stored).all())
            if stored is not value and value.numel():
                self._largest.setdefault(site, []).append(value.abs().max().float())
            if site not in self.states:
                self.states[site] = torch.empty(
                    (self._rows, stored.shape[1]), dtype=stored.dtype, pin_memory=stored.is_cuda
                )
            targets = [self.states[site][self._places[name]] for name in names]
            self._copy(stored, targets)

    def wait(self) -> dict[str, float]:
        """Wait until all rows are there.

        Returns:
            Per site with a state that is not finite: the largest size of a state before it took
            the number type of its arrival; NaN where there was no such step.
        """
        if self._stream is not None:
            self._stream.synchronize()
        return {
            site: float(torch.stack(largest).max())
            if (largest := self._largest.get(site))
            else math.nan
            for site, finite in self._finite.items()
            if not bool(torch.stack(finite).all())
        }

    def of_traces(self, site: str) -> Iterator[tuple[int, torch.Tensor]]:
        """Every trace with its rows [row, hidden] on the CPU."""
        pieces = self.states[site].split(list(self._counts.values()))
        return zip(self._counts, pieces, strict=True)

    def _copy(self, rows: torch.Tensor, targets: Sequence[torch.Tensor]) -> None:
        pieces = rows.split([len(target) for target in targets])
        if not rows.is_cuda:
            for target, piece in zip(targets, pieces, strict=True):
                target.copy_(piece)
            return
        computing = torch.cuda.current_stream(rows.device)
        self._stream = self._stream or torch.cuda.Stream(rows.device)
        self._stream.wait_stream(computing)
        with torch.cuda.stream(self._stream):
            for target, piece in zip(targets, pieces, strict=True):
                target.copy_(piece, non_blocking=True)
        rows.record_stream(self._stream)
