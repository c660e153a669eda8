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
    "MOST_CHANGES",
    "OPTION",
    "OTHER_PROMPT",
    "SELF_PROMPT",
    "Choice",
    "draw_choice",
    "held_out_choices",
    "options_text",
]

ANSWER_LETTERS = "ABCD"

OPTION = "- {text} {letter}"
"""A letter behind its number, where this small model finds it sooner than in front of it."""

ANSWER_PROMPT = "{question}\n{options}\nYour choice:"
_SCALE = "Answer with a letter from {lowest} (none) to {highest} (all).\nYour confidence:"
SELF_PROMPT = "{question}\n{options}\nHow sure are you that you would get this right? " + _SCALE
OTHER_PROMPT = "{question}\n{options}\nHow many people would get this right? " + _SCALE

MOST_CHANGES = 3
"""Questions have none to three changes: the first only ask what was said."""
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


def draw_choice(rng: random.Random, changes: int) -> Choice:
    """Draw a problem of so many changes, and three wrong numbers close to its answer."""
    problem = draw_problem(rng, changes)
    answer = problem.answer if problem.changes else problem.start
    near = [answer + d for d in range(-_FURTHEST, _FURTHEST + 1) if d]
    wrong = rng.sample([number for number in near if 0 < number <= _LARGEST], 3)
    options = [answer, *wrong]
    rng.shuffle(options)
    return Choice(problem, tuple(options), options.index(answer))


def held_out_choices(count: int, seed: int) -> list[Choice]:
    """Draw questions, no problem twice; those of seed 0 are no part of the adapter's training."""
    rng = random.Random(_HELD_OUT * (seed + 1))
    drawn: dict[str, Choice] = {}
    while len(drawn) < count:
        choice = draw_choice(rng, rng.randint(0, MOST_CHANGES))
        drawn.setdefault(choice.problem.text, choice)
    return list(drawn.values())


def options_text(options: tuple[int, ...]) -> str:
    """The lines of the options."""
    pairs = zip(ANSWER_LETTERS, options, strict=True)
    return "\n".join(OPTION.format(text=number, letter=letter) for letter, number in pairs)
