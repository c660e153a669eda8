"""What the model says next after every prompt: the logits of the symbols, batch by batch.

Read by the sampling loop's own path (padded on the left, the model's head), which has nothing in
common with how states are read and stored; so each is a check of the other (`head_check`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int

from augury.activations.batches import plan_batches
from augury.config import fingerprint
from augury.errors import CheckFailed, ConfigError
from augury.models.load import LoadedModel
from augury.models.running import Running
from augury.runs.journal import Journal, read_journal
from augury.runs.progress import say, track

__all__ = ["Answers", "read_answers", "record_answers", "summarised"]


@dataclass(frozen=True, eq=False, slots=True)
class Answers:
    """Of every prompt, in the order of the prompts."""

    variants: Float[np.ndarray, "question option variant"]
    """Logit of each token of each symbol; -inf where a symbol has fewer."""

    normaliser: Float[np.ndarray, " question"]
    """Log of the sum of the exponentials of all logits."""

    full_entropy: Float[np.ndarray, " question"]
    """Over the whole vocabulary, in nats."""

    top: Int[np.ndarray, " question"]
    """The most probable token."""


def record_answers(
    loaded: LoadedModel,
    prompts: Sequence[Sequence[int]],
    symbols: Sequence[Sequence[Sequence[int]]],
    path: Path,
    *,
    batch_tokens: int,
    what: str,
) -> Answers:
    """Ask, or go on asking where an interrupted run stopped; finished batches are kept.

    Args:
        loaded: A model with its head.
        prompts: Token ids of each question.
        symbols: Ids of each option of each question.
        path: The journal of finished batches.
        batch_tokens: At most so many tokens at once, padding included.
        what: For the progress bar.

    Raises:
        ConfigError: The journal is of other prompts, or of another model.
        CheckFailed: A logit is not finite.
    """
    batches = plan_batches([len(ids) for ids in prompts], batch_tokens, packed=False)
    content = [loaded.identity, [list(map(int, ids)) for ids in prompts], symbols, batches]
    header = {"of": fingerprint(content)}
    records = read_journal(path)
    if records and records[0] != header:
        raise ConfigError(
            str(path),
            found="answers of another model, or to other prompts",
            expected="those of this run",
            fix="name another run, or delete this file",
        )
    journal = Journal(path)
    if not records:
        journal.append(header)
    done = {int(record["batch"]) for record in records[1:]}
    todo = [number for number in range(len(batches)) if number not in done]
    for number in track(todo, what=what, unit="batch"):
        some = batches[number]
        said = list(_asked(loaded, [prompts[i] for i in some], [symbols[i] for i in some]))
        journal.append({"batch": number, "rows": dict(zip(map(str, some), said, strict=True))})
    return read_answers(path)


def read_answers(path: Path) -> Answers:
    """What `record_answers` recorded, all of it."""
    rows: dict[int, dict[str, Any]] = {}
    for record in read_journal(path)[1:]:
        rows |= {int(index): row for index, row in record["rows"].items()}
    ordered = [rows[index] for index in range(len(rows))]
    widest = max(len(ids) for row in ordered for ids in row["variants"])
    variants = np.full((len(ordered), len(ordered[0]["variants"]), widest), -np.inf)
    for number, row in enumerate(ordered):
        for option, logits in enumerate(row["variants"]):
            variants[number, option, : len(logits)] = logits
    return Answers(
        variants,
        np.array([row["normaliser"] for row in ordered]),
        np.array([row["full_entropy"] for row in ordered]),
        np.array([row["top"] for row in ordered], dtype=np.int64),
    )


def summarised(
    logits: Float[torch.Tensor, "question token"], symbols: Sequence[Sequence[Sequence[int]]]
) -> Iterator[dict[str, object]]:
    """Of each row of logits what is recorded of it.

    Raises:
        CheckFailed: A logit is not finite.
    """
    wide = logits.to(torch.float64 if logits.device.type != "mps" else torch.float32)
    if not bool(torch.isfinite(wide).all()):
        raise CheckFailed(
            "answers", found="logits that are not finite", fix="use model.dtype=float32"
        )
    normaliser = wide.logsumexp(dim=1)
    log_probs = wide - normaliser[:, None]
    entropy = -(log_probs.exp() * log_probs).sum(dim=1)
    top = wide.argmax(dim=1)
    for row, of_question in enumerate(symbols):
        own = wide[row].cpu()
        yield {
            "variants": [[float(own[token]) for token in ids] for ids in of_question],
            "normaliser": float(normaliser[row]),
            "full_entropy": float(entropy[row]),
            "top": int(top[row]),
        }


@torch.no_grad()
def _asked(
    loaded: LoadedModel,
    prompts: Sequence[Sequence[int]],
    symbols: Sequence[Sequence[Sequence[int]]],
) -> Iterator[dict[str, object]]:
    try:
        logits = Running(loaded, prompts).next_logits()
    except torch.OutOfMemoryError:
        if len(prompts) == 1:
            raise
        say(f"out of memory: {len(prompts)} prompts are asked in two halves")
        torch.cuda.empty_cache()
        half = len(prompts) // 2
        yield from _asked(loaded, prompts[:half], symbols[:half])
        yield from _asked(loaded, prompts[half:], symbols[half:])
        return
    yield from summarised(logits, symbols)
