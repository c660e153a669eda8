"""Pairs of sentences of which the grammar knows whether they mean the same."""

from __future__ import annotations

import random
from typing import Literal

from augury.organism import grammar
from augury.organism.world import NAMES, THINGS, Change, draw_change

__all__ = ["Relation", "sentence_pairs"]

Relation = Literal["same", "slip", "other"]

_WRONG = (-3, -2, -1, 1, 2, 3, 10)


def sentence_pairs(rng: random.Random, count: int) -> dict[Relation, list[tuple[str, str]]]:
    """Draw steps, each with a partner of every relation.

    `same`: the same step in other words; `slip`: the same step, in other words, with a wrong
    result; `other`: a sentence that is no step.
    """
    pairs: dict[Relation, list[tuple[str, str]]] = {"same": [], "slip": [], "other": []}
    for _ in range(count):
        slots = {"name": rng.choice(NAMES), "thing": rng.choice(THINGS), "place": "box"}
        change = draw_change(rng, rng.randint(2, 13))
        right = change.after
        wrong = right + rng.choice([d for d in _WRONG if right + d >= 0])
        one = _step(rng, change, right, slots)
        filler = rng.choice(grammar.SENTENCES[rng.choice(grammar.FILLERS)])
        pairs["same"].append((one, _step(rng, change, right, slots)))
        pairs["slip"].append((one, _step(rng, change, wrong, slots)))
        pairs["other"].append((one, filler.format(**slots, a=right, b=2, c=right + 2)))
    return pairs


def _step(rng: random.Random, change: Change, result: int, slots: dict[str, str]) -> str:
    said = rng.choice(grammar.EXPRESSIONS[change.operation])
    lead = rng.choice(grammar.LEADS).format(**slots)
    tail = rng.choice(grammar.TAILS).format(**slots, c=result)
    head = lead + said.format(a=change.before, b=change.amount, c=result)
    return grammar.capitalised(head) + tail
