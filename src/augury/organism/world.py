"""The embedded model's world: short word problems about a running total."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Literal

__all__ = [
    "HIGHEST",
    "LARGEST",
    "MOST",
    "NAMES",
    "PLACES",
    "THINGS",
    "Change",
    "Operation",
    "Problem",
    "draw_change",
    "draw_problem",
]

Operation = Literal["add", "sub", "double"]

NAMES = (
    "Tom Ana Ben Mia Sam Eva Leo Zoe Max Ida Kim Lia Dan Amy Jon Ruth Paul Nina Carl Vera".split()
)
THINGS = "apples books coins shells cards stamps pears nuts beads balls eggs pens".split()
PLACES = "box bag jar drawer basket garden kitchen shop".split()

HIGHEST = 15
"""Largest true running total."""

MOST = 5
"""Largest amount that is added or taken in one step."""

LARGEST = 50
"""Largest number that is ever stated; every number up to it is one token."""

_GAIN = ("finds {b} more", "buys {b} more", "gets {b} from {other}", "picks {b} more", "wins {b}")
_LOSS = ("gives {b} to {other}", "loses {b}", "sells {b}", "drops {b}", "puts {b} away")
_DOUBLE = ("doubles the number of {thing}", "then gets as many again")
_LINK = ("", "Then ", "Later ", "After that ", "Next ")
_QUESTION = (
    "How many {thing} does {name} have now?",
    "How many {thing} are there in the end?",
    "What is the number of {thing} at the end?",
    "How many {thing} does {name} end up with?",
)


@dataclass(frozen=True, slots=True)
class Change:
    """One step: `before` becomes `after`."""

    operation: Operation
    amount: int
    """What is added or taken; 0 for `double`."""

    before: int
    """True running total before the step."""

    after: int
    """True running total after it."""


@dataclass(frozen=True, slots=True)
class Problem:
    """A word problem, with its truth."""

    text: str
    name: str
    thing: str
    start: int
    changes: tuple[Change, ...]

    @property
    def answer(self) -> int:
        """The true final total."""
        return self.changes[-1].after


def draw_problem(rng: random.Random, steps: int | None = None) -> Problem:
    """Draw a problem of `steps` changes (2 to 4 when not given)."""
    n_steps = rng.choice((2, 2, 3, 3, 3, 4)) if steps is None else steps
    name, other = rng.sample(NAMES, 2)
    thing = rng.choice(THINGS)
    start = total = rng.randint(3, 12)
    changes = []
    for _ in range(n_steps):
        change = draw_change(rng, total)
        total = change.after
        changes.append(change)
    slots = {"name": name, "other": other, "thing": thing}
    place = rng.choice(PLACES)
    text = [
        rng.choice(
            (
                f"{name} has {start} {thing}.",
                f"There are {start} {thing} in the {place} of {name}.",
                f"{name} starts with {start} {thing}.",
            )
        )
    ]
    text += [_tell(rng, change, slots) for change in changes]
    text.append(rng.choice(_QUESTION).format(**slots))
    return Problem(" ".join(text), name, thing, start, tuple(changes))


def draw_change(rng: random.Random, total: int) -> Change:
    """Draw one step from a true running total."""
    kinds: list[Operation] = []
    if total <= HIGHEST - 2:
        kinds += ["add"] * 4
    if total >= 4:
        kinds += ["sub"] * 4
    if total <= HIGHEST // 2:
        kinds += ["double"]
    kind = rng.choice(kinds)
    if kind == "double":
        return Change("double", 0, total, 2 * total)
    if kind == "add":
        amount = rng.randint(2, min(MOST, HIGHEST - total))
        return Change("add", amount, total, total + amount)
    amount = rng.randint(2, min(MOST, total - 1))
    return Change("sub", amount, total, total - amount)


def _tell(rng: random.Random, change: Change, slots: dict[str, str]) -> str:
    phrases = {"add": _GAIN, "sub": _LOSS, "double": _DOUBLE}[change.operation]
    phrase = rng.choice(phrases).format(b=change.amount, **slots)
    return f"{rng.choice(_LINK)}{slots['name']} {phrase}."
