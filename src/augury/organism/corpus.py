"""Training text as rows of token ids, drawn without end from one seed."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, cast

import numpy as np

from augury.organism.othertext import (
    checked_chain,
    confidence,
    drill,
    multiple_choice,
    prose,
)
from augury.organism.tokenizer import BOS, EOS
from augury.organism.world import draw_problem
from augury.organism.writer import write_chain

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

__all__ = ["Batch", "Document", "Stage", "draw_document", "single_rows"]

DRILLS = 0.2
"""Share of drills."""

CHECKED = 0.35
"""Share of worked problems that are marked, after the first stage."""

PROMPT_WEIGHT = 0.1
"""Weight of prompt tokens in the loss: the model should read problems, it need not invent them."""

DECISION_WEIGHT = 3.0
"""Weight of numbers, of what follows a number and of what begins a sentence: there the text depends
on what was worked out. It makes numbers likelier than they are where a word could stand; in the
last stage all tokens of the continuation weigh alike, which puts that right."""

LONG, LONGEST = 0.02, 26
"""Share of worked problems with far more steps than usual, and the most steps of these: the model's
context reaches as far as the longest document that it read."""

_POOL = 512
"""Documents that are sorted by length at a time."""


@dataclass(frozen=True, slots=True)
class Document:
    """What the model reads: a prompt (empty for prose) and its continuation."""

    prompt: str
    completion: str


Stage = Literal["plain", "checked", "closely checked", "last"]
"""Parts of the training. Before sums are known there is nothing to learn from marks; then whole
sentences are marked, then results too; at last there are no marks again."""


def draw_document(rng: random.Random, stage: Stage) -> Document:
    """Mostly worked problems; some drills, multiple choice, confidence questions and prose."""
    closely = stage == "closely checked"
    if rng.random() < DRILLS:
        return Document("", drill(rng, closely=closely))
    kind = rng.random()
    if kind < 0.86:
        steps = rng.randint(5, LONGEST) if rng.random() < LONG else None
        problem = draw_problem(rng, steps)
        written = write_chain(rng, problem)
        if stage in ("checked", "closely checked") and rng.random() < CHECKED:
            return Document(*checked_chain(rng, problem, written, closely=closely))
        return Document(problem.text, written.text)
    if kind < 0.92:
        return Document(*multiple_choice(rng))
    if kind < 0.96:
        return Document(*confidence(rng))
    return Document("", prose(rng))


Batch = tuple[np.ndarray, np.ndarray]
"""`(ids int64, weight float32)`, both [row, token]. `weight[:, t]` belongs to predicting token t
from the tokens before it; it is 0 for padding."""


def single_rows(
    tokenizer: PreTrainedTokenizerFast,
    rng: random.Random,
    tokens: int,
    longest: int,
    *,
    stage: Stage,
) -> Iterator[Batch]:
    """Yield batches of one document per row, alike in length, of at most `tokens` places.

    Documents of more than `longest` tokens are left out.

    A row of several documents would let each attend to the ones before it, which teaches the model
    to look for the things of its problem in the wrong place.
    """
    encoder = _Encoder(tokenizer)
    while True:
        drawn = [each for each in encoder.draw(rng, _POOL, stage=stage) if len(each[0]) <= longest]
        pool = sorted(drawn, key=lambda document: len(document[0]))
        batches: list[list[_Encoded]] = [[]]
        for document in pool:
            if (len(batches[-1]) + 1) * len(document[0]) > tokens:
                batches.append([])
            batches[-1].append(document)
        rng.shuffle(batches)
        for batch in batches:
            yield _stack(batch, len(batch[-1][0]), tokenizer)


_Encoded = tuple[np.ndarray, np.ndarray]


class _Encoder:
    """Encodes documents, and weighs their tokens."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast) -> None:
        self._tokenizer = tokenizer
        self._bos, self._eos = (
            cast(int, tokenizer.convert_tokens_to_ids(token)) for token in (BOS, EOS)
        )
        words = [str(tokenizer.decode([token])) for token in range(len(tokenizer))]
        self._number = np.array([word.strip().isdigit() for word in words])
        self._ends = np.array([word.endswith((".", "?", ":", "-", "\n")) for word in words])

    def draw(self, rng: random.Random, count: int, *, stage: Stage) -> list[_Encoded]:
        decision = 1.0 if stage == "last" else DECISION_WEIGHT
        return [self._encode(draw_document(rng, stage), decision) for _ in range(count)]

    def _encode(self, document: Document, decision: float) -> _Encoded:
        core, head = self._tokenizer.backend_tokenizer, 0
        text = document.completion
        if document.prompt:
            messages = [{"role": "user", "content": document.prompt}]
            prompt = str(
                self._tokenizer.apply_chat_template(
                    messages, tokenize=False, add_generation_prompt=True
                )
            )
            head = len(core.encode(prompt, add_special_tokens=False).ids)
            text = prompt + text
        body = core.encode(text, add_special_tokens=False).ids
        ids = np.array([*([] if document.prompt else [self._bos]), *body, self._eos])
        weight = np.ones(len(ids), np.float32)
        decided = self._number[ids]
        decided[1:] |= self._number[ids[:-1]] | self._ends[ids[:-1]]
        weight[decided] = decision
        weight[:head] = PROMPT_WEIGHT
        weight[0] = 0.0
        return ids, weight


def _stack(rows: list[_Encoded], length: int, tokenizer: PreTrainedTokenizerFast) -> Batch:
    ids = np.full((len(rows), length), tokenizer.pad_token_id, np.int64)
    weight = np.zeros((len(rows), length), np.float32)
    for number, (row, its_weight) in enumerate(rows):
        ids[number, : len(row)] = row
        weight[number, : len(row)] = its_weight
    return ids, weight
