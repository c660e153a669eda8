"""Stage `traces`: get the chains and tokenise them once."""

from __future__ import annotations

from collections import Counter
from typing import Any

from augury.runs.atomic import write_json
from augury.runs.folder import Run
from augury.studies.backtracking_lag.config import BacktrackingLagConfig
from augury.studies.texts import Gathered, gather, tokenise_all
from augury.traces.context import lost_spans
from augury.traces.table import write_traces
from augury.traces.tokens import TokenisedTrace, write_tokenised

__all__ = ["FACTS", "TOKENS", "TRACES", "make_traces"]

TRACES, TOKENS = "data/traces.parquet", "data/tokens.parquet"
FACTS = "data/traces.json"


def make_traces(run: Run, config: BacktrackingLagConfig) -> dict[str, object]:
    """Write traces, tokens and what there is to know about them, whatever is predicted later."""
    model = config.job.named_model
    gathered = gather(config.traces, model)
    traces = gathered.traces
    fitted = tokenise_all(traces, config.traces, model)
    lost: Counter[str] = Counter()
    for trace, pieces in zip(traces, fitted, strict=True):
        for label in {span.label for span in trace.spans}:
            lost[label] += lost_spans(pieces, [s for s in trace.spans if s.label == label])
    parts = [part for pieces in fitted for part in pieces]
    write_traces(run.path / TRACES, traces)
    write_tokenised(run.path / TOKENS, parts)
    facts = _facts(config, gathered, parts, lost)
    write_json(run.path / FACTS, facts)
    return facts


def _facts(
    config: BacktrackingLagConfig,
    gathered: Gathered,
    parts: list[TokenisedTrace],
    lost: Counter[str],
) -> dict[str, Any]:
    traces = gathered.traces
    spans = Counter(s.label for t in traces for s in t.spans)
    truth = {
        name: sum(bool(t.fields.get(name)) for t in traces) / len(traces)
        for name in ("correct", "grammatical")
        if all(name in t.fields for t in traces)
    }
    return {
        "chains": len(traces),
        "groups": len({t.group for t in traces}),
        "parts": len(parts),
        "tokens": sum(len(p.ids) for p in parts),
        "rows": sum(len(p.ids) - p.first_row for p in parts),
        "spans": dict(spans.most_common()),
        "spans_lost": dict(sorted(lost.items())),
        "repairs": list(gathered.repairs),
        "on_policy": config.on_policy,
        "written_by": config.traces.written_by or config.traces.source,
        **truth,
    }
