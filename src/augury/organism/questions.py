"""Multiple-choice and confidence questions of the embedded model's world, as prompts are made.

The texts around a question are those that the embedded model was trained on (`othertext`), with
the options shown in the confidence questions too, and a scale that may run either way.
"""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass

from augury.organism.othertext import CONFIDENCE_LETTERS
from augury.organism.world import Problem, draw_problem

__all__ = [
    "ANSWER_LETTERS",
    "ANSWER_PROMPT",
    "CONFIDENCE_LETTERS",
    "OTHER_PROMPT",
    "SELF_PROMPT",
    "Choice",
    "draw_choice",
    "held_out_choices",
    "options_text",
]

ANSWER_LETTERS = "ABCD"

ANSWER_PROMPT = "{question}\n{options}\nYour choice:"
_SCALE = "Answer with a letter from {lowest} (none) to {highest} (all).\nYour confidence:"
SELF_PROMPT = "{question}\n{options}\nHow sure are you that you would get this right? " + _SCALE
OTHER_PROMPT = "{question}\n{options}\nHow many people would get this right? " + _SCALE

STEPS = (1, 2, 3, 4)
_FURTHEST, _LARGEST = 6, 36
_HELD_OUT = 1_000_033
"""Far from any seed of a training text."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A problem with four numbers to choose from."""

    problem: Problem
    options: tuple[int, ...]
    """In the order in which they were drawn."""

    correct: int
    """Index of the answer in `options`, from 0."""

    @property
    def id(self) -> str:
        """16 hex digits of the question and its options."""
        content = f"{self.problem.text}\0{self.options}"
        return hashlib.blake2b(content.encode(), digest_size=8).hexdigest()


def draw_choice(rng: random.Random, steps: int) -> Choice:
    """Draw a problem of so many steps, and three wrong numbers close to its answer."""
    problem = draw_problem(rng, steps)
    near = [problem.answer + d for d in range(-_FURTHEST, _FURTHEST + 1) if d]
    wrong = rng.sample([number for number in near if 0 < number <= _LARGEST], 3)
    options = [problem.answer, *wrong]
    rng.shuffle(options)
    return Choice(problem, tuple(options), options.index(problem.answer))


def held_out_choices(count: int, seed: int) -> list[Choice]:
    """Draw questions of one to four steps, no problem twice; no adapter was trained on them."""
    rng = random.Random(_HELD_OUT * (seed + 1))
    drawn: dict[str, Choice] = {}
    while len(drawn) < count:
        choice = draw_choice(rng, rng.choice(STEPS))
        drawn.setdefault(choice.problem.text, choice)
    return list(drawn.values())


def options_text(options: tuple[int, ...]) -> str:
    """The lines of the options."""
    pairs = zip(ANSWER_LETTERS, options, strict=True)
    return "\n".join(f"{letter}: {number}" for letter, number in pairs)
