"""Is what we read what the model computed? Checks that run on a sample of every job."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch

from augury.errors import AuguryError, CheckFailed, UsageError
from augury.models.checks import (
    Check,
    Sample,
    attention_from_rows,
    batched_equals_single,
    bos_once,
    final_norm_once,
    generation_equals_single,
    head_reproduces_logits,
    layer_index,
    span_round_trip,
    sub_layers_add_up,
)
from augury.models.load import LoadedModel
from augury.models.reference import reference_of
from augury.models.sites import is_vertical, parse_site, sites_in_order
from augury.traces.encode import Bos
from augury.traces.tokens import TokenisedTrace
from augury.traces.trace import Trace

__all__ = ["Check", "DoctorReport", "Plan", "examine"]

MOST_TRACES = 8
"""At most this many traces of the sample are used, spread over their lengths."""

MOST_TOKENS = 256
"""Only the beginning of a trace is compared; later states depend on it and nothing else."""


class Plan(Protocol):
    """What the doctor needs of a reading plan."""

    @property
    def sites(self) -> tuple[str, ...]: ...


@dataclass(frozen=True, slots=True)
class DoctorReport:
    """The outcome of all checks."""

    checks: tuple[Check, ...]
    """In the order in which they ran."""

    @property
    def passed(self) -> bool:
        """Whether every check did."""
        return all(check.passed for check in self.checks)

    def lines(self) -> list[str]:
        """One line per check."""
        return [check.line() for check in self.checks]

    def raise_if_failed(self) -> None:
        """Stop the job if any check failed.

        Raises:
            CheckFailed: With the failed checks.
        """
        failed = [check.line().removeprefix("FAIL ") for check in self.checks if not check.passed]
        if failed:
            raise CheckFailed(
                "doctor",
                found="; ".join(failed),
                expected="every check to pass",
                fix="do not use these states; try model.dtype=float32, or report the model",
            )


@torch.no_grad()
def examine(
    loaded: LoadedModel,
    tokenised: Sequence[TokenisedTrace],
    plan: Plan,
    *,
    reader: LoadedModel | None = None,
    packed: bool = False,
    texts: Sequence[Trace] = (),
    bos: Bos = "auto",
) -> DoctorReport:
    """Run every check.

    Args:
        loaded: The full model with its head.
        tokenised: A sample of what will be read; at most `MOST_TRACES` of it are used.
        plan: Anything with `sites`.
        reader: The model that the job reads with, if it is another (truncated) one.
        packed: Whether the job packs its batches; see `read_rows`.
        texts: The traces of the sample, for the span round trip; without them it is not checked.
        bos: The rule by which the traces were tokenised.

    Raises:
        UsageError: The sample is empty.
        ConfigError: A site that the model does not have; a model without its head; queries or keys
            of attention that is computed in a way that cannot be checked.
    """
    if not tokenised:
        raise UsageError("doctor", found="an empty sample", expected="at least one trace")
    chosen = _spread(tokenised)
    ids = [trace.ids[:MOST_TOKENS] for trace in chosen]
    sites = sites_in_order(_rows_of_tokens(plan.sites), depth=len(loaded.blocks.layers))
    sample = Sample(
        full=loaded,
        reader=reader or loaded,
        sites=sites,
        tokenised=chosen,
        ids=ids,
        references=[reference_of(loaded, one) for one in ids],
        floor=_floor(loaded),
        packed=packed,
    )
    checks: list[tuple[str, Callable[[Sample], Check]]] = [
        ("batched equals single", batched_equals_single),
        ("layer index", layer_index),
        ("final norm once", final_norm_once),
        ("head reproduces logits", head_reproduces_logits),
        ("generation equals single", generation_equals_single),
    ]
    kinds = {parse_site(site).kind for site in sites}
    if kinds & {"attn", "mlp"}:
        checks.append(("sub-layers add up", sub_layers_add_up))
    if kinds & {"query", "key"}:
        checks.append(("attention from rows", attention_from_rows))
    checks.append(("bos", lambda one: bos_once(one, bos)))
    if texts:
        checks.append(("span round trip", lambda one: span_round_trip(one, texts)))
    return DoctorReport(tuple(_run(name, check, sample) for name, check in checks))


def _rows_of_tokens(sites: Sequence[str]) -> list[str]:
    """The sites, with the queries and keys that vertical scores are made of in their place."""
    found: dict[str, None] = {}
    for site in sites:
        block = parse_site(site).block
        made_of = (f"query.{block}", f"key.{block}") if is_vertical(site) else (site,)
        found |= dict.fromkeys(made_of)
    return list(found)


def _run(name: str, check: Callable[[Sample], Check], sample: Sample) -> Check:
    # A check that cannot even be made (a hook did not fire, a shape is wrong) has failed.
    try:
        return check(sample)
    except (CheckFailed, RuntimeError, IndexError, KeyError) as error:
        detail = (
            str(error) if isinstance(error, AuguryError) else f"{type(error).__name__}: {error}"
        )
        return Check(name, False, None, None, detail)


def _floor(loaded: LoadedModel) -> float:
    """Wider in bfloat16, whose rounding grows as a random walk over blocks."""
    if loaded.dtype == torch.float32:
        return 1e-5
    return 4e-3 * max(1.0, math.sqrt(loaded.depth / 4))


def _spread(tokenised: Sequence[TokenisedTrace]) -> list[TokenisedTrace]:
    by_length = sorted(tokenised, key=lambda trace: len(trace.ids))
    places = np.linspace(0, len(by_length) - 1, min(MOST_TRACES, len(by_length)))
    return [by_length[place] for place in np.unique(places.round().astype(int))]
