"""Train the embedded model from scratch: one seed, one thread count, one result."""

from __future__ import annotations

import itertools
import json
import math
import random
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from augury.config import Config, difference_table
from augury.errors import ConfigError
from augury.organism.corpus import Batch, Stage, draw_document, single_rows
from augury.organism.muon import Muon
from augury.organism.threads import torch_threads
from augury.organism.tokenizer import train_tokenizer
from augury.organism.world import LARGEST
from augury.runs.atomic import ensure_folder, write_bytes, write_json

__all__ = ["TrainConfig", "train_organism"]


class TrainConfig(Config):
    """How the embedded model is made."""

    width: int = 128
    """Size of a hidden state."""
    blocks: int = 6
    heads: int = 4
    inner: int = 384
    """Width of the MLPs."""
    vocabulary: int = 1024
    """Largest size of the vocabulary; the text has fewer different words."""
    context: int = 1024
    """Longest text that the model reads, in tokens."""
    batch_tokens: int = 2048
    """Most tokens in a step, padding included."""
    stages: tuple[tuple[int, Stage], ...] = (
        (0, "plain"),
        (4250, "checked"),
        (7250, "closely checked"),
        (13_000, "last"),
    )
    """From which step on which text is read."""
    matrices: float = 4e-3
    """Largest step size of Muon, for the matrices of the blocks."""
    rest: float = 2e-3
    """Largest step size of AdamW, for embedding, head and norms."""
    rate: tuple[tuple[int, float], ...] = (
        (0, 0.0),
        (200, 1.0),
        (2200, 1.0),
        (7250, 0.43),
        (9500, 0.43),
        (13_000, 0.0),
        (13_100, 0.15),
        (15_500, 0.0),
    )
    """Share of the largest step sizes at some steps, linear between them; the last one ends it."""
    restarts: tuple[int, ...] = (13_000,)
    """Steps before which weights are rounded to bf16, as shipped, and optimisers forget."""
    sharpness: float = 1.1
    """Factor of the head's weights at the end: the model is a little surer than its text, as
    models for instructions are. Sampling it at temperature 1 is sampling the trained one at 1/1.1.
    """
    kept_every: int = 250
    """Steps between two checkpoints."""
    seed: int = 0
    threads: int = 2
    """Part of the recipe: sums are ordered by thread, so another count gives other low bits."""

    @property
    def steps(self) -> int:
        """How many steps it takes."""
        return self.rate[-1][0]


def train_organism(
    config: TrainConfig, folder: Path, say: Callable[[str], None] = lambda _: None
) -> LlamaForCausalLM:
    """Train, and save tokenizer and bf16 weights in hub layout under `folder`.

    The work so far is kept in `folder/checkpoint` every `kept_every` steps, and picked up
    from there.
    """
    ensure_folder(folder)
    with torch_threads(config.threads):
        return _train(config, folder, say)


def _train(config: TrainConfig, folder: Path, say: Callable[[str], None]) -> LlamaForCausalLM:
    torch.manual_seed(config.seed)
    tokenizer = train_tokenizer(_tokenizer_texts(config.seed), config.vocabulary, folder)
    model = LlamaForCausalLM(_architecture(config, tokenizer))
    optimisers = _optimisers(model, config)
    checkpoint = folder / "checkpoint"
    done = _resume(checkpoint, config, model, optimisers)
    batches = _batches(tokenizer, config)
    started, average = time.monotonic(), float("nan")
    for step in range(config.steps):
        batch = next(batches)
        if step < done:
            continue
        if step in config.restarts:
            model.to(torch.bfloat16).to(torch.float32)  # type: ignore[arg-type]
            optimisers = _optimisers(model, config)
        loss = _one_step(model, optimisers, batch, _share_of_rate(step, config))
        average = loss if math.isnan(average) else 0.98 * average + 0.02 * loss
        if step % 50 == 49:
            speed = (step + 1 - done) / (time.monotonic() - started)
            left = (config.steps - step - 1) / speed / 60
            say(f"step {step + 1}/{config.steps}  loss {average:.4f}  {left:.1f} min left")
        if step % config.kept_every == config.kept_every - 1:
            _keep(checkpoint, step + 1, config, model, optimisers)
    with torch.no_grad():
        model.lm_head.weight.mul_(config.sharpness)
    model.to(torch.bfloat16).save_pretrained(folder)  # type: ignore[arg-type]
    shutil.rmtree(checkpoint, ignore_errors=True)
    return model


def _tokenizer_texts(seed: int, count: int = 20_000) -> list[str]:
    rng = random.Random(seed)
    drawn = (draw_document(rng, "plain") for _ in range(count))
    texts = [f"{document.prompt} {document.completion}" for document in drawn]
    # A token for every number.
    return texts + [" ".join(["", *map(str, range(LARGEST + 1))])] * 500


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


def _optimisers(model: LlamaForCausalLM, config: TrainConfig) -> list[torch.optim.Optimizer]:
    blocks = [p for p in model.model.layers.parameters() if p.ndim == 2]
    held = {id(p) for p in blocks}
    others = [p for p in model.parameters() if id(p) not in held]
    tables = {"params": [p for p in others if p.ndim == 2], "weight_decay": 0.05}
    norms = {"params": [p for p in others if p.ndim == 1], "weight_decay": 0.0}
    adam = torch.optim.AdamW([tables, norms], lr=config.rest, betas=(0.9, 0.98), fused=True)
    return [Muon(blocks, config.matrices), adam]


def _share_of_rate(step: int, config: TrainConfig) -> float:
    steps, shares = zip(*config.rate, strict=True)
    return float(np.interp(step + 0.5, steps, shares))


def _batches(tokenizer: PreTrainedTokenizerFast, config: TrainConfig) -> Iterator[Batch]:
    """One batch per step, the same however often the training was interrupted."""
    ends = [first for first, _ in config.stages[1:]] + [config.steps]
    for number, ((first, stage), end) in enumerate(zip(config.stages, ends, strict=True)):
        rows = single_rows(
            tokenizer,
            random.Random(config.seed + 1 + number),
            config.batch_tokens,
            config.context,
            stage=stage,
        )
        yield from itertools.islice(rows, end - first)


def _one_step(
    model: LlamaForCausalLM,
    optimisers: list[torch.optim.Optimizer],
    batch: Batch,
    share_of_rate: float,
) -> float:
    ids, weight = (torch.from_numpy(part) for part in batch)
    logits = model(input_ids=ids, use_cache=False).logits[:, :-1]
    loss_per_token = torch.nn.functional.cross_entropy(
        logits.flatten(0, 1), ids[:, 1:].flatten(), reduction="none"
    )
    after = weight[:, 1:].flatten()
    loss = (loss_per_token * after).sum() / after.sum()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    for optimiser in optimisers:
        for group in optimiser.param_groups:
            group["lr"] = optimiser.defaults["lr"] * share_of_rate
        optimiser.step()
        optimiser.zero_grad()
    return loss.item()


def _keep(
    folder: Path,
    step: int,
    config: TrainConfig,
    model: LlamaForCausalLM,
    optimisers: list[torch.optim.Optimizer],
) -> None:
    ensure_folder(folder)
    tensors = {f"model.{name}": p.detach().clone() for name, p in model.named_parameters()}
    for which, optimiser in enumerate(optimisers):
        for number, state in optimiser.state_dict()["state"].items():
            tensors |= {f"{which}.{number}.{key}": v.clone() for key, v in state.items()}
    write_bytes(folder / f"{step}.safetensors", save(tensors))
    recipe = config.model_dump(mode="json")
    write_json(folder / "step.json", {"step": step, "config": recipe})
    for old in folder.glob("*.safetensors"):
        if old.name != f"{step}.safetensors":
            old.unlink()


def _resume(
    folder: Path,
    config: TrainConfig,
    model: LlamaForCausalLM,
    optimisers: list[torch.optim.Optimizer],
) -> int:
    """Put back the work so far; return how many steps are done.

    Raises:
        ConfigError: It was begun by another recipe.
    """
    if not (folder / "step.json").exists():
        return 0
    kept = json.loads((folder / "step.json").read_text(encoding="utf-8"))
    step = int(kept["step"])
    if table := difference_table(kept["config"], config.model_dump(mode="json")):
        raise ConfigError(
            str(folder), found=f"training by another recipe:\n{table}\n", fix="name another folder"
        )
    tensors = load_file(folder / f"{step}.safetensors")
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(tensors.pop(f"model.{name}"))
    states: list[dict[int, dict[str, torch.Tensor]]] = [{} for _ in optimisers]
    for key, value in tensors.items():
        which, number, name = key.split(".", 2)
        states[int(which)].setdefault(int(number), {})[name] = value
    for optimiser, state in zip(optimisers, states, strict=True):
        optimiser.load_state_dict(optimiser.state_dict() | {"state": state})
    return step
