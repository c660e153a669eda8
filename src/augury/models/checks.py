"""The checks of the doctor, one function each, and the bounds that they apply.

Distance is the root mean square over tokens of |ours - reference| / |reference|, per token: a few
tokens with huge states (attention sinks) cannot hide what is wrong elsewhere. The reference is
transformers, one sequence at a time, eager attention, `output_hidden_states`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from augury.models import generate
from augury.models.attention import attention_settings, attention_weights
from augury.models.load import LoadedModel
from augury.models.read import read_rows
from augury.models.reference import Reference, distance
from augury.models.sites import parse_site
from augury.traces.align import place_spans
from augury.traces.encode import Bos, bos_of
from augury.traces.sentences import split_sentences
from augury.traces.tokens import TokenisedTrace
from augury.traces.trace import Span, Trace

__all__ = [
    "Check",
    "Sample",
    "attention_from_rows",
    "batched_equals_single",
    "bos_once",
    "final_norm_once",
    "generation_equals_single",
    "head_reproduces_logits",
    "layer_index",
    "span_round_trip",
    "sub_layers_add_up",
]

NOISE_FACTOR = 2.5
"""A reading may be this many times as far from the reference as another right reading is."""

LARGEST_BOUND = 0.25
"""States that rounding alone moves by more than this are no basis for anything."""


@dataclass(frozen=True, slots=True)
class Check:
    """One check and its outcome."""

    name: str
    """What holds if it passed."""

    passed: bool
    """Whether it does."""

    measured: float | None
    """Worst value found, in the unit of `bound`; None where nothing was measured."""

    bound: float | None
    """Largest value that passes."""

    detail: str = ""
    """Where the worst value was, or what went wrong."""

    def line(self) -> str:
        """One line for a terminal or a report."""
        numbers = "" if self.measured is None else f" {self.measured:.2g} (bound {self.bound:.2g})"
        detail = f": {self.detail}" if self.detail else ""
        return f"{'ok  ' if self.passed else 'FAIL'} {self.name}{numbers}{detail}"


@dataclass(frozen=True)
class Sample:
    """What the checks look at."""

    full: LoadedModel
    """The full model with its head."""

    reader: LoadedModel
    """The model that the job reads with; may be truncated."""

    sites: tuple[str, ...]
    """Planned sites, in the order of a forward pass."""

    tokenised: list[TokenisedTrace]
    """Traces of the job, shortest first."""

    ids: list[np.ndarray]
    """Their first ids, int32 [token]."""

    references: list[Reference]
    """What transformers computes for each alone."""

    floor: float
    """Distance that always passes."""

    packed: bool = False
    """How the job batches; see `read_rows`."""

    def bound(self, site: str) -> float:
        """Largest distance that passes at a site."""
        return self.bound_of(max(reference.noise(site) for reference in self.references))

    def bound_of(self, noise: float) -> float:
        """Largest distance that passes where two right readings are `noise` apart.

        A multiple of it. Rounding that has grown beyond `LARGEST_BOUND` leaves nothing to check, so
        such a model does not pass.
        """
        return min(LARGEST_BOUND, max(self.floor, NOISE_FACTOR * noise))


def _measured(name: str, found: dict[str, tuple[float, float]]) -> Check:
    """The worst of `found`: per place, the distance and its bound."""
    place, (worst, bound) = max(
        found.items(), key=lambda item: (math.isnan(item[1][0]), item[1][0] / item[1][1])
    )
    return Check(name, worst <= bound, worst, bound, f"worst at {place}")


def batched_equals_single(sample: Sample) -> Check:
    """All of the sample in one batch, as the job reads it, against the reference."""
    rows = [np.arange(len(ids)) for ids in sample.ids]
    batch = read_rows(sample.reader, sample.ids, rows, sample.sites, packed=sample.packed)
    sizes = [len(ids) for ids in sample.ids]
    found = {
        site: (
            max(
                distance(ours, reference.site(site))
                for ours, reference in zip(states.split(sizes), sample.references, strict=True)
            ),
            sample.bound(site),
        )
        for site, states in batch.items()
    }
    return _measured("batched equals single", found)


def layer_index(sample: Sample) -> Check:
    """`resid.i` is `hidden_states[i + 1]` and no other; the last block has a check of its own."""
    reference, ids = sample.references[-1], sample.ids[-1]
    blocks = range(len(sample.reader.blocks.layers))
    sites = [f"resid.{block}" for block in blocks if block < sample.full.depth - 1]
    states = read_rows(sample.reader, [ids], [np.arange(len(ids))], ["embed", *sites])
    found: dict[str, tuple[float, float]] = {}
    for expected, site in enumerate(["embed", *sites]):
        distances = [distance(states[site], one) for one in reference.hidden_states]
        nearest = int(np.argmin(distances))
        if nearest != expected:
            detail = f"{site} is hidden_states[{nearest}], not [{expected}]"
            return Check("layer index", False, distances[expected], sample.bound(site), detail)
        found[site] = distances[expected], sample.bound(site)
    return _measured("layer index", found)


def final_norm_once(sample: Sample) -> Check:
    """The last block is read before the final norm; `final` after exactly one."""
    name, ids = "final norm once", sample.ids[-1]
    last = f"resid.{sample.full.depth - 1}"
    states = read_rows(sample.full, [ids], [np.arange(len(ids))], [last, "final"])
    normed = sample.full.blocks.final_norm(states[last])
    reference = sample.references[-1].hidden_states[-1]
    bound, unnormed = sample.bound("final"), distance(states[last], reference)
    if unnormed <= bound:
        return Check(name, False, unnormed, bound, f"{last} already has the final norm")
    found = {f"norm of {last}": normed, "final": states["final"]}
    return _measured(name, {key: (distance(one, reference), bound) for key, one in found.items()})


def head_reproduces_logits(sample: Sample) -> Check:
    """The head, applied to our state after the final norm, gives the model's own logits."""
    bound = sample.bound("logits")
    found: dict[str, tuple[float, float]] = {}
    for number, (ids, reference) in enumerate(zip(sample.ids, sample.references, strict=True)):
        states = read_rows(sample.full, [ids], [np.arange(len(ids))], ["final"])["final"]
        logits = sample.full.blocks.logits(states)
        found[f"trace {number}"] = distance(logits, reference.logits), bound
    return _measured("head reproduces logits", found)


def generation_equals_single(sample: Sample) -> Check:
    """Left-padded prompts, then one token at a time from the cache, against whole sequences."""
    steps = min(2, min(len(ids) for ids in sample.ids) - 1)
    prompts = [ids[: len(ids) - steps].tolist() for ids in sample.ids]
    forced = [ids[len(ids) - steps :].tolist() for ids in sample.ids]
    bound = sample.bound("logits")
    found: dict[str, tuple[float, float]] = {}
    for step, logits in enumerate(generate.logits_along(sample.full, prompts, forced)):
        wanted = [
            reference.logits[len(prompt) - 1 + step]
            for reference, prompt in zip(sample.references, prompts, strict=True)
        ]
        found[f"step {step}"] = distance(logits, torch.stack(wanted)), bound
    return _measured("generation equals single", found)


def sub_layers_add_up(sample: Sample) -> Check:
    """Input + attention + MLP = output, in every block whose sub-layers are planned."""
    ids = sample.ids[-1]
    names = [parse_site(site) for site in sample.sites]
    found: dict[str, tuple[float, float]] = {}
    parts = {name.block for name in names if name.kind in ("attn", "mlp")}
    for block in sorted(block for block in parts if block is not None):
        before = "embed" if block == 0 else f"resid.{block - 1}"
        sites = [before, f"attn.{block}", f"mlp.{block}", f"resid.{block}"]
        states = read_rows(sample.reader, [ids], [np.arange(len(ids))], sites)
        total = torch.stack([states[site].float() for site in sites[:3]]).sum(dim=0)
        found[f"block {block}"] = distance(total, states[sites[3]]), sample.floor
    return _measured("sub-layers add up", found)


def attention_from_rows(sample: Sample) -> Check:
    """Planned queries and keys give the attention weights that eager transformers gives out."""
    ids, reference = sample.ids[-1], sample.references[-1]
    names = [parse_site(site) for site in sample.sites]
    found: dict[str, tuple[float, float]] = {}
    planned = {name.block for name in names if name.kind in ("query", "key")}
    for block in sorted(block for block in planned if block is not None):
        settings = attention_settings(sample.reader.blocks, block)
        sites = [f"query.{block}", f"key.{block}"]
        states = read_rows(sample.reader, [ids], [np.arange(len(ids))], sites)
        ours, own, eager = (
            attention_weights(read(sites[0]), read(sites[1]), settings).flatten(0, 1)
            for read in (states.__getitem__, reference.own_site, reference.site)
        )
        wanted = reference.attention(block).flatten(0, 1)
        found[f"block {block}"] = distance(ours, wanted), sample.bound_of(distance(own, eager))
    return _measured("attention from rows", found)


def bos_once(sample: Sample, rule: Bos) -> Check:
    """Exactly the BOS that the rule asks for, never two."""
    tokenizer = sample.full.tokenizer
    bos = tokenizer.bos_token_id
    always = rule != "never" and bos is not None and len(bos_of(tokenizer, rule, [])) > 0
    for trace in sample.tokenised:
        leading = 0
        while leading < len(trace.ids) and trace.ids[leading] == bos:
            leading += 1
        wrong = leading > 1 or (always and leading == 0) or (rule == "never" and leading > 0)
        if wrong:
            detail = f"trace {trace.trace_id!r} begins with {leading} BOS (rule {rule!r})"
            return Check("bos", False, float(leading), 1.0, detail)
    return Check("bos", True, None, None, "one in front" if always else "none added")


def span_round_trip(sample: Sample, texts: Sequence[Trace]) -> Check:
    """Spans (sentences where a trace has none) placed on tokens decode to their own text."""
    by_id = {trace.id: trace for trace in texts}
    placed = 0
    for tokenised in sample.tokenised:
        trace = by_id[tokenised.trace_id]
        spans = trace.spans or tuple(
            Span(start, end, "sentence") for start, end in split_sentences(trace.text)
        )
        stand_in = Trace(trace.id, trace.group, trace.prompt, trace.completion, spans)
        placed += len(place_spans(stand_in, tokenised, sample.full.tokenizer))
    return Check("span round trip", placed > 0, None, None, f"{placed} spans decoded back")
