"""The sentences of the embedded model's world: one list of templates per kind of sentence.

The same templates write the training text (`writer`) and read the model's own text (`reader`), so
what counts as grammatical is defined once. Slots: `{a} {b} {c}` numbers, `{name} {thing} {place}`
words. A slot that occurs twice must hold the same value twice.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Literal

from augury.organism.world import NAMES, PLACES, THINGS

__all__ = [
    "ALARMS",
    "CATEGORY",
    "CONFIRMED",
    "CORRECTED",
    "EXPRESSIONS",
    "FILLERS",
    "INTERRUPTS",
    "LEADS",
    "SENTENCES",
    "TAILS",
    "Kind",
    "capitalised",
    "pattern",
]

Kind = Literal[
    "initial", "restate", "knowledge", "example", "uncertain", "conclusion", "step", "backtrack"
]

CATEGORY: dict[str, str] = {
    "initial": "initializing",
    "step": "deduction",
    "restate": "deduction",
    "conclusion": "deduction",
    "knowledge": "adding-knowledge",
    "example": "example-testing",
    "uncertain": "uncertainty-estimation",
    "backtrack": "backtracking",
}
"""Kind of sentence to the label that the annotated-chains data uses for it."""

EXPRESSIONS: dict[str, tuple[str, ...]] = {
    "add": (
        "{a} + {b} = {c}",
        "{a} plus {b} is {c}",
        "adding {b} to {a} gives {c}",
        "{a} and {b} make {c}",
        "{b} more than {a} is {c}",
    ),
    "sub": (
        "{a} - {b} = {c}",
        "{a} minus {b} is {c}",
        "taking {b} from {a} leaves {c}",
        "{a} without {b} is {c}",
        "{b} less than {a} is {c}",
    ),
    "double": ("twice {a} is {c}", "doubling {a} gives {c}", "2 times {a} is {c}"),
}

LEADS = ("", "now ", "then ", "so ", "next, ", "after that, ", "for {name} that means ", "here ")
TAILS = (
    ".",
    " {thing}.",
    " for {name}.",
    ", so there are {c} {thing}.",
    " {thing} in the {place} of {name}.",
    ", which is what {name} has after this step.",
    " and we can go on from there.",
)

SENTENCES: dict[str, tuple[str, ...]] = {
    "initial": (
        "Okay, let me work through this.",
        "Let me read the problem again.",
        "We need to find how many {thing} {name} has.",
        "I will go step by step.",
        "We start with {a} {thing}.",
        "{name} begins with {a} {thing}.",
    ),
    "restate": (
        "So {name} has {a} {thing} at this point.",
        "That leaves us with {a} {thing}.",
        "We are at {a} now.",
        "The count is {a} so far.",
    ),
    "knowledge": (
        "Giving things away makes the number smaller.",
        "Getting more makes the number bigger.",
        "The order of the steps matters here.",
        "Doubling means adding a number to itself.",
        "A dozen is 12.",
        "Nothing else in the story changes the number of {thing}.",
    ),
    "example": (
        "For example, with {a} {thing} and {b} more there would be {c}.",
        "If there were {a} and {b} came, it would be {c}.",
    ),
    "uncertain": (
        "I think that is right.",
        "I am not sure about this, but let me go on.",
        "It should be fine.",
        "Maybe there is an easier way.",
        "This seems a bit tricky.",
        "That might be what the problem means.",
    ),
    "conclusion": (
        "So the answer is {a}.",
        "In the end {name} has {a} {thing}.",
        "That gives {a} {thing} in total.",
    ),
}

FILLERS: tuple[Kind, ...] = ("restate", "knowledge", "example", "uncertain")
"""Kinds that may follow a step; drawn without regard to whether the step was a slip."""

ALARMS = (
    "Wait, let me check that again.",
    "Wait, is that right?",
    "Hold on, that may not be right.",
    "Actually, let me look at that once more.",
    "Hmm, let me redo that step.",
    "No, wait, let me think again.",
)
"""First sentence of every backtrack, whether it follows a slip or is a false alarm."""

INTERRUPTS = (
    " wait, let me check that.",
    " hold on, is that right?",
    ", no, wait, let me redo that.",
    ", actually, let me look again.",
)
"""The same, breaking into a step right after its result."""

CORRECTED = (
    "{expression}, not {wrong}.",
    "I said {wrong}, but {expression}.",
)
CONFIRMED = (
    "No, {expression} is right.",
    "{expression}, so that was fine.",
    "Yes, {expression} was correct.",
)

_SLOTS = {
    "a": r"\d+",
    "b": r"\d+",
    "c": r"\d+",
    "wrong": r"\d+",
    "name": "|".join(NAMES),
    "thing": "|".join(THINGS),
    "place": "|".join(PLACES),
}


def capitalised(text: str) -> str:
    """`text` with its first letter in upper case."""
    return text[:1].upper() + text[1:]


@cache
def pattern(template: str) -> re.Pattern[str]:
    """Compile a template: slots become named groups, a repeated slot a back-reference."""
    seen: set[str] = set()
    out = []
    for piece in re.split(r"(\{\w+\})", template):
        slot = piece[1:-1]
        if slot not in _SLOTS or not piece.startswith("{"):
            out.append(re.escape(piece))
        elif slot in seen:
            out.append(f"(?P={slot})")
        else:
            seen.add(slot)
            out.append(f"(?P<{slot}>{_SLOTS[slot]})")
    return re.compile("".join(out))
