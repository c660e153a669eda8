"""The marks of sentences are the writer's own truth."""

from __future__ import annotations

import random

from augury.organism.sentence_truth import sentence_truths
from augury.organism.world import draw_problem
from augury.organism.writer import Chances, write_chain
from augury.traces.sentences import split_sentences

THINK = "<think>\n"


def test_marks_follow_the_writers_truth() -> None:
    rng = random.Random(3)
    seen = set()
    for _ in range(150):
        problem = draw_problem(rng)
        written = write_chain(rng, problem, Chances(slip=0.5, false_alarm=0.1))
        stop = written.text.index("\n</think>")
        ranges = [
            (low + len(THINK), high + len(THINK))
            for low, high in split_sentences(written.text[len(THINK) : stop])
        ]
        found = sentence_truths(problem, written.text, ranges, opened=False)
        wanted: list[set[str]] = [set() for _ in ranges]
        open_slip = False
        alarmed = False
        for piece in written.pieces:
            at = next(n for n, (low, high) in enumerate(ranges) if low <= piece.start < high)
            mark = ""
            if piece.slip is not None:
                mark = "noticed slip" if piece.noticed else "unnoticed slip"
            elif piece.kind == "backtrack" and piece.noticed is not None:
                mark, alarmed = ("alarm", True) if piece.noticed else ("false alarm", False)
            elif piece.kind == "backtrack" and alarmed:
                mark = "correction"
            elif open_slip:
                mark = "slip open"
            if piece.slip is not None:
                open_slip = True
            if mark == "correction":
                open_slip, alarmed = False, False
            if mark:
                wanted[at].add(mark)
        # Once a slip stays (or the chain ends before its notice), the writer's intention and what
        # a reader can see are two things.
        if not open_slip and not any("unnoticed slip" in marks for marks in wanted):
            assert [set(each.marks) for each in found] == wanted, written.text
            seen |= set().union(*wanted)
    assert seen == {"noticed slip", "alarm", "false alarm", "correction", "slip open"}


def test_a_solution_behind_the_opening_tag_has_the_same_marks() -> None:
    rng = random.Random(8)
    problem = draw_problem(rng)
    text = write_chain(rng, problem, Chances(slip=0.6)).text
    bare = text.removeprefix(THINK)
    ranges = split_sentences(bare[: bare.index("\n</think>")])
    shifted = [(low + len(THINK), high + len(THINK)) for low, high in ranges]
    assert sentence_truths(problem, bare, ranges, opened=True) == sentence_truths(
        problem, text, shifted, opened=False
    )
