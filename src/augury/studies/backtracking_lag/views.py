"""Chains with every token coloured by what the probes say, at every site, horizon and label."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from augury.errors import DataError, UsageError
from augury.evaluate.metrics import average_precision
from augury.evaluate.records import CellResult
from augury.evaluate.stored import read_results
from augury.report.grid_figures import best_site
from augury.report.token_view import TokenView, token_view
from augury.report.viewed import ViewedEvents, ViewedSeries, ViewedTrace
from augury.runs.folder import Run
from augury.studies.backtracking_lag.config import BacktrackingLagConfig
from augury.studies.backtracking_lag.evaluation import CELLS
from augury.studies.backtracking_lag.probes import SCORES
from augury.studies.backtracking_lag.rows import SIDES, RunRows, load_rows
from augury.studies.scores import Scores, read_scores
from augury.studies.viewing import pieces_of, sentence_tokens
from augury.targets.events import token_events

__all__ = ["best_and_worst", "view_traces"]

_SHOWN = 6


def best_and_worst(
    rows: RunRows,
    scores: Scores,
    cells: Sequence[CellResult],
    config: BacktrackingLagConfig,
) -> TokenView | None:
    """Validation chains on which the probe of one label is best and worst; None without events."""
    label, site = cells[0].label, best_site(cells)
    nearest = min([h for h in config.targets.horizons if h > 0] or [config.targets.horizons[0]])
    number = config.targets.horizons.index(nearest)
    ranked = _rank_chains(rows, scores, label, site, number)
    count = min(config.shown_chains, len(ranked) // 2)
    picked = [("best", *pair) for pair in ranked[:count]]
    picked += [("worst", *pair) for pair in ranked[len(ranked) - count :]]
    shown = _shown(cells, site, nearest)
    if not picked or not shown:
        return None
    views = [
        _viewed(
            rows,
            scores,
            shown,
            config.targets.horizons,
            part,
            f"one of the {kind} validation chains: average precision {value:.2f} within the chain",
        )
        for kind, part, value in picked
    ]
    caption = (
        f"Ranked by the average precision within each chain of {site} at horizon {nearest}. "
        "Outlined: where the event really starts."
    )
    return token_view(
        views,
        series=[_series(cell) for cell in shown],
        title=f"Best and worst validation chains: {label}",
        caption=caption,
        quantity="probability",
    )


def view_traces(run: Run, config: BacktrackingLagConfig, traces: Sequence[str]) -> TokenView:
    """The named traces, or the first few validation ones with an event, for every label.

    Raises:
        UsageError: A trace that the run did not read.
        DataError: No probe of the run has probabilities to show.
    """
    results, rows = read_results(run.path / CELLS), load_rows(run)
    scores = read_scores(run.path / SCORES)
    first = [cell for cell in results if cell.label == results[0].label]
    shown = _shown(results, best_site(first), min(config.targets.horizons, key=abs))
    if not shown:
        raise DataError(
            f"run {run.name}",
            found="no probe that could be calibrated",
            expected="events in the validation chains",
        )
    parts = _parts_of(rows, traces) if traces else _with_events(rows, scores, shown[0])
    notes = {
        number: f"a {SIDES[int(rows.side[rows.part == number][0])]} chain"
        for number in parts
        if (rows.part == number).any()
    }
    horizons = config.targets.horizons
    return token_view(
        [_viewed(rows, scores, shown, horizons, n, notes.get(n, "")) for n in parts],
        series=[_series(cell) for cell in shown],
        title=f"{run.name}: what the probes say",
        caption="Outlined: where the event really starts.",
        quantity="probability",
    )


def _parts_of(rows: RunRows, traces: Sequence[str]) -> list[int]:
    known = {part.trace_id for part in rows.parts}
    for trace in traces:
        if trace not in known:
            raise UsageError(
                f"trace {trace!r}",
                found="not in this run",
                expected=f"one of {len(known)}, e.g. {min(known)!r}",
            )
    return [n for n, part in enumerate(rows.parts) if part.trace_id in traces]


def _with_events(rows: RunRows, scores: Scores, cell: CellResult) -> list[int]:
    hits = scores.labels[cell.label].any(axis=1) & (rows.side == 1)
    found: list[int] = np.unique(rows.part[hits])[:_SHOWN].tolist()
    return found or [0]


def _shown(cells: Sequence[CellResult], site: str, horizon: int) -> list[CellResult]:
    """Cells with probabilities, what the reader should see first in front."""
    calibrated = [cell for cell in cells if cell.calibration is not None]
    return sorted(calibrated, key=lambda c: (c.site != site, c.horizon != horizon))


def _series(cell: CellResult) -> ViewedSeries:
    threshold = None
    if cell.threshold.value is not None and cell.calibration is not None:
        threshold = float(cell.calibration.probability(np.array([cell.threshold.value]))[0])
    return ViewedSeries(cell.site, cell.horizon, threshold, cell.label)


def _rank_chains(
    rows: RunRows, scores: Scores, label: str, site: str, number: int
) -> list[tuple[int, float]]:
    """(Part, average precision within it) of validation parts with an event, best first."""
    use = scores.use[label][:, number] & (rows.side == 1)
    found = []
    for part in np.unique(rows.part[use]):
        at = np.flatnonzero(use & (rows.part == part))
        value = average_precision(
            scores.labels[label][at, number], scores.probes[label, site][at, number]
        ).value
        if value is not None:
            found.append((int(part), value))
    return sorted(found, key=lambda pair: (-pair[1], pair[0]))


def _viewed(
    rows: RunRows,
    scores: Scores,
    shown: Sequence[CellResult],
    horizons: Sequence[int],
    number: int,
    note: str,
) -> ViewedTrace:
    """One part of a trace as the page shows it."""
    part = rows.parts[number]
    trace = rows.traces[part.trace_id]
    at = np.flatnonzero(rows.part == number)
    table = np.full((len(shown), len(part.ids)), np.nan)
    truth: dict[tuple[str, int | None], np.ndarray] = {}
    for row, cell in enumerate(shown):
        column = horizons.index(cell.horizon)
        if cell.calibration is not None:
            raw = scores.probes[cell.label, cell.site][at, column]
            table[row, rows.token[at]] = cell.calibration.probability(raw)
        asked = np.full(len(part.ids), -1, dtype=np.int8)
        use, labels = scores.use[cell.label][at, column], scores.labels[cell.label][at, column]
        asked[rows.token[at]] = np.where(use, labels, -1)
        truth[cell.label, cell.horizon] = asked
    events = {cell.label: token_events(part, rows.placed[number], cell.label) for cell in shown}
    return ViewedTrace(
        trace.id,
        pieces_of(trace.text, part),
        table,
        events={name: ViewedEvents(e.onset, e.inside) for name, e in events.items()},
        truth=truth,
        sentences=sentence_tokens(trace.text, part),
        note=note,
    )
