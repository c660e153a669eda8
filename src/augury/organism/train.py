"""Train the embedded model from scratch: one seed, one thread count, one result."""

from __future__ import annotations

import json
import math
import random
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from augury.config import Config
from augury.organism.corpus import draw_document, packed_rows
from augury.organism.tokenizer import train_tokenizer
from augury.organism.world import LARGEST
from augury.runs.atomic import write_json

__all__ = ["Phase", "TrainConfig", "train_organism"]


class Phase(Config):
    """One part of the training: its own text, a fresh optimiser, a step size that falls to zero."""

    steps: int
    peak: float
    """Step size of AdamW after the warm-up."""
    cooldown: float
    """Last share of the steps, over which the step size falls linearly to zero."""
    drills: bool
    """Text with smaller numbers and with lists of results marked right or wrong."""


class TrainConfig(Config):
    """How the embedded model is made."""

    width: int = 128
    """Size of a hidden state."""
    blocks: int = 6
    heads: int = 4
    inner: int = 384
    """Width of the MLPs."""
    vocabulary: int = 1024
    context: int = 1024
    """Longest text that the model reads, in tokens."""
    batch_tokens: int = 2048
    row: int = 512
    """Tokens in a row; every tenth step reads rows as long as the context."""
    phases: tuple[Phase, ...] = (
        Phase(steps=5200, peak=2e-3, cooldown=0.4, drills=False),
        Phase(steps=4200, peak=1.5e-3, cooldown=0.9, drills=True),
    )
    """The first learns to read and write the text, the second to check results."""
    seed: int = 0
    threads: int = 2
    """Part of the recipe: sums are ordered by thread, so another count gives other low bits."""


def train_organism(
    config: TrainConfig, folder: Path, say: Callable[[str], None] = lambda _: None
) -> LlamaForCausalLM:
    """Train, and save tokenizer and bf16 weights in hub layout under `folder`.

    The work so far is kept in `folder/checkpoint` every 250 steps and picked up from there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(config.threads)
    torch.manual_seed(config.seed)
    rng = random.Random(config.seed)
    texts = [
        f"{d.prompt} {d.completion}"
        for d in (draw_document(rng, drills=False) for _ in range(20_000))
    ]
    texts += [" ".join(["", *map(str, range(LARGEST + 1))])] * 500  # a token for every number
    tokenizer = train_tokenizer(texts, config.vocabulary, folder)
    model = LlamaForCausalLM(_architecture(config, tokenizer))
    checkpoint = folder / "checkpoint"
    done = _marker(checkpoint)
    for number, phase in enumerate(config.phases):
        if number < done[0]:
            continue
        optimiser = _optimiser(model, phase.peak)
        first = _resume(checkpoint, model, optimiser) if number == done[0] else 0
        _run_phase((model, optimiser, checkpoint), config, number, first, tokenizer, say)
        # Weights are shipped in bf16; a later phase goes on from what an earlier one would ship.
        model.to(torch.bfloat16).to(torch.float32)  # type: ignore[arg-type]
        _keep(checkpoint, (number + 1, 0), model, None)
    model.to(torch.bfloat16).save_pretrained(folder)  # type: ignore[arg-type]
    shutil.rmtree(checkpoint, ignore_errors=True)
    return model


def _run_phase(
    state: tuple[LlamaForCausalLM, torch.optim.Optimizer, Path],
    config: TrainConfig,
    number: int,
    first: int,
    tokenizer: PreTrainedTokenizerFast,
    say: Callable[[str], None],
) -> None:
    model, optimiser, checkpoint = state
    phase, batches = config.phases[number], _Batches(tokenizer, config, number)
    started, average = time.monotonic(), float("nan")
    for step in range(phase.steps):
        rows = batches.next(step)
        if step < first:
            continue
        loss = _one_step(model, optimiser, rows, _rate(step, phase))
        average = loss if math.isnan(average) else 0.98 * average + 0.02 * loss
        if step % 50 == 49:
            speed = (step + 1 - first) / (time.monotonic() - started)
            left = (phase.steps - step - 1) / speed / 60
            say(
                f"phase {number + 1}, step {step + 1}/{phase.steps}  loss {average:.4f}  "
                f"{left:.1f} min left"
            )
        if step % 250 == 249 and step + 1 < phase.steps:
            _keep(checkpoint, (number, step + 1), model, optimiser)


def _architecture(config: TrainConfig, tokenizer: PreTrainedTokenizerFast) -> LlamaConfig:
    return LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=config.width,
        intermediate_size=config.inner,
        num_hidden_layers=config.blocks,
        num_attention_heads=config.heads,
        max_position_embeddings=config.context,
        rms_norm_eps=1e-5,
        tie_word_embeddings=False,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )


def _optimiser(model: LlamaForCausalLM, peak: float) -> torch.optim.Optimizer:
    matrices = [p for p in model.parameters() if p.ndim > 1]
    vectors = [p for p in model.parameters() if p.ndim == 1]
    groups = [{"params": matrices, "weight_decay": 0.05}, {"params": vectors, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=peak, betas=(0.9, 0.98), fused=True)


def _rate(step: int, phase: Phase) -> float:
    warm = min(1.0, (step + 1) / 200)
    left = (phase.steps - step) / (phase.steps * phase.cooldown)
    return phase.peak * warm * min(1.0, left)


class _Batches:
    """Rows for each step; the same for a step however often the training was interrupted."""

    def __init__(
        self, tokenizer: PreTrainedTokenizerFast, config: TrainConfig, number: int
    ) -> None:
        self._config = config
        drills = config.phases[number].drills
        start = config.seed * 10_007 + number * 1_000_003
        self._rows = {
            length: packed_rows(tokenizer, random.Random(start + length), length, drills=drills)
            for length in (config.row, config.context)
        }

    def next(self, step: int) -> tuple[torch.Tensor, torch.Tensor]:
        length = self._config.context if step % 10 == 9 else self._config.row
        rows = [next(self._rows[length]) for _ in range(self._config.batch_tokens // length)]
        ids = torch.from_numpy(np.stack([ids for ids, _ in rows]))
        return ids, torch.from_numpy(np.stack([weight for _, weight in rows]))


def _one_step(
    model: LlamaForCausalLM,
    optimiser: torch.optim.Optimizer,
    rows: tuple[torch.Tensor, torch.Tensor],
    rate: float,
) -> float:
    ids, weight = rows
    for group in optimiser.param_groups:
        group["lr"] = rate
    logits = model(input_ids=ids, use_cache=False).logits[:, :-1]
    loss_per_token = torch.nn.functional.cross_entropy(
        logits.flatten(0, 1), ids[:, 1:].flatten(), reduction="none"
    )
    after = weight[:, 1:].flatten()
    loss = (loss_per_token * after).sum() / after.sum()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimiser.step()
    optimiser.zero_grad()
    return loss.item()


def _keep(
    folder: Path,
    at: tuple[int, int],
    model: LlamaForCausalLM,
    optimiser: torch.optim.Optimizer | None,
) -> None:
    """Keep the state at (phase, step) as safetensors; the marker file is written last."""
    folder.mkdir(exist_ok=True)
    tensors = {f"model.{n}": p.detach().clone() for n, p in model.named_parameters()}
    held = optimiser.state_dict()["state"] if optimiser else {}
    for number, state in held.items():
        tensors |= {f"optimiser.{number}.{k}": v.clone() for k, v in state.items()}
    name = f"{at[0]}-{at[1]}.safetensors"
    save_file(tensors, folder / name)
    write_json(folder / "step.json", {"phase": at[0], "step": at[1]})
    for old in folder.glob("*.safetensors"):
        if old.name != name:
            old.unlink()


def _marker(folder: Path) -> tuple[int, int]:
    """(Phase, step) that is done; (0, 0) at the very beginning."""
    if not (folder / "step.json").exists():
        return 0, 0
    told = json.loads((folder / "step.json").read_text(encoding="utf-8"))
    return int(told["phase"]), int(told["step"])


def _resume(folder: Path, model: LlamaForCausalLM, optimiser: torch.optim.Optimizer) -> int:
    phase, step = _marker(folder)
    if (phase, step) == (0, 0):
        return 0
    tensors = load_file(folder / f"{phase}-{step}.safetensors")
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(tensors[f"model.{name}"])
    state: dict[int, dict[str, torch.Tensor]] = {}
    for key, value in tensors.items():
        if key.startswith("optimiser."):
            _, number, name = key.split(".", 2)
            state.setdefault(int(number), {})[name] = value
    if state:
        optimiser.load_state_dict(optimiser.state_dict() | {"state": state})
    return step
