"""Reasoning chains whose sentences are labelled inline: `["label"]sentence["end-section"]`.

The file is a JSON list of `{task_id, problem, reasoning_chain, annotated_chain}`. Labels are read
from `annotated_chain`; the text that is studied is `reasoning_chain`, untouched.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import xxhash

from augury.errors import DataError
from augury.traces.prompts import PromptStyle, render_prompt
from augury.traces.records import read_bytes, take, text_of
from augury.traces.sources.inline_markup import FAULTS, Marked, align_markup
from augury.traces.table import check_unique_ids
from augury.traces.text import normalised_hash
from augury.traces.tokenizer import Tokenizer
from augury.traces.trace import Origin, Span, Trace

__all__ = [
    "SEED_LABELS",
    "AnnotatedChains",
    "ChainRepairs",
    "RepairReport",
    "read_annotated_chains",
]

SEED_LABELS: Final = (
    "initializing",
    "deduction",
    "adding-knowledge",
    "example-testing",
    "uncertainty-estimation",
    "backtracking",
)
"""The six labels that the annotators were asked for."""

LEAST_SIMILARITY: Final = 0.8
"""Chains whose annotation shares fewer of its words with the text are refused."""


@dataclass(frozen=True, slots=True)
class ChainRepairs:
    """What was repaired in one chain."""

    row: int
    """Its place in the file, from 1."""

    trace_id: str
    """Its `task_id`."""

    faults: dict[str, int]
    """Fault -> how often; empty where the markup is clean."""

    similarity: float
    """Share of words, 0 to 1, that annotation and annotated part of the text share."""


@dataclass(frozen=True, slots=True)
class RepairReport:
    """What was repaired in a file."""

    chains: tuple[ChainRepairs, ...]
    """One per chain, in the order of the file."""

    labels: dict[str, int]
    """Label -> sections with it, most frequent first."""

    @property
    def counts(self) -> dict[str, int]:
        """Fault -> how often, over all chains; faults that did not occur are absent."""
        total: Counter[str] = Counter()
        for chain in self.chains:
            total.update(chain.faults)
        return {name: total[name] for name in FAULTS if total[name]}

    @property
    def stray_labels(self) -> dict[str, int]:
        """Labels outside `SEED_LABELS` -> sections with it."""
        return {label: n for label, n in self.labels.items() if label not in SEED_LABELS}

    def summary(self) -> list[str]:
        """Lines for a person: chains, sections, and each fault with what was done about it."""
        clean = sum(not set(chain.faults) - {"stray label"} for chain in self.chains)
        lines = [
            f"{len(self.chains)} chains, {sum(self.labels.values())} labelled sections, "
            f"{clean} chains with clean markup"
        ]
        for name, times in self.counts.items():
            chains = sum(name in chain.faults for chain in self.chains)
            lines.append(f"{name}: {times} in {chains} chains ({FAULTS[name]})")
        if self.stray_labels:
            names = ", ".join(f"{label} {n}" for label, n in self.stray_labels.items())
            lines.append(f"stray labels: {names}")
        return lines


@dataclass(frozen=True, slots=True)
class AnnotatedChains:
    """Traces of a file of annotated chains, and what had to be repaired."""

    traces: list[Trace]
    """One per chain, in the order of the file."""

    repairs: RepairReport
    """What the annotators broke."""


def read_annotated_chains(
    path: Path,
    *,
    tokenizer: Tokenizer | None = None,
    prompt_style: PromptStyle = "plain",
    model: str = "",
) -> AnnotatedChains:
    """Read annotated chains.

    A trace is the rendered problem followed by the untouched `reasoning_chain`; spans count in
    code points of the two together. `group` is a hash of the problem, so chains of one problem are
    never split. `fields` are `category` (the task id up to its last `_`) and `problem`.

    Args:
        path: The JSON file.
        tokenizer: Needed by prompt style `chat` only.
        prompt_style: As in `render_prompt`.
        model: The model that wrote the chains.

    Raises:
        MissingInput: There is no such file.
        DataError: A record is malformed, an id stands twice, or an annotation is of another text;
            file, row and field are named.
        ConfigError: The prompt style does not fit the tokenizer.
    """
    raw = read_bytes(path, what="a JSON list of annotated chains")
    origin = Origin("annotated_chains", xxhash.xxh3_128_hexdigest(raw), model)
    traces: list[Trace] = []
    repairs: list[ChainRepairs] = []
    for row, record in enumerate(_records(raw, path), start=1):
        where = f"{path}:{row}"
        if not isinstance(record, dict):
            raise DataError(where, found=type(record).__name__, expected="an object")
        task_id, problem = text_of(record, "task_id", where), text_of(record, "problem", where)
        chain = text_of(record, "reasoning_chain", where)
        marked = _marked(take(record, "annotated_chain", str, where), chain, where)
        rendered = render_prompt(problem, tokenizer, style=prompt_style)
        shift = len(rendered.text)
        spans = [
            Span(shift + one.start, shift + one.end, one.label, "annotator")
            for one in marked.sections
        ]
        category = task_id.rpartition("_")[0] or task_id
        traces.append(
            Trace(
                id=task_id,
                group=normalised_hash(problem),
                prompt=rendered.text,
                completion=chain,
                spans=(*rendered.spans(), *spans),
                fields={"category": category, "problem": problem},
                origin=origin,
            )
        )
        repairs.append(_repairs(row, task_id, marked))
    check_unique_ids(traces, str(path))
    source = (span.label for one in traces for span in one.spans if span.source == "annotator")
    return AnnotatedChains(
        traces, RepairReport(tuple(repairs), dict(Counter(source).most_common()))
    )


def _records(raw: bytes, path: Path) -> list[object]:
    try:
        records = json.loads(raw.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise DataError(str(path), found=str(error), expected="a JSON list") from error
    if not isinstance(records, list) or not records:
        raise DataError(
            str(path), found=f"{type(records).__name__} without chains", expected="a JSON list"
        )
    return records


def _marked(annotated: str, chain: str, where: str) -> Marked:
    marked = align_markup(annotated, chain)
    if marked.similarity < LEAST_SIMILARITY:
        raise DataError(
            f"{where}:annotated_chain",
            found=f"{annotated[:60]!r}..., {marked.similarity:.0%} of its words are in the chain",
            expected=f"an annotation of {chain[:60]!r}... (at least {LEAST_SIMILARITY:.0%})",
            fix="remove the record, or annotate the chain again",
        )
    return marked


def _repairs(row: int, task_id: str, marked: Marked) -> ChainRepairs:
    stray = sum(section.label not in SEED_LABELS for section in marked.sections)
    faults = marked.faults | ({"stray label": stray} if stray else {})
    return ChainRepairs(row, task_id, faults, marked.similarity)
