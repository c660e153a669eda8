"""Stage `view`: text with every token coloured by what the probes say of it, at every site."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from augury.errors import DataError, UsageError
from augury.models.load import load_model
from augury.report.token_view import TokenView
from augury.runs.folder import Run
from augury.runs.paths import expand
from augury.studies.next_token.books import gutenberg_passages
from augury.studies.next_token.config import NextTokenConfig
from augury.studies.next_token.prepare import TRACES, target_ids
from augury.studies.next_token.rows import SIDES, load_rows
from augury.studies.viewing import view
from augury.traces.sources.plain_text import read_plain_text
from augury.traces.table import read_traces
from augury.traces.tokenizer import Tokenizer
from augury.traces.tokens import tokenise
from augury.traces.trace import Span, Trace

__all__ = ["VIEW", "draw_view", "mark_target", "view_traces"]

VIEW = "figures/tokens.html"


def draw_view(run: Run, config: NextTokenConfig) -> dict[str, object]:
    """Write the page of the config's text."""
    made = _view(run, config, _passages(run, config))
    path = made.save(run.path / VIEW)
    return {"megabytes": round(path.stat().st_size / 1e6, 2)}


def view_traces(run: Run, config: NextTokenConfig, traces: Sequence[str]) -> TokenView:
    """The named passages, or the text that the config names.

    Raises:
        UsageError: A passage that the run did not read.
    """
    if not traces:
        return _view(run, config, _passages(run, config))
    known = {trace.id: trace for trace in read_traces(run.path / TRACES)}
    for name in traces:
        if name not in known:
            raise UsageError(
                f"trace {name!r}",
                found="not in this run",
                expected=f"one of {len(known)}, e.g. {min(known)!r}",
            )
    return _view(run, config, [known[name] for name in traces])


def mark_target(
    trace: Trace, tokenizer: Tokenizer, config: NextTokenConfig, ids: Sequence[int]
) -> Trace:
    """The trace with a span at every token of its completion that is one of `ids`."""
    whole = tokenise(trace, tokenizer, bos=config.books.bos)
    hits = np.flatnonzero(np.isin(whole.ids, list(ids)) & whole.rows)
    label = config.targets.label
    spans = [Span(int(whole.starts[n]), int(whole.ends[n]), label, "text") for n in hits]
    return replace(trace, spans=tuple(spans))


def _view(run: Run, config: NextTokenConfig, passages: Sequence[Trace]) -> TokenView:
    loaded = load_model(config.named_model)
    ids = list(target_ids(config).values())
    marked = [mark_target(trace, loaded.tokenizer, config, ids) for trace in passages]
    return view(
        _within(marked, loaded.tokenizer, config.view.tokens),
        run.path / "probes",
        model=loaded,
        context=config.books.context,
        bos=config.books.bos,
        title=f"{run.name}: where {config.targets.label} is seen coming",
    )


def _passages(run: Run, config: NextTokenConfig) -> list[Trace]:
    """The text that the config names, in passages."""
    if config.view.source == "file":
        path = Path(expand(str(config.view.path), "view.path")).expanduser()
        return read_plain_text(path, passage=config.books.passage)
    if config.view.source == "gutenberg":
        book = next(gutenberg_passages(config.books), None)
        if book is None:
            raise DataError("view.source gutenberg", found="no book", expected="at least one")
        return book
    rows = load_rows(run, config)
    held_out = np.unique(rows.trace[rows.side == SIDES.index("validation")])
    names = list(rows.traces)
    return [rows.traces[names[int(number)]] for number in held_out]


def _within(traces: Sequence[Trace], tokenizer: Tokenizer, most: int) -> list[Trace]:
    """The first traces, until they have so many tokens."""
    kept: list[Trace] = []
    total = 0
    for trace in traces:
        if kept and total >= most:
            break
        kept.append(trace)
        total += len(tokenise(trace, tokenizer))
    return kept
