from __future__ import annotations

import itertools
import random

import pytest

from augury.organism.grammar import CATEGORY
from augury.organism.reader import read_chain
from augury.organism.world import Change, Problem, draw_problem
from augury.organism.writer import Chances, write_chain

PROBLEM = Problem(
    "Tom has 5 apples. Tom buys 7 more. Tom loses 2. How many apples does Tom have now?",
    "Tom",
    "apples",
    5,
    (Change("add", 7, 5, 12), Change("sub", 2, 12, 10)),
)


def chain(*sentences: str, answer: int = 10) -> str:
    return f"<think>\n{' '.join(sentences)}\n</think>\nAnswer: {answer}"


@pytest.mark.parametrize("seed", range(40))
def test_the_reader_recovers_what_the_writer_knew(seed: int) -> None:
    rng = random.Random(seed)
    problem = draw_problem(rng)
    written = write_chain(rng, problem, Chances(slip=0.4, false_alarm=0.2))
    reading = read_chain(problem, written.text)
    assert reading.grammatical
    assert reading.answer == written.answer
    for told, read in zip(written.pieces, reading.pieces, strict=True):
        assert (told.start, told.end, told.kind, told.slip) == (
            read.start,
            read.end,
            read.kind,
            read.slip,
        )
        if told.kind == "backtrack":
            assert told.noticed == read.noticed


def test_pieces_tile_the_thinking_but_for_single_separators() -> None:
    rng = random.Random(3)
    written = write_chain(rng, draw_problem(rng))
    for before, after in zip(written.pieces, written.pieces[1:], strict=False):
        assert written.text[before.end : after.start] in (" ", "\n", ", ")


def test_a_wrong_result_is_a_slip_and_its_correction_closes_it() -> None:
    text = chain(
        "5 + 7 = 13.",
        "Wait, let me check that again.",
        "5 + 7 = 12, not 13.",
        "12 - 2 = 10.",
        "So the answer is 10.",
    )
    reading = read_chain(PROBLEM, text)
    assert reading.grammatical
    slip, alarm = reading.pieces[0], reading.pieces[1]
    assert slip.slip is not None and text[slice(*slip.slip)] == "13"
    assert slip.noticed is True and alarm.noticed is True
    assert [p.slip for p in reading.pieces[1:]] == [None] * 4


def test_an_alarm_without_a_slip_is_a_false_one() -> None:
    text = chain(
        "5 + 7 = 12.",
        "Hold on, that may not be right.",
        "No, 5 + 7 = 12 is right.",
        "12 - 2 = 10.",
        "So the answer is 10.",
    )
    alarm = read_chain(PROBLEM, text).pieces[1]
    assert alarm.kind == "backtrack" and alarm.noticed is False


def test_right_arithmetic_on_wrong_operands_is_a_slip() -> None:
    reading = read_chain(PROBLEM, chain("5 + 8 = 13.", "13 - 2 = 11.", answer=11))
    assert [piece.slip is not None for piece in reading.pieces] == [True, False]


@pytest.mark.parametrize(
    "text",
    [
        "<think>\n5 + 7 = 12. This is no sentence of ours.\n</think>\nAnswer: 12",
        "<think>\n5 + 7 = 12.",
        "5 + 7 = 12.\n</think>\nAnswer: 12",
        "<think>\n5 + 7 = 12, so there are 13 apples.\n</think>\nAnswer: 12",
        "",
    ],
)
def test_text_outside_the_grammar_is_not_grammatical(text: str) -> None:
    assert not read_chain(PROBLEM, text).grammatical


def test_every_kind_of_sentence_has_one_of_the_six_labels() -> None:
    from augury.traces.sources.annotated_chains import SEED_LABELS

    assert set(CATEGORY.values()) == set(SEED_LABELS)


def test_between_slip_and_notice_the_text_is_drawn_as_without_a_slip() -> None:
    """Fillers after a step are equally common whether it slipped or not (nothing is given away)."""
    rng = random.Random(0)
    after: dict[bool, list[bool]] = {True: [], False: []}
    for _ in range(4000):
        problem = draw_problem(rng)
        pieces = write_chain(rng, problem, Chances(slip=0.4, notice=0.0, false_alarm=0.0)).pieces
        for piece, following in itertools.pairwise(pieces):
            if piece.kind == "step":
                after[piece.slip is not None].append(following.kind in ("uncertain", "restate"))
    shares = {slipped: sum(found) / len(found) for slipped, found in after.items()}
    assert abs(shares[True] - shares[False]) < 0.03
