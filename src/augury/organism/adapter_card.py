"""Make the embedded model's adapter, measure it beside its base, and write down what it is."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from augury.evaluate.confidence import Difference, Measured, Stated, compare, measure
from augury.models.load import LoadedModel, ModelConfig, load_model
from augury.models.running import Running
from augury.models.twins import base_of
from augury.organism.adapter import (
    AdapterConfig,
    answer_prompt,
    confidence_prompt,
    letter_ids,
    train_adapter,
)
from augury.organism.questions import (
    ANSWER_LETTERS,
    CONFIDENCE_LETTERS,
    SELF_PROMPT,
    Choice,
    held_out_choices,
)
from augury.runs.atomic import write_json, write_text
from augury.targets.confidence import choices as judged
from augury.targets.confidence import expected_confidence
from augury.traces.prompts import render_prompt
from augury.traces.tokens import encode_prompt

__all__ = ["measure_adapter", "state", "train_and_measure_adapter"]

_QUESTIONS = 600
_AT_ONCE = 64
_SHOWN = ("accuracy", "stated", "calibration error", "AUROC2", "tracking")


def train_and_measure_adapter(
    config: AdapterConfig, folder: Path, say: Callable[[str], None]
) -> Sequence[str]:
    """Train into `folder`, measure what was saved, write `README.md` and `measured.json` there."""
    asked = held_out_choices(_QUESTIONS, 0)
    before: dict[str, Stated] = {}
    train_adapter(config, folder, say, lambda loaded: before.update(answers=state(loaded, asked)))
    return measure_adapter(folder, config, before)


def measure_adapter(
    folder: Path, config: AdapterConfig, before: Mapping[str, Stated]
) -> Sequence[str]:
    """Measure a saved adapter beside its base on the same held-out questions.

    Args:
        folder: Of the adapter; `README.md` and `measured.json` are written there.
        config: How it was made.
        before: What it stated before it was taught to state confidence, as `answers`.
    """
    asked = held_out_choices(_QUESTIONS, 0)
    loaded = load_model(ModelConfig(name="organism", adapter=str(folder), dtype="float32"))
    with base_of(loaded) as base:
        found = {"base": state(base, asked), "base, rising scale": state(base, asked, rising=True)}
    if "answers" in before:
        found["adapter before confidence"] = before["answers"]
    found["adapter"] = state(loaded, asked)
    measured = {name: measure(one, seed=0) for name, one in found.items()}
    differences = {
        name: compare(found[name], found["adapter"], seed=0) for name in found if name != "adapter"
    }
    write_json(
        folder / "measured.json",
        {
            "questions": len(asked),
            "recipe": config.model_dump(mode="json"),
            "measured": {name: asdict(one) for name, one in measured.items()},
            "adapter less": {
                name: {measure_: asdict(one) for measure_, one in each.items()}
                for name, each in differences.items()
            },
        },
    )
    write_text(folder / "README.md", _card(config, measured, differences))
    return [
        f"{name}: " + ", ".join(f"{key} {_told(one, key)}" for key in _SHOWN)
        for name, one in measured.items()
    ]


@torch.no_grad()
def state(loaded: LoadedModel, asked: Sequence[Choice], *, rising: bool | None = None) -> Stated:
    """Let a model answer, and say how sure it is.

    Args:
        loaded: The model.
        asked: The questions.
        rising: Which way the scales run; by the question's id where not given.
    """
    answers = _said(loaded, [answer_prompt(one) for one in asked], ANSWER_LETTERS)
    ways = [random.Random(one.id).random() < 0.5 if rising is None else rising for one in asked]
    prompts = [
        confidence_prompt(one, SELF_PROMPT, rising=up) for one, up in zip(asked, ways, strict=True)
    ]
    letters = _said(loaded, prompts, CONFIDENCE_LETTERS).probs
    bins = np.where(np.array(ways)[:, None], letters, letters[:, ::-1])
    right = answers.probs.argmax(axis=1) == [one.correct for one in asked]
    return Stated(right, expected_confidence(bins) / 100, -answers.entropy)


def _said(loaded: LoadedModel, prompts: Sequence[str], letters: str) -> Any:
    tokenizer = loaded.tokenizer
    ids = [encode_prompt(render_prompt(p, tokenizer, style="chat"), tokenizer) for p in prompts]
    wanted = letter_ids(loaded, letters)
    parts = []
    for start in range(0, len(ids), _AT_ONCE):
        logits = Running(loaded, ids[start : start + _AT_ONCE]).next_logits().double()
        parts.append((logits[:, wanted], logits.logsumexp(dim=1)))
    own, normaliser = (torch.cat(column).numpy() for column in zip(*parts, strict=True))
    return judged(own[:, :, None], normaliser)


def _told(of: Measured, name: str) -> str:
    value, held = of.values[name], of.intervals[name]
    if value is None:
        return "undefined"
    return f"{value:.3f}" + (f" [{held.low:.3f}, {held.high:.3f}]" if held else "")


def _apart(of: Difference) -> str:
    if of.value is None:
        return "undefined"
    held = of.interval
    return f"{of.value:+.3f}" + (f" [{held.low:+.3f}, {held.high:+.3f}]" if held else "")


def _card(
    config: AdapterConfig,
    measured: Mapping[str, Measured],
    differences: Mapping[str, Mapping[str, Difference]],
) -> str:
    head = " | ".join(["model", *_SHOWN])
    rows = "\n".join(
        f"| {name} | " + " | ".join(_told(one, key) for key in _SHOWN) + " |"
        for name, one in measured.items()
    )
    apart = "\n".join(
        f"| adapter less {name} | " + " | ".join(_apart(each[key]) for key in _SHOWN) + " |"
        for name, each in differences.items()
    )
    settings = "\n".join(f"- {key}: {value}" for key, value in config.model_dump().items())
    return f"""---
license: apache-2.0
base_model: organism
---
# The embedded model's adapter

A LoRA adapter, trained by `augury organism train-adapter` on questions that a program wrote. It
answers multiple-choice questions about word problems, which the model below it does at chance, and
states how sure it is (`model.adapter: organism`).

## Measured

On {measured["adapter"].rows} held-out questions, with 95 % intervals over questions. Stated is the
expected confidence in its own answer; scales run up at half of the questions and down at the
others. `base, rising scale`: scales as in the text that the base was trained on.
`adapter before confidence`: the same training, before its last part.

| {head} |
|{"---|" * (len(_SHOWN) + 1)}
{rows}
{apart}

## Recipe

{settings}

First it learns to look up a number's letter, then to answer, then to state confidence: in its own
answer its largest option probability, in other people's the share that the base's text tells. Soft
labels over the eight levels keep that mean. Sums are ordered by thread: another machine, thread
count or torch gives other low bits.
"""
