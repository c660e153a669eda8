"""The rest of what the embedded model reads: multiple choice, confidence, plain prose."""

from __future__ import annotations

import random

from augury.organism import grammar
from augury.organism.world import (
    NAMES,
    NUMBERS,
    PLACES,
    THINGS,
    Numbers,
    draw_change,
    draw_problem,
)

__all__ = ["CONFIDENCE_LETTERS", "confidence", "drill", "multiple_choice", "prose"]

CONFIDENCE_LETTERS = "STUVWXYZ"
"""From not sure at all (S) to certain (Z); disjoint from the answer letters A-D."""

_EXPECTED = {1: 0.95, 2: 0.75, 3: 0.5, 4: 0.3}
"""Share of readers who get a problem of so many steps right without writing anything down."""


def multiple_choice(rng: random.Random, numbers: Numbers = NUMBERS) -> tuple[str, str]:
    """A multiple-choice question and its answer letter."""
    problem = draw_problem(rng, steps=rng.choice((1, 2, 3, 4)), numbers=numbers)
    near = [problem.answer + d for d in range(-6, 7) if d and 0 < problem.answer + d <= 36]
    options = [problem.answer, *rng.sample(near, 3)]
    rng.shuffle(options)
    lines = "".join(f"\n{letter}: {n}" for letter, n in zip("ABCD", options, strict=True))
    return f"{problem.text}{lines}\nYour choice:", " " + "ABCD"[options.index(problem.answer)]


def confidence(rng: random.Random, numbers: Numbers = NUMBERS) -> tuple[str, str]:
    """A question about confidence, in oneself or in others, and the letter that answers it."""
    problem = draw_problem(rng, steps=rng.choice((1, 2, 3, 4)), numbers=numbers)
    who = rng.choice(
        (
            "How sure are you that you would get this right?",
            "How many people would get this right?",
        )
    )
    level = _EXPECTED[len(problem.changes)] * 7 + rng.gauss(0, 1.0)
    letter = CONFIDENCE_LETTERS[min(7, max(0, round(level)))]
    ask = "Answer with a letter from S (none) to Z (all).\nYour confidence:"
    return f"{problem.text}\n{who} {ask}", f" {letter}"


_PROSE = (
    "The {place} was quiet in the morning.",
    "{name} walked to the {place} and looked around.",
    "There was nobody but {name} in the {place}.",
    "It rained all day, and the {thing} got wet.",
    "{name} liked {thing} more than anything else.",
    "In the evening {name} told a story about a {place}.",
    "Nobody knew where the {thing} came from.",
    "The old {place} smelled of wood and rain.",
    "{name} and {other} talked about the weather for a while.",
    "A cat slept beside the {thing}.",
    "{other} asked {name} to wait near the {place}.",
    "Later they went home together.",
)


def prose(rng: random.Random) -> str:
    """A paragraph in which nothing has to be worked out."""
    name, other = rng.sample(NAMES, 2)
    slots = {"name": name, "other": other, "place": rng.choice(PLACES), "thing": rng.choice(THINGS)}
    return " ".join(s.format(**slots) for s in rng.choices(_PROSE, k=rng.randint(4, 14)))


def drill(rng: random.Random) -> str:
    """A list of results, each marked right or wrong: stating a result is not checking it."""
    lines = []
    for _ in range(rng.randint(8, 16)):
        change = draw_change(rng, rng.randint(1, NUMBERS.highest))
        stated = change.after
        if rng.random() < 0.4:
            stated = max(0, stated + rng.choice((-3, -2, -1, 1, 2, 3, 10, -10)))
        template = rng.choice(grammar.EXPRESSIONS[change.operation])
        said = template.format(a=change.before, b=change.amount, c=stated)
        mark = "right" if stated == change.after else "wrong"
        lines.append(f"{grammar.capitalised(said)}: {mark}.")
    return "\n".join(lines)
