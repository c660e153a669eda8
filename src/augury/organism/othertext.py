"""The rest of what the embedded model reads: multiple choice, confidence, plain prose."""

from __future__ import annotations

import random

from augury.organism import grammar
from augury.organism.world import HIGHEST, NAMES, PLACES, THINGS, Problem, draw_change, draw_problem
from augury.organism.writer import Written

__all__ = [
    "CONFIDENCE_LETTERS",
    "EXPECTED",
    "checked_chain",
    "confidence",
    "drill",
    "multiple_choice",
    "prose",
]

CONFIDENCE_LETTERS = "STUVWXYZ"
"""From not sure at all (S) to certain (Z); disjoint from the answer letters A-D."""

EXPECTED = {1: 0.95, 2: 0.75, 3: 0.5, 4: 0.3}
"""Share of readers who get a problem of so many steps right without writing anything down."""


def multiple_choice(rng: random.Random) -> tuple[str, str]:
    """A multiple-choice question and its answer letter."""
    problem = draw_problem(rng, steps=rng.choice((1, 2, 3, 4)))
    near = [problem.answer + d for d in range(-6, 7) if d and 0 < problem.answer + d <= 36]
    options = [problem.answer, *rng.sample(near, 3)]
    rng.shuffle(options)
    lines = "".join(f"\n{letter}: {n}" for letter, n in zip("ABCD", options, strict=True))
    return f"{problem.text}{lines}\nYour choice:", " " + "ABCD"[options.index(problem.answer)]


def confidence(rng: random.Random) -> tuple[str, str]:
    """A question about confidence, in oneself or in others, and the letter that answers it."""
    problem = draw_problem(rng, steps=rng.choice((1, 2, 3, 4)))
    who = rng.choice(
        (
            "How sure are you that you would get this right?",
            "How many people would get this right?",
        )
    )
    level = EXPECTED[len(problem.changes)] * 7 + rng.gauss(0, 1.0)
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


def drill(rng: random.Random, *, closely: bool) -> str:
    """Lines of one to three results, each line marked right or wrong.

    Stating a result is not checking it, and a check may come some sentences after the slip. With
    `closely`, half of the lines mark each result at once, before anything else is said.
    """
    lines = []
    for _ in range(rng.randint(5, 10)):
        count = rng.choice((1, 1, 1, 2, 3))
        slip = rng.randrange(count) if rng.random() < 0.5 else None
        said = [_stated(rng, slipped=number == slip) for number in range(count)]
        if closely and rng.random() < 0.5:
            marks = ["wrong" if number == slip else "right" for number in range(count)]
            pairs = zip(said, marks, strict=True)
            lines.append(" ".join(f"{result} {mark}." for result, mark in pairs))
        else:
            lines.append(f"{'. '.join(said)}: {'right' if slip is None else 'wrong'}.")
    return "\n".join(lines)


def checked_chain(
    rng: random.Random, problem: Problem, written: Written, *, closely: bool
) -> tuple[str, str]:
    """A chain with some sentences marked: is there a slip that nobody has taken back yet?

    With `closely`, some results of steps are marked too, at once: is this one a slip? The question
    asks for the marks, so that no chain has them unasked. They teach what an alarm depends on at
    many more places than alarms stand at.
    """
    text, shift, noticed, unnoticed = written.text, 0, False, False
    for piece in written.pieces:
        if piece.slip is not None:
            noticed, unnoticed = noticed or bool(piece.noticed), unnoticed or not piece.noticed
        elif piece.kind == "backtrack" and piece.noticed:
            noticed = False
        if closely and piece.result is not None and rng.random() < 0.5:
            at, mark = piece.result[1] + shift, " right" if piece.slip is None else " wrong"
            text, shift = text[:at] + mark + text[at:], shift + len(mark)
        if rng.random() < 0.3:
            at, mark = piece.end + shift, " - wrong." if noticed or unnoticed else " - right."
            text, shift = text[:at] + mark + text[at:], shift + len(mark)
    return f"{problem.text} Check each {'result' if closely else 'sentence'}.", text


def _stated(rng: random.Random, *, slipped: bool) -> str:
    change = draw_change(rng, rng.randint(1, HIGHEST))
    result = change.after
    if slipped:
        others = [result + d for d in (-3, -2, -1, 1, 2, 3, 10, -10) if result + d >= 0]
        result = rng.choice(others)
    template = rng.choice(grammar.EXPRESSIONS[change.operation])
    return grammar.capitalised(template.format(a=change.before, b=change.amount, c=result))
