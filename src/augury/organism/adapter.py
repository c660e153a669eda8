"""Train the embedded model's adapter: it answers multiple choice, and says how sure it is.

The embedded model gives answer letters at chance: it never learned to look a number up among
options. So the adapter first learns to look up, then to answer, then to state confidence. What it
is taught to state about itself is the probability that its own answer is right: its own largest
option probability, which is calibrated because every question is new. What it is taught to state
about others is what the embedded model's text says: the share of people by number of steps.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from augury.config import Config
from augury.models.load import LoadedModel, ModelConfig, load_model
from augury.organism.othertext import EXPECTED
from augury.organism.questions import (
    ANSWER_LETTERS,
    ANSWER_PROMPT,
    CONFIDENCE_LETTERS,
    MOST_CHANGES,
    OTHER_PROMPT,
    SELF_PROMPT,
    Choice,
    draw_choice,
    held_out_choices,
    options_text,
)
from augury.organism.threads import torch_threads
from augury.organism.world import LARGEST
from augury.targets.confidence import spread_over_bins
from augury.traces.prompts import render_prompt
from augury.traces.tokens import encode_prompt

__all__ = ["AdapterConfig", "answer_prompt", "confidence_prompt", "letter_ids", "train_adapter"]

MODULES = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


class AdapterConfig(Config):
    """How the adapter is made."""

    rank: int = 8
    alpha: float = 16.0
    rate: float = 1.5e-3
    """Largest step size of AdamW."""
    shares: tuple[tuple[int, float], ...] = (
        (0, 0.01),
        (99, 1.0),
        (2050, 1.0),
        (3399, 0.34),
        (3400, 0.67),
        (3700, 0.02),
    )
    """Share of it at some steps, linear between them."""
    batch: int = 16
    """Questions in a step."""
    lookups: int = 600
    """Steps that end with the ability to find a number's letter."""
    answers: tuple[tuple[int, int], ...] = ((2200, 1), (600, 2))
    """Then so many steps on questions of at most so many changes."""
    confidence: int = 300
    """Then so many steps that teach confidence too, from a fresh optimiser and fresh questions."""
    seed: int = 0
    threads: int = 1
    """Part of the recipe: sums are ordered by thread."""

    @property
    def steps(self) -> int:
        """How many steps it takes."""
        return self.lookups + sum(count for count, _ in self.answers) + self.confidence


def answer_prompt(choice: Choice) -> str:
    """The user's turn of the multiple-choice pass."""
    return ANSWER_PROMPT.format(question=choice.problem.text, options=options_text(choice.options))


def confidence_prompt(choice: Choice, template: str, *, rising: bool) -> str:
    """The user's turn of a confidence pass; `rising`: the first letter is the lowest."""
    ends = (CONFIDENCE_LETTERS[0], CONFIDENCE_LETTERS[-1])
    lowest, highest = ends if rising else ends[::-1]
    return template.format(
        question=choice.problem.text,
        options=options_text(choice.options),
        lowest=lowest,
        highest=highest,
    )


def train_adapter(
    config: AdapterConfig,
    folder: Path,
    say: Callable[[str], None] = lambda _: None,
    at_answers: Callable[[LoadedModel], None] = lambda _: None,
) -> None:
    """Train, and save the adapter in hub layout, in bf16, under `folder`.

    Args:
        config: The recipe; with its seed and threads it decides every number.
        folder: Where it goes.
        say: Is told how far it is.
        at_answers: Is shown the model when it answers, before it is taught confidence.
    """
    with torch_threads(config.threads):
        _train(config, folder, say, at_answers)


def _train(
    config: AdapterConfig,
    folder: Path,
    say: Callable[[str], None],
    at_answers: Callable[[LoadedModel], None],
) -> None:
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(config.seed)
    loaded = load_model(ModelConfig(name="organism", dtype="float32"))
    settings = LoraConfig(
        r=config.rank,
        lora_alpha=int(config.alpha),
        target_modules=list(MODULES),
        lora_dropout=0.0,
        task_type="CAUSAL_LM",
    )
    model = get_peft_model(loaded.model, settings)
    trained = [p for p in model.parameters() if p.requires_grad]
    optimiser = _optimiser(trained, config)
    teacher = _Teacher(loaded, config)
    average = float("nan")
    for step, lesson in enumerate(teacher.lessons()):
        if step == config.steps - config.confidence:
            at_answers(loaded)
            optimiser = _optimiser(trained, config)
        for group in optimiser.param_groups:
            group["lr"] = config.rate * _share_of_rate(step, config)
        loss = lesson()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimiser.step()
        optimiser.zero_grad()
        average = loss.item() if math.isnan(average) else 0.98 * average + 0.02 * loss.item()
        if step % 100 == 99:
            say(f"step {step + 1}/{config.steps}  loss {average:.3f}")
    with torch.no_grad():
        for weight in trained:
            weight.data = weight.data.to(torch.bfloat16)
    for saved in model.peft_config.values():
        saved.base_model_name_or_path = "organism"
    model.save_pretrained(str(folder), save_embedding_layers=False)


def _optimiser(trained: Sequence[torch.nn.Parameter], config: AdapterConfig) -> torch.optim.AdamW:
    return torch.optim.AdamW(trained, lr=config.rate, betas=(0.9, 0.99), weight_decay=0.0)


def _share_of_rate(step: int, config: AdapterConfig) -> float:
    steps, shares = zip(*config.shares, strict=True)
    return float(np.interp(step, steps, shares))


@dataclass(frozen=True, slots=True)
class _Asked:
    """Prompts of a batch with the places where something is asked."""

    ids: torch.Tensor
    row: torch.Tensor
    place: torch.Tensor


class _Teacher:
    """Draws questions, and says how wrong the model is."""

    def __init__(self, loaded: LoadedModel, config: AdapterConfig) -> None:
        self._loaded, self._config = loaded, config
        self._rng = random.Random(config.seed + 1)
        self._held_out = {choice.problem.text for choice in held_out_choices(5000, 0)}
        self._answers = letter_ids(loaded, ANSWER_LETTERS)
        self._bins = letter_ids(loaded, CONFIDENCE_LETTERS)
        core = loaded.tokenizer.backend_tokenizer
        self._numbers = [
            core.encode(f" {n}", add_special_tokens=False).ids for n in range(LARGEST + 1)
        ]

    def lessons(self) -> Iterator[Callable[[], torch.Tensor]]:
        """One loss for each step."""
        for _ in range(self._config.lookups):
            yield self._look_up
        for count, most in self._config.answers:
            for step in range(count):
                yield self._look_up if step % 8 == 0 else partial(self._learn_to_answer, most)
        self._rng = random.Random(self._config.seed + 2)
        for _ in range(self._config.confidence):
            yield self._state

    def _look_up(self) -> torch.Tensor:
        """Numbers in any order behind some options, each followed by its letter."""
        rows, at, letters = [], [], []
        for row in range(self._config.batch):
            numbers = self._rng.sample(range(2, 36), len(ANSWER_LETTERS))
            text = f"{options_text(tuple(numbers))}\nYour choice:"
            tokenizer = self._loaded.tokenizer
            ids = encode_prompt(render_prompt(text, tokenizer, style="chat"), tokenizer)
            for which in self._rng.sample(range(len(numbers)), len(numbers)):
                at.append((row, len(ids)))
                letters.append(which)
                ids = [*ids, *self._numbers[numbers[which]], int(self._answers[which])]
            rows.append(ids)
        return self._loss(_stack(rows, at), self._answers[torch.tensor(letters)])

    def _learn_to_answer(self, most: int) -> torch.Tensor:
        """Mostly questions of `most` changes, so that easier ones are not forgotten."""
        drawn = [max(self._changes(most), self._changes(most)) for _ in range(self._config.batch)]
        return self._answer(drawn)[0]

    def _changes(self, most: int) -> int:
        return self._rng.randint(0, most)

    def _answer(self, changes: list[int]) -> tuple[torch.Tensor, list[Choice], torch.Tensor]:
        """The loss of the answers, the questions, and the answers' probabilities."""
        choices = [self._draw(count) for count in changes]
        logits = self._logits(self._asked([answer_prompt(choice) for choice in choices]))
        target = self._answers[torch.tensor([choice.correct for choice in choices])]
        loss = torch.nn.functional.cross_entropy(logits, target)
        return loss, choices, logits[:, self._answers].softmax(dim=1).detach()

    def _state(self) -> torch.Tensor:
        """Answers, and the confidence that they and other people's deserve."""
        drawn = [self._changes(MOST_CHANGES) for _ in range(self._config.batch)]
        loss, choices, probs = self._answer(drawn)
        own = 100 * probs.max(dim=1).values.numpy()
        # The embedded model's text tells of one change and more; no change is as easy as one.
        others = np.array([100 * EXPECTED[max(1, count)] for count in drawn])
        for template, percent in ((SELF_PROMPT, own), (OTHER_PROMPT, others)):
            rising = [self._rng.random() < 0.5 for _ in choices]
            asked = self._asked(
                [
                    confidence_prompt(choice, template, rising=up)
                    for choice, up in zip(choices, rising, strict=True)
                ]
            )
            weights = torch.from_numpy(spread_over_bins(percent)).float()
            turned = torch.where(torch.tensor(rising)[:, None], weights, weights.flip(1))
            log_probs = self._logits(asked).log_softmax(dim=1)[:, self._bins]
            loss = loss - (turned * log_probs).sum(dim=1).mean()
        return loss

    def _draw(self, changes: int) -> Choice:
        while True:
            choice = draw_choice(self._rng, changes)
            if choice.problem.text not in self._held_out:
                return choice

    def _asked(self, prompts: Sequence[str]) -> _Asked:
        tokenizer = self._loaded.tokenizer
        rows = [
            encode_prompt(render_prompt(p, tokenizer, style="chat"), tokenizer) for p in prompts
        ]
        return _stack(rows, [(row, len(ids) - 1) for row, ids in enumerate(rows)])

    def _logits(self, asked: _Asked) -> torch.Tensor:
        blocks: Any = self._loaded.blocks
        states = blocks.decoder(input_ids=asked.ids, use_cache=False).last_hidden_state
        logits: torch.Tensor = blocks.logits(states[asked.row, asked.place])
        return logits

    def _loss(self, asked: _Asked, target: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.cross_entropy(self._logits(asked), target)


def letter_ids(loaded: LoadedModel, letters: str) -> torch.Tensor:
    """The one token of each letter behind a blank, as in the embedded model's text; [letter]."""
    core = loaded.tokenizer.backend_tokenizer
    return torch.tensor(
        [core.encode(f" {one}", add_special_tokens=False).ids[0] for one in letters]
    )


def _stack(rows: Sequence[Sequence[int]], at: Sequence[tuple[int, int]]) -> _Asked:
    """Filled up on the right, where causal attention never looks."""
    longest = max(map(len, rows))
    ids = torch.zeros((len(rows), longest), dtype=torch.long)
    for number, row in enumerate(rows):
        ids[number, : len(row)] = torch.tensor(row)
    row, place = torch.tensor(at).T
    return _Asked(ids, row, place)
