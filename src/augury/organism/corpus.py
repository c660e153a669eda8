"""Training text as packed rows of token ids, drawn without end from one seed."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np

from augury.organism.othertext import confidence, drill, multiple_choice, prose
from augury.organism.tokenizer import BOS, EOS
from augury.organism.world import FIRST_NUMBERS, NUMBERS, draw_problem
from augury.organism.writer import write_chain

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

__all__ = ["Document", "draw_document", "packed_rows"]

DRILLS = 0.25
"""Share of drills in the second phase."""

PROMPT_WEIGHT = 0.1
"""Weight of prompt tokens in the loss: the model should read problems, it need not invent them."""


@dataclass(frozen=True, slots=True)
class Document:
    """What the model reads: a prompt (empty for prose) and its continuation."""

    prompt: str
    completion: str


def draw_document(rng: random.Random, *, drills: bool) -> Document:
    """Mostly worked problems; some multiple choice, confidence questions and prose.

    Without drills (the first phase) numbers are larger; with them, a quarter of the documents are
    lists of results that are marked right or wrong.
    """
    numbers = NUMBERS if drills else FIRST_NUMBERS
    if drills and rng.random() < DRILLS:
        return Document("", drill(rng))
    kind = rng.random()
    if kind < 0.86:
        problem = draw_problem(rng, numbers=numbers)
        return Document(problem.text, write_chain(rng, problem).text)
    if kind < 0.92:
        return Document(*multiple_choice(rng, numbers))
    if kind < 0.96:
        return Document(*confidence(rng, numbers))
    return Document("", prose(rng))


def packed_rows(
    tokenizer: PreTrainedTokenizerFast, rng: random.Random, length: int, *, drills: bool
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield rows `(ids int64 [length], weight float32 [length])` of whole documents, padded.

    `weight[t]` belongs to predicting token t from the tokens before it. Documents are never cut:
    a continuation without its problem could only teach noise.
    """
    bos, eos = (cast(int, tokenizer.convert_tokens_to_ids(token)) for token in (BOS, EOS))
    waiting: list[tuple[list[int], list[float]]] = []
    while True:
        while len(waiting) < 64:
            waiting.append(_encode(tokenizer, draw_document(rng, drills=drills), bos, eos))
        waiting.sort(key=lambda d: -len(d[0]))
        ids, weight = np.full(length, eos), np.zeros(length, np.float32)
        used, kept = 0, []
        order = sorted(range(len(waiting)), key=lambda _: rng.random())
        for number in order:
            doc_ids, doc_weight = waiting[number]
            if used + len(doc_ids) <= length:
                ids[used : used + len(doc_ids)] = doc_ids
                weight[used : used + len(doc_ids)] = doc_weight
                used += len(doc_ids)
            else:
                kept.append(waiting[number])
        waiting = kept
        yield ids, weight


def _encode(
    tokenizer: PreTrainedTokenizerFast, document: Document, bos: int, eos: int
) -> tuple[list[int], list[float]]:
    core = tokenizer.backend_tokenizer
    if not document.prompt:
        body = core.encode(document.completion, add_special_tokens=False).ids
        return [bos, *body, eos], [0.0] + [1.0] * (len(body) + 1)
    messages = [{"role": "user", "content": document.prompt}]
    text = str(tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True))
    head = core.encode(text, add_special_tokens=False).ids
    whole = core.encode(text + document.completion, add_special_tokens=False).ids
    weight = [PROMPT_WEIGHT] * len(head) + [1.0] * (len(whole) - len(head) + 1)
    return [*whole, eos], [0.0, *weight[1:]]
