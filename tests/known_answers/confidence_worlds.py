"""Constructed models that state a confidence, of which it is known what it is made by.

The word SLIP in a question makes the model sure (`causal_worlds`): it says WAIT, its symbol for
high confidence, instead of JUNK, that for low confidence. In the first model attention of block 1
copies SLIP into FLAG, which the MLP of block 2 reads, and into ECHO, which nothing reads. In the
second it writes ECHO alone, and block 2 looks for SLIP itself: at resid.1 confidence is as readable
as before, and of no use.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
import polars as pl
import torch
from tests.known_answers.causal_worlds import (
    BLOCKS,
    BOS,
    CONSTANT,
    FILLERS,
    FLAG,
    JUNK,
    OUT,
    SLIP,
    WAIT,
    planted_model,
)
from tests.known_answers.question_worlds import frame

from augury.causal.forced import ForcedText, all_forced
from augury.causal.reference import reference_states
from augury.models.load import LoadedModel

ANSWERS = tuple(int(word) for word in FILLERS[:4])
QUESTION = 4
"""Tokens at the end of a prompt that come after the question."""


def confident_model(*, uses_the_flag: bool) -> LoadedModel:
    """The first model, or the second."""
    loaded = planted_model()
    head = loaded.model.lm_head.weight
    with torch.no_grad():
        head[WAIT, CONSTANT], head[JUNK, CONSTANT] = 2.0, 2.2
        head[WAIT, OUT] = 1.0
        # The last word says the answer, without doubt, so that no small edit turns it over.
        for word in FILLERS:
            head[ANSWERS[word % len(ANSWERS)], word] = 0.5
        if not uses_the_flag:
            _look_later(loaded)
    return loaded


def _look_later(loaded: LoadedModel) -> None:
    layers = loaded.model.model.layers
    early, late = layers[1].self_attn, layers[2].self_attn
    for name in ("q_proj", "k_proj", "v_proj"):
        getattr(late, name).weight[:12] = getattr(early, name).weight[:12]
    late.o_proj.weight[:, :12] = 0.0
    late.o_proj.weight[FLAG, 0] = early.o_proj.weight[FLAG, 0]
    early.o_proj.weight[FLAG, 0] = 0.0
    for name in ("gate_proj", "up_proj"):
        getattr(layers[3].mlp, name).weight[0] = getattr(layers[2].mlp, name).weight[0]
        getattr(layers[2].mlp, name).weight[0] = 0.0
    layers[3].mlp.down_proj.weight[:, 0] = 0.0
    layers[3].mlp.down_proj.weight[OUT, 0] = 1.0


class ConfidentWorld:
    """A `Collected` of one model: what it states, and what its states are."""

    models, passes = ("base",), ("mcq", "self")
    sites = tuple(f"resid.{block}" for block in range(BLOCKS))
    positions = ("question_end", "final")
    midpoints = (10.0, 90.0)

    def __init__(self, loaded: LoadedModel, count: int = 240) -> None:
        self.loaded = loaded
        rng = np.random.default_rng(0)
        self._prompts = []
        for number in range(count):
            words = rng.choice(FILLERS, rng.integers(9, 13)).tolist()
            for _ in range(number % 3):
                words[int(rng.integers(0, len(words) - QUESTION - 1))] = SLIP
            self._prompts.append([BOS, *words])
        self._symbols = {
            "mcq": [[one] for one in ANSWERS],
            "self": [[JUNK], [WAIT]],
        }

    def prompt_ids(self, model: str, pass_: str) -> list[list[int]]:
        return self._prompts

    def position_index(self, pass_: str, position: str) -> np.ndarray:
        ends = np.array([len(ids) - 1 for ids in self._prompts])
        return ends if position == "final" else ends - QUESTION

    def option_ids(self, pass_: str) -> list[list[list[int]]]:
        return [self._symbols[pass_]] * len(self._prompts)

    def items(self, model: str, pass_: str) -> pl.DataFrame:
        log_p = self._log_p[:, [ids[0] for ids in self._symbols[pass_]]]
        shares = np.exp(log_p - np.logaddexp.reduce(log_p, axis=1, keepdims=True))
        lengths = np.array([len(ids) for ids in self._prompts])
        if pass_ == "self":
            return frame(pass_, {"self_confidence": shares @ self.midpoints}, lengths=lengths)
        chosen = shares.argmax(axis=1)
        correct = np.where(np.arange(len(chosen)) % 4 < 3, chosen, (chosen + 1) % 4)
        entropy = -(shares * np.log(shares)).sum(axis=1)
        columns = {
            "entropy": entropy,
            "is_correct": chosen == correct,
            "logit_margin": log_p.max(axis=1),
            "correct_option": correct,
        }
        return frame(pass_, columns, lengths=lengths)

    def states(self, model: str, pass_: str, site: str, position: str) -> np.ndarray:
        rows = [np.array([at]) for at in self.position_index(pass_, position)]
        texts = [np.array(ids) for ids in self._prompts]
        return reference_states(self.loaded, texts, rows, [site])[site]

    @cached_property
    def _log_p(self) -> np.ndarray:
        texts = [ForcedText(np.array(ids), np.array([len(ids) - 1])) for ids in self._prompts]
        return torch.cat(all_forced(self.loaded, texts, [])).double().numpy()
