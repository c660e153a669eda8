"""The rows of a run: where each stands, on which side of the split, and what is true there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from augury.activations.store import Store
from augury.organism.chains import SLIP
from augury.organism.truth import open_slip_age
from augury.runs.folder import Run
from augury.studies.backtracking_lag.activations import STORE
from augury.studies.backtracking_lag.config import TargetConfig
from augury.studies.backtracking_lag.groups import SPLIT
from augury.studies.backtracking_lag.traces import TOKENS, TRACES
from augury.studies.splitting import read_split, sides
from augury.targets.events import Events, token_events
from augury.targets.horizons import already_inside_counts, at_horizon
from augury.traces.align import PlacedSpan, place_spans
from augury.traces.table import read_traces
from augury.traces.tokens import TokenisedTrace, read_tokenised
from augury.traces.trace import Trace

__all__ = ["SIDES", "RunRows", "Target", "load_rows", "make_target"]

SIDES = ("train", "validation", "test")


@dataclass(frozen=True, eq=False)
class RunRows:
    """All rows of the store, in its order."""

    traces: dict[str, Trace]
    parts: list[TokenisedTrace]
    placed: list[list[PlacedSpan]]
    """Of each part."""

    part: np.ndarray
    """Int [row], index into `parts`."""

    token: np.ndarray
    """Int [row], token index within the part."""

    trace: np.ndarray
    """Int [row], number of the trace."""

    group: np.ndarray
    """Int [row], number of the group."""

    sides: np.ndarray
    """Int8 [split, row], index into `SIDES`; one split, or one for each fold."""

    @property
    def side(self) -> np.ndarray:
        """Int8 [row], of the only split or of the first fold."""
        return np.asarray(self.sides[0])

    @property
    def crossed(self) -> bool:
        """Whether folds test every row, rather than one split some of them."""
        return len(self.sides) > 1

    def gather(self, per_part: Sequence[np.ndarray]) -> np.ndarray:
        """Bring arrays [token] of every part to [row]."""
        lengths = [len(part.ids) for part in self.parts]
        offsets = np.concatenate([[0], np.cumsum(lengths)[:-1]])
        return np.asarray(np.concatenate(per_part)[offsets[self.part] + self.token])


@dataclass(frozen=True, eq=False)
class Target:
    """One label at every horizon."""

    label: str
    events: list[Events]
    """Of each part."""

    labels: np.ndarray
    """Bool [row, horizon]."""

    use: np.ndarray
    """Bool [row, horizon]."""

    already_inside: list[float | None]
    """Per horizon: of the positives that the `span` reading would count, the share that is inside
    a running event already."""


def load_rows(run: Run) -> RunRows:
    """Read what the stages before have written."""
    traces = {trace.id: trace for trace in read_traces(run.path / TRACES)}
    parts = read_tokenised(run.path / TOKENS)
    index = Store.open(run.path / STORE).index
    trace_number = {key: number for number, key in enumerate(traces)}
    groups = list(dict.fromkeys(trace.group for trace in traces.values()))
    group_number = {name: number for number, name in enumerate(groups)}
    of_part = np.array([[trace_number[p.trace_id], group_number[p.group]] for p in parts])
    part = np.asarray(index["trace"], dtype=np.int64)
    trace, group = of_part[part].T
    side = sides(read_split(run.path / SPLIT), groups)[:, group]
    placed = [place_spans(traces[p.trace_id], p) for p in parts]
    token = np.asarray(index["token"], dtype=np.int64)
    return RunRows(traces, parts, placed, part, token, trace, group, side)


def make_target(rows: RunRows, config: TargetConfig, label: str) -> Target:
    """Pair every row with the label at every horizon."""
    events = [
        token_events(part, placed, label)
        for part, placed in zip(rows.parts, rows.placed, strict=True)
    ]
    eligible = [np.arange(len(part.ids)) >= part.first_row for part in rows.parts]
    labels, use, inside = [], [], []
    for horizon in config.horizons:
        pairs = [
            at_horizon(event, horizon, kind=config.kind, eligible=rows_of_part)
            for event, rows_of_part in zip(events, eligible, strict=True)
        ]
        labels.append(rows.gather([pair.label for pair in pairs]))
        use.append(rows.gather([pair.use for pair in pairs]))
        counts = [
            already_inside_counts(event, horizon, rows_of_part)
            for event, rows_of_part in zip(events, eligible, strict=True)
        ]
        both, positives = (sum(count) for count in zip(*counts, strict=True))
        inside.append(both / positives if positives and horizon > 0 else None)
    return Target(label, events, np.stack(labels, 1), np.stack(use, 1), inside)


def slip_age(rows: RunRows) -> np.ndarray | None:
    """Int [row], tokens since an open slip (-1: none); None where the traces know no slips."""
    if not any(span.label == SLIP for trace in rows.traces.values() for span in trace.spans):
        return None
    ages = [open_slip_age(p, placed) for p, placed in zip(rows.parts, rows.placed, strict=True)]
    return rows.gather(ages)
