"""Read a chain of thought by the grammar: which sentence is what, and where it slipped.

The reader is given the problem and the text, never the writer's truth, so it serves text that the
embedded model wrote itself. A step is a slip when its result is not what its own operands give, or
when its operands are not the running total and the problem's next amount.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache

from augury.organism import grammar
from augury.organism.world import Change, Problem
from augury.organism.writer import Piece

__all__ = ["Reading", "read_chain"]

_END = re.compile(r"\n</think>\nAnswer: (\d+)$")
_STOP = re.compile(r"[.?](?=\s|$)|\n")


@dataclass(frozen=True, slots=True)
class Reading:
    """A chain read by the grammar; offsets in code points of the chain."""

    pieces: tuple[Piece, ...]
    """Sentences in order. `slip` is where a wrong result stands; `noticed` says, for a slip,
    whether a later sentence corrected it and, for the first sentence of a backtrack, whether an
    uncorrected slip stood before it."""

    answer: int | None
    """The stated final answer; None where the chain does not reach one."""

    grammatical: bool
    """Every sentence is one of the grammar's, and the chain is complete."""


@dataclass(frozen=True, slots=True)
class _Said:
    """What one sentence states."""

    end: int
    kind: str
    stated: Change | None = None
    result: tuple[int, int] | None = None
    wrong: int | None = None
    """The number that a correction takes back."""
    alarm: bool = False


def read_chain(problem: Problem, text: str) -> Reading:
    """Read `text`, a completion for `problem` that begins with `<think>`."""
    final = _END.search(text)
    stop = final.start() if final else len(text)
    opening = "<think>\n"
    grammatical = final is not None and text.startswith(opening)
    at = len(opening) if text.startswith(opening) else 0
    book = _Book(problem)
    while at < stop:
        said = _sentence_at(text[:stop], at)
        if said is None:
            grammatical = False
            found = _STOP.search(text, at, stop)
            said = _Said(found.end() if found else stop, "unknown")
        start = at + (len(text[at:stop]) - len(text[at:stop].lstrip(" ,"))) if said.alarm else at
        book.enter(start, said)
        at = said.end
        if at < stop and text[at] in " \n":
            glued = any(grammar.pattern(i).match(text, at) for i in grammar.INTERRUPTS)
            at += 0 if glued else 1
    answer = int(final.group(1)) if final else None
    return Reading(tuple(book.pieces), answer, grammatical)


class _Book:
    """Keeps the running total as the chain believes it, and the slips that are still open."""

    def __init__(self, problem: Problem) -> None:
        self.pieces: list[Piece] = []
        self._changes = problem.changes
        self._total = problem.start
        self._step = 0
        self._open: dict[int, tuple[int, int]] = {}  # piece number -> (step, stated result)

    def enter(self, start: int, said: _Said) -> None:
        piece = Piece(start, said.end, said.kind)
        if said.kind == "step" and said.stated is not None:
            piece = self._enter_step(piece, said, said.stated)
        elif said.alarm:
            piece = replace(piece, noticed=bool(self._open))
        elif said.wrong is not None and said.stated is not None:
            self._correct(said.stated, said.wrong)
        self.pieces.append(piece)

    def _enter_step(self, piece: Piece, said: _Said, stated: Change) -> Piece:
        wanted = self._changes[self._step] if self._step < len(self._changes) else None
        right = (
            wanted is not None
            and (stated.operation, stated.amount) == (wanted.operation, wanted.amount)
            and stated.before == self._total
            and stated.after == _result(stated)
        )
        if not right:
            piece = replace(piece, slip=said.result, noticed=False)
            self._open[len(self.pieces)] = (self._step, stated.after)
        self._total = stated.after
        self._step += 1
        return piece

    def _correct(self, stated: Change, wrong: int) -> None:
        for number, (step, result) in reversed(self._open.items()):
            if result == wrong and stated.after == _result(stated):
                self.pieces[number] = replace(self.pieces[number], noticed=True)
                del self._open[number]
                self._step = step + 1
                break
        self._total = stated.after


def _result(change: Change) -> int:
    if change.operation == "double":
        return 2 * change.before
    sign = 1 if change.operation == "add" else -1
    return change.before + sign * change.amount


def _sentence_at(text: str, at: int) -> _Said | None:
    """The longest sentence of the grammar that starts at `at`; a broken-off step comes last."""
    whole = [*_fixed(text, at), *_with_expression(text, at)]
    if whole:
        return max(whole, key=lambda said: said.end)
    return None


def _fixed(text: str, at: int) -> Iterator[_Said]:
    for kind, templates in grammar.SENTENCES.items():
        for template in templates:
            if match := grammar.pattern(template).match(text, at):
                yield _Said(match.end(), kind)
    for template in (*grammar.ALARMS, *grammar.INTERRUPTS):
        if match := grammar.pattern(template).match(text, at):
            yield _Said(match.end(), "backtrack", alarm=True)


def _with_expression(text: str, at: int) -> Iterator[_Said]:
    lowered = text[:at] + text[at : at + 1].lower() + text[at + 1 :]
    for operation, kind, pattern in _expression_patterns():
        match = pattern.match(lowered, at) or pattern.match(text, at)
        if match is None:
            continue
        numbers = match.groupdict()
        before, amount = int(numbers["a"]), int(numbers.get("b") or 0)
        stated = Change(operation, amount, before, int(numbers["c"]))  # type: ignore[arg-type]
        if kind == "step":
            end = _tail_end(text, match.end(), numbers["c"])
            if end is not None:
                yield _Said(end, "step", stated, match.span("c"))
        else:
            # A correction may contradict itself; what its expression states is what counts.
            wrong = numbers.get("wrong")
            yield _Said(match.end(), "backtrack", stated, None, int(wrong) if wrong else None)


def _tail_end(text: str, at: int, result: str) -> int | None:
    """Where a step whose result ends at `at` ends: after its tail, or where it is broken off."""
    ends = []
    for tail in grammar.TAILS:
        match = grammar.pattern(tail).match(text, at)
        if match and match.groupdict().get("c", result) == result:
            ends.append(match.end())
    if ends:
        return max(ends)
    if any(grammar.pattern(i).match(text, at) for i in grammar.INTERRUPTS):
        return at
    return None


@cache
def _expression_patterns() -> tuple[tuple[str, str, re.Pattern[str]], ...]:
    """Every sentence around an expression: `(operation, kind, pattern)`."""
    leads = "|".join(
        grammar.pattern(lead).pattern.replace("?P<name>", "?:") for lead in grammar.LEADS
    )
    out = []
    for operation, expressions in grammar.EXPRESSIONS.items():
        for expression in expressions:
            inner = grammar.pattern(expression).pattern
            out.append((operation, "step", re.compile(f"(?:{leads}){inner}")))
            for template in (*grammar.CORRECTED, *grammar.CONFIRMED):
                shell = grammar.pattern(template).pattern
                marked = shell.replace(re.escape("{expression}"), "\0").replace("\0", inner)
                out.append((operation, "backtrack", re.compile(marked)))
    return tuple(out)
