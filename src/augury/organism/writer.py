"""Write chains of thought whose every token has a known truth.

A step states a wrong result with probability `slip`. A slip is noticed with probability `notice`,
after a delay that is drawn before anything else is written: everything between the slip and the
notice is drawn exactly as it would be without a slip, so the text gives the backtrack away only to
a reader who did the arithmetic.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass, field

from augury.organism import grammar
from augury.organism.world import LARGEST, Change, Problem

__all__ = ["Chances", "Piece", "Written", "write_chain"]

_WORD = re.compile(r"\w+|[^\w\s]")


@dataclass(frozen=True, slots=True)
class Chances:
    """Probabilities of the world."""

    slip: float = 0.25
    """That a step states a wrong result."""

    notice: float = 0.92
    """That a slip will be noticed, if the chain is not over before."""

    false_alarm: float = 0.02
    """That a step without an open slip, and its fillers, are followed by a backtrack."""

    filler: float = 0.5
    """That another filler sentence follows a step or filler."""

    interrupt: float = 0.3
    """That the notice of a slip breaks into its step right after the wrong result."""

    delay: int = 22
    """Longest wait between slip and notice, in words and punctuation marks."""


@dataclass(frozen=True, slots=True)
class Piece:
    """One sentence with its truth; offsets in code points of the chain."""

    start: int
    end: int
    kind: str
    slip: tuple[int, int] | None = None
    """Where a wrong result stands, for a step that slipped."""

    noticed: bool | None = None
    """For a slip: will it be noticed? For the first sentence of a backtrack: was there a slip?"""

    result: tuple[int, int] | None = None
    """Where the result of a step stands; only the writer says it."""


@dataclass(frozen=True, slots=True)
class Written:
    """A chain and its truth."""

    text: str
    pieces: tuple[Piece, ...]
    answer: int
    """What the chain concludes; wrong where a slip went unnoticed."""


@dataclass(slots=True)
class _Open:
    """A slip that waits to be noticed."""

    step: int
    change: Change
    stated: int
    due: int
    """Words after which the next sentence boundary notices it."""


@dataclass(slots=True)
class _Pen:
    rng: random.Random
    problem: Problem
    chances: Chances
    text: str = "<think>\n"
    pieces: list[Piece] = field(default_factory=list)
    slots: dict[str, str] = field(default_factory=dict)

    def put(self, sentence: str, kind: str, **truth: object) -> int:
        """Append a sentence; return where it starts."""
        glued = sentence[:1] in " ,"
        if self.pieces and not glued:
            self.text += "\n" if self.rng.random() < 0.12 else " "
        start = len(self.text) + (len(sentence) - len(sentence.lstrip(" ,")) if glued else 0)
        self.text += sentence
        self.pieces.append(Piece(start, len(self.text), kind, **truth))  # type: ignore[arg-type]
        return start

    def say(self, kind: str, **numbers: int) -> None:
        template = self.rng.choice(grammar.SENTENCES[kind])
        if kind == "example":
            a, b = self.rng.randint(1, 5), self.rng.randint(1, 5)
            numbers = {"a": a, "b": b, "c": a + b}
        self.put(template.format(**self.slots, **numbers), kind)

    def words_since(self, where: int) -> int:
        return len(_WORD.findall(self.text, where))


def write_chain(rng: random.Random, problem: Problem, chances: Chances | None = None) -> Written:
    """Write one chain of thought for `problem`, ending with `Answer: n`."""
    pen = _Pen(rng, problem, chances or Chances())
    pen.slots = {"name": problem.name, "thing": problem.thing, "place": "box"}
    for _ in range(rng.choice((1, 1, 2))):
        pen.say("initial", a=problem.start)
    total = _write_steps(pen)
    pen.text += f"\n</think>\nAnswer: {total}"
    return Written(pen.text, tuple(pen.pieces), total)


def _write_steps(pen: _Pen) -> int:
    rng, changes = pen.rng, pen.problem.changes
    total, step, waiting, slip_at = pen.problem.start, 0, None, 0
    while True:
        if step < len(changes):
            change = _continue_from(changes[step], total)
            stated, waiting_now, interrupted = _write_step(pen, change, step, waiting is not None)
            if waiting_now is not None:
                waiting, slip_at = waiting_now, len(pen.text)
            total, step = stated, step + 1
        else:
            interrupted = False
            pen.say("conclusion", a=total)
        last = step >= len(changes) and pen.pieces[-1].kind == "conclusion"
        if not interrupted and not last:
            noticed = _due(pen, waiting, slip_at)
            while not noticed and rng.random() < pen.chances.filler:
                pen.say(rng.choice(grammar.FILLERS), a=total)
                noticed = _due(pen, waiting, slip_at)
        if waiting is not None and (interrupted or _due(pen, waiting, slip_at)):
            total, step = _write_notice(pen, waiting, interrupted), waiting.step + 1
            waiting = None
        elif waiting is None and not last and rng.random() < pen.chances.false_alarm:
            _write_false_alarm(pen, changes[step - 1], total)
        elif last:
            return total


def _continue_from(change: Change, total: int) -> Change:
    """The step as somebody does it who believes that the total is `total`."""
    if change.operation == "double":
        return Change("double", 0, total, 2 * total)
    sign = 1 if change.operation == "add" else -1
    return Change(change.operation, change.amount, total, total + sign * change.amount)


def _write_step(
    pen: _Pen, change: Change, step: int, already_open: bool
) -> tuple[int, _Open | None, bool]:
    rng = pen.rng
    slipped = not already_open and rng.random() < pen.chances.slip
    stated = _wrong(pen, step, change.after) if slipped else change.after
    noticed = slipped and rng.random() < pen.chances.notice
    interrupted = noticed and rng.random() < pen.chances.interrupt
    place = rng.choice(("box", "bag", "jar", "shop"))
    slots = pen.slots | {"place": place, "c": str(stated)}
    head = rng.choice(grammar.LEADS).format(**slots) + _expression(rng, change, stated)
    tail = "" if interrupted else rng.choice(grammar.TAILS).format(**slots)
    where = head.rindex(str(stated))
    start = pen.put(grammar.capitalised(head) + tail, "step")
    span = (start + where, start + where + len(str(stated)))
    slip, told = (span, noticed) if slipped else (None, None)
    pen.pieces[-1] = Piece(start, len(pen.text), "step", slip, told, result=span)
    if not noticed:
        return stated, None, False
    return stated, _Open(step, change, stated, rng.randint(0, pen.chances.delay)), interrupted


def _expression(rng: random.Random, change: Change, result: int) -> str:
    template = rng.choice(grammar.EXPRESSIONS[change.operation])
    return template.format(a=change.before, b=change.amount, c=result)


def _wrong(pen: _Pen, step: int, right: int) -> int:
    """A wrong result from which the remaining steps stay within the numbers of the world."""
    options = []
    for stated in (right + d for d in (-3, -2, -1, 1, 2, 3, 10, -10)):
        totals = [stated]
        for change in pen.problem.changes[step + 1 :]:
            totals.append(_continue_from(change, totals[-1]).after)
        if min(totals) >= 0 and max(totals) <= LARGEST:
            options.append(stated)
    return pen.rng.choice(options or [right + 1])


def _due(pen: _Pen, waiting: _Open | None, slip_at: int) -> bool:
    return waiting is not None and pen.words_since(slip_at) >= waiting.due


def _write_notice(pen: _Pen, slip: _Open, interrupted: bool) -> int:
    rng = pen.rng
    pen.put(
        rng.choice(grammar.INTERRUPTS if interrupted else grammar.ALARMS), "backtrack", noticed=True
    )
    right = slip.change.after
    said = _expression(rng, slip.change, right)
    sentence = rng.choice(grammar.CORRECTED).format(wrong=slip.stated, expression=said)
    pen.put(grammar.capitalised(sentence), "backtrack")
    return right


def _write_false_alarm(pen: _Pen, change: Change, total: int) -> None:
    rng = pen.rng
    if _continue_from(change, change.before).after != total:
        return
    pen.put(rng.choice(grammar.ALARMS), "backtrack", noticed=False)
    said = _expression(rng, change, total)
    pen.put(grammar.capitalised(rng.choice(grammar.CONFIRMED).format(expression=said)), "backtrack")
