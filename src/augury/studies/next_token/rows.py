"""The rows of a run: every token of every passage once, in the order of the text."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from augury.runs.folder import Run
from augury.studies.next_token.config import NextTokenConfig
from augury.studies.next_token.prepare import SPLIT, TOKENS, TRACES
from augury.traces.table import read_traces
from augury.traces.tokens import TokenisedTrace, read_tokenised
from augury.traces.trace import Trace

__all__ = ["SIDES", "BookRows", "load_rows"]

SIDES = ("train", "validation", "test")


@dataclass(frozen=True, eq=False)
class BookRows:
    """All rows, as the store has them: window after window, each with its new tokens."""

    traces: dict[str, Trace]
    """Passages by id."""

    parts: list[TokenisedTrace]
    """Windows; those of one passage stand side by side."""

    part: np.ndarray
    """Int [row], index into `parts`."""

    token: np.ndarray
    """Int [row], index of the token in its window: so many tokens stand before it."""

    ids: np.ndarray
    """Int [row], id of the token."""

    trace: np.ndarray
    """Int [row], number of the passage."""

    book: np.ndarray
    """Int [row], number of the book."""

    side: np.ndarray
    """Int [row], index into `SIDES`."""

    counts: np.ndarray
    """Bool [row], whether enough tokens stand before it in its window."""

    def at(self, values: np.ndarray, horizon: int) -> tuple[np.ndarray, np.ndarray]:
        """`values` of the token `horizon` tokens ahead in the same passage, and where there is one.

        h > 0 looks ahead: entry r is the value at row r + h. Where the passage ends before, the
        entry is 0 and the mask is False.
        """
        rows = np.arange(len(self.ids)) + horizon
        there = (rows >= 0) & (rows < len(self.ids))
        there[there] = self.trace[rows[there]] == self.trace[there]
        out = np.zeros_like(values)
        out[there] = values[rows[there]]
        return out, there

    def labels(
        self, target: Iterable[int], horizons: Iterable[int]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Whether the token h ahead is one of `target`, and which rows are asked.

        Returns:
            Labels and mask, both bool [row, horizon].
        """
        hit = np.isin(self.ids, list(target))
        pairs = [self.at(hit, horizon) for horizon in horizons]
        labels, there = (np.stack(each, axis=1) for each in zip(*pairs, strict=True))
        return labels, there & self.counts[:, None]


def load_rows(run: Run, config: NextTokenConfig) -> BookRows:
    """Read what `prepare` has written."""
    traces = {trace.id: trace for trace in read_traces(run.path / TRACES)}
    parts = read_tokenised(run.path / TOKENS)
    split = json.loads((run.path / SPLIT).read_text(encoding="utf-8"))
    side_of = {group: SIDES.index(side) for side in SIDES for group in split[side]}
    trace_number = {key: number for number, key in enumerate(traces)}
    book_number = {key: n for n, key in enumerate(dict.fromkeys(t.group for t in traces.values()))}
    sizes = [len(part.ids) - part.first_row for part in parts]
    of_part = np.array(
        [[trace_number[p.trace_id], book_number[p.group], side_of[p.group]] for p in parts]
    )
    part = np.repeat(np.arange(len(parts)), sizes)
    token = np.concatenate([np.arange(part.first_row, len(part.ids)) for part in parts])
    ids = np.concatenate([part.ids[part.first_row :] for part in parts])
    trace, book, side = of_part[part].T
    counts = token >= config.books.least_before
    return BookRows(traces, parts, part, token, ids, trace, book, side, counts)
