"""Stage `traces`: get the chains, tokenise them once, place their labels, deal the groups."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from augury.errors import DataError
from augury.models.generate import Sampling
from augury.models.load import ModelConfig, context_of, load_model, load_tokenizer
from augury.organism.chains import held_out_problems, sample_chains
from augury.runs.atomic import write_json
from augury.runs.folder import Run
from augury.runs.paths import expand
from augury.runs.progress import say, track
from augury.studies.backtracking_lag.config import BacktrackingLagConfig, TraceConfig
from augury.targets.splits import assert_no_overlap, three_way
from augury.traces.align import place_spans
from augury.traces.context import fit_to_context, lost_spans
from augury.traces.sources.annotated_chains import read_annotated_chains
from augury.traces.table import check_unique_ids, read_jsonl, read_traces, write_traces
from augury.traces.tokens import TokenisedTrace, tokenise, write_tokenised
from augury.traces.trace import Trace

__all__ = ["FACTS", "SPLIT", "TOKENS", "TRACES", "make_traces", "model_of"]

TRACES, TOKENS = "data/traces.parquet", "data/tokens.parquet"
SPLIT, FACTS = "data/split.json", "data/traces.json"

_ORGANISM_CHAINS = 1000


@dataclass(frozen=True)
class _Gathered:
    traces: list[Trace]
    repairs: tuple[str, ...] = ()


def model_of(config: BacktrackingLagConfig) -> ModelConfig:
    """The model to load, with `$NAME` in its name read from the environment."""
    return config.model.model_copy(update={"name": expand(config.model.name, "model.name")})


def make_traces(run: Run, config: BacktrackingLagConfig) -> dict[str, object]:
    """Write traces, tokens, split and what there is to know about them."""
    model = model_of(config)
    gathered = _gather(config.traces, model)
    traces = gathered.traces
    check_unique_ids(traces)
    _check_labels(traces, config.targets.labels)
    tokenizer = load_tokenizer(model)
    context = config.traces.context or context_of(model)
    parts: list[TokenisedTrace] = []
    lost: Counter[str] = Counter()
    for trace in track(traces, what="tokenising", unit="chains"):
        whole = tokenise(trace, tokenizer, bos=config.traces.bos)
        fitted = fit_to_context(whole, context, overflow=config.traces.overflow)
        for part in fitted:
            place_spans(trace, part, tokenizer)
        for label in config.targets.labels:
            lost[label] += lost_spans(fitted, [s for s in trace.spans if s.label == label])
        parts += fitted
    _split(run, config, traces)
    write_traces(run.path / TRACES, traces)
    write_tokenised(run.path / TOKENS, parts)
    facts = _facts(config, gathered, parts, lost)
    write_json(run.path / FACTS, facts)
    return facts


def _gather(config: TraceConfig, model: ModelConfig) -> _Gathered:
    if config.source == "organism":
        count = config.limit or _ORGANISM_CHAINS
        say(f"the embedded model thinks about {count} problems")
        settings = Sampling(temperature=config.temperature, max_new_tokens=400, seed=config.seed)
        loaded = load_model(model)
        return _Gathered(sample_chains(loaded, held_out_problems(count, config.seed), settings))
    path = Path(expand(str(config.path), "traces.path"))
    if config.source == "annotated-chains":
        chains = read_annotated_chains(
            path,
            tokenizer=load_tokenizer(model) if config.prompt_style == "chat" else None,
            prompt_style=config.prompt_style,
            model=config.written_by,
        )
        return _Gathered(chains.traces[: config.limit], tuple(chains.repairs.summary()))
    read = read_jsonl if path.suffix == ".jsonl" else read_traces
    return _Gathered(read(path)[: config.limit])


def _check_labels(traces: list[Trace], labels: tuple[str, ...]) -> None:
    known = Counter(span.label for trace in traces for span in trace.spans)
    missing = [label for label in labels if not known[label]]
    if missing:
        listed = ", ".join(f"{name} ({n})" for name, n in known.most_common(12)) or "no label"
        raise DataError(
            f"targets.labels: {missing[0]!r}",
            found=f"no span with this label in {len(traces)} chains, but {listed}",
            expected="a label that occurs",
            fix="set targets.labels to labels of the data",
        )


def _split(run: Run, config: BacktrackingLagConfig, traces: list[Trace]) -> None:
    events = [sum(s.label in config.targets.labels for s in t.spans) for t in traces]
    split = three_way(
        [t.group for t in traces], events, fractions=config.split.fractions, seed=config.split.seed
    )
    assert_no_overlap(traces, split)
    sides = {"train": split.train, "validation": split.validation, "test": split.test}
    write_json(run.path / SPLIT, {name: sorted(groups) for name, groups in sides.items()})


def _facts(
    config: BacktrackingLagConfig,
    gathered: _Gathered,
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
        "chains_with": {
            label: sum(any(s.label == label for s in t.spans) for t in traces)
            for label in config.targets.labels
        },
        "spans_lost": dict(lost),
        "repairs": list(gathered.repairs),
        "on_policy": config.on_policy,
        "written_by": config.traces.written_by or config.traces.source,
        **truth,
    }
